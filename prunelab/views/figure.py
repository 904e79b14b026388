"""What all views share: the frame of a figure, and numbers in words."""

from __future__ import annotations

import html
from typing import Any

from prunelab.formatting import layer_of
from prunelab.results.snapshot import LayerSnapshot, Snapshot
from prunelab.views import palette
from prunelab.views.escaping import escaped

View = dict[str, Any]


def figure(data: list[dict[str, Any]], title: str, **layout: Any) -> View:
    """A view with our frame: transparent (the page is the ground), no chart junk, the title stating the finding."""
    base = {
        "title": {"text": title},
        "paper_bgcolor": palette.CLEAR,
        "plot_bgcolor": palette.CLEAR,
        "font": {"size": 12},
        "margin": {"l": 48, "r": 12, "t": 38, "b": 40},
        "showlegend": False,
        "hovermode": "closest",
    }
    return {"data": data, "layout": base | layout}


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """An axis with a title (with its unit) and a quiet grid."""
    return {
        "title": {"text": title, "standoff": 6},
        "gridcolor": palette.GRID,
        "zerolinecolor": palette.GRID,
        "linecolor": palette.GRID,
        "fixedrange": True,
    } | more


def named_axis(**more: Any) -> dict[str, Any]:
    """The axis of bars that have names: it takes the room that these need."""
    return axis("", type="category", showgrid=False, automargin=True) | more


def note(text: str, x: float, y: float | str, *, axes: str = "", **more: Any) -> dict[str, Any]:
    """A label in the picture, at data coordinates of the axes ("", "2", ...) unless xref and yref say otherwise.

    Its lines are flush with the side on which it is held (xanchor).
    """
    place = {"x": x, "y": y, "xref": f"x{axes}", "yref": f"y{axes}", "showarrow": False}
    if "xanchor" in more:
        place["align"] = more["xanchor"]
    return {"text": text, "font": {"size": 11}} | place | more


def empty(text: str) -> View:
    """A view that has nothing to show, and says why; to a page also as text (``meta["says"]``), which wraps there."""
    hidden = {"visible": False, "fixedrange": True}
    centre = note(text, 0.5, 0.5, xref="paper", yref="paper", font={"size": 13, "color": palette.QUIET})
    return figure(
        [],
        text.partition(":")[0].partition(".")[0],
        annotations=[centre],
        xaxis=hidden,
        yaxis=hidden,
        meta={"says": text.replace("<br>", " ")},
    )


def summary(view: View) -> str:
    """A view in words: its title and, where the view gives one, a sentence with the numbers."""
    layout = view["layout"]
    more = (layout.get("meta") or {}).get("summary", "")
    return html.unescape(f"{layout['title']['text']}. {more}".strip())  # text of users is escaped for plotly


def short(layer: LayerSnapshot) -> str:
    """A layer's name as people call it, to stand in a picture."""
    return escaped(layer_of(layer.name))


def if_cut(snapshot: Snapshot) -> bool:
    """Whether a snapshot shows what would be, not what is."""
    return snapshot.phase == "preview"
