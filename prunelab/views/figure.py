"""Parts that all views share: the frame of a figure, axes, labels, names."""

from __future__ import annotations

import html
from typing import Any

from prunelab.formatting import layer_of
from prunelab.results.snapshot import LayerSnapshot, Snapshot
from prunelab.views import palette
from prunelab.views.escaping import elided, escaped

View = dict[str, Any]


def figure(data: list[dict[str, Any]], title: str, **layout: Any) -> View:
    """A view with the common layout: transparent background, no legend unless asked for, the finding as its title."""
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
    """An axis with a title (which names the unit) and a faint grid."""
    return {
        # As large as the numbers: plotly.js takes a fifth more, which runs into the title of the axis below.
        "title": {"text": title, "standoff": 6, "font": {"size": 12}},
        "gridcolor": palette.GRID,
        "zerolinecolor": palette.GRID,
        "linecolor": palette.GRID,
        "fixedrange": True,
    } | more


def named_axis(**more: Any) -> dict[str, Any]:
    """A category axis for named bars; its margin grows with the names."""
    return axis("", type="category", showgrid=False, automargin=True) | more


def domain(index: int, parts: int, gap: float) -> list[float]:
    """Where one of several equal plots beside each other lies. gap: between two, in widths of the whole."""
    size = (1 - gap * (parts - 1)) / parts
    start = index * (size + gap)
    return [round(start, 4), round(min(start + size, 1.0), 4)]


def note(text: str, x: float, y: float | str, **more: Any) -> dict[str, Any]:
    """A label at data coordinates of the first axes, unless xref and yref say otherwise.

    Its lines are aligned to the side of its xanchor.
    """
    place = {"x": x, "y": y, "xref": "x", "yref": "y", "showarrow": False}
    if "xanchor" in more:
        place["align"] = more["xanchor"]
    return {"text": text, "font": {"size": 11}} | place | more


def empty(text: str) -> View:
    """A view without data that says why it is empty.

    Args:
        text: the reason, lines separated by <br>. Pages get it as ``layout["meta"]["says"]``, too, and wrap it there.
    """
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
    """A view as plain text: its title and, where the view has one, a sentence with the numbers.

    Args:
        view: any view of this package.
    """
    layout = view["layout"]
    numbers = (layout.get("meta") or {}).get("summary", "")
    return html.unescape(f"{layout['title']['text']}. {numbers}".strip())  # users' text is escaped for plotly


def short(layer: LayerSnapshot) -> str:
    """A layer's short name ("fc1"), escaped for pictures."""
    return escaped(elided(layer_of(layer.name)))


def if_cut(snapshot: Snapshot) -> bool:
    """Whether a snapshot is a preview of a cut, not the network as it is."""
    return snapshot.phase == "preview"
