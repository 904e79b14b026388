"""Parts of charts with several lines: styles that differ without colour, too, and names at the lines' ends."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prunelab.formatting import round_up
from prunelab.results.objective import Objective
from prunelab.views import palette
from prunelab.views.escaping import wrapped
from prunelab.views.figure import axis, note

MAX_LINES = 8  # more are unreadable
WIDTH = 16  # largest number of characters per line in a name at a line's end
HEIGHT = 150  # pixels of the smallest plot, without axes and title; names do not overlap at this height
TEXT = 14  # line height in pixels
TICKS = (100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)

COLOURS = (palette.KEPT, palette.LINE, palette.OTHER, palette.CUT)
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "cross", "x", "triangle-down", "star")


@dataclass(frozen=True)
class Style:
    """How one of several lines is drawn."""

    colour: str
    dash: str  # plotly's name of the dash style
    symbol: str  # plotly's name of the marker


@dataclass(frozen=True)
class End:
    """The end of a line, to be named."""

    name: str  # of the line: a user's text, not escaped
    x: float  # in units of the axis
    y: float  # in units of the axis
    style: Style


def style(index: int) -> Style:
    """The style of the line with this number (from 0): four colours, solid, then dashed; eight markers."""
    dash = "solid" if index % MAX_LINES < len(COLOURS) else "longdash"
    return Style(COLOURS[index % len(COLOURS)], dash, SYMBOLS[index % len(SYMBOLS)])


PLAIN = {"opacity": 1, "line": {"width": 0}}  # else plotly draws markers of several sizes translucent, with an outline
DENSE = Style(palette.DENSE, "dash", "line-ew")


def dense_line(level: float) -> dict[str, Any]:
    """The value of the dense network across the whole plot."""
    line = {"color": palette.DENSE, "width": 1.5, "dash": "dash"}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level, "line": line}


def kept_axis(title: str, percents: Iterable[float]) -> dict[str, Any]:
    """A logarithmic axis of kept weights (%), descending from 100 % at the left, as in the paper's figure 5."""
    lowest = min([*percents, 50.0])
    shown = [x for x in TICKS if x >= lowest / 1.3]
    return axis(
        title, type="log", range=[math.log10(115), math.log10(lowest / 1.15)],
        tickvals=shown, ticktext=[f"{x:g}" for x in shown], zeroline=False,
    )  # fmt: skip


def in_percent(share: float) -> float:
    """A share on such an axis, to six digits: rounded to places, a few survivors of millions would stand at 0."""
    return float(f"{100 * share:.6g}")


def axis_around(low: float, high: float, part: float, objective: Objective) -> list[float]:
    """Range of an axis of a metric around ``low`` to ``high``, with ``part`` of that as room, within its bounds."""
    point = objective.points * objective.scale(low, high) / 100
    room = max(part * (high - low), 0.5 * point)
    start, end = low - room, high + room
    if objective.low is not None:
        start = max(start, objective.points * objective.low)
    if objective.high is not None:
        end = min(end, objective.points * objective.high + point)
    return [float(f"{start:.6g}"), float(f"{end:.6g}")]


def stepped(values: Sequence[float], objective: Objective) -> list[float]:
    """Range of an axis for values of a metric that is not shown in percent; in steps, so that it seldom moves."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    top = objective.high if objective.high is not None else high
    span = max(top - low, 1e-3 * objective.scale(low, high))
    step = round_up(span) / 5
    start = step * math.floor((low - 0.05 * span) / step)
    end = top + 0.02 * span if objective.high is not None else step * math.ceil((high + 0.05 * span) / step)
    return [float(f"{start:.9g}"), float(f"{end:.9g}")]


def named(ends: Sequence[End], across: Sequence[float], up: Sequence[float], width: int = WIDTH) -> dict[str, Any]:
    """Names to the right of the plot, connected to the ends of their lines.

    across, up: ranges of the x and y axes, across as powers of ten. Names that would overlap move apart; a line that
    ends below the picture is named at the bottom. width: most characters per line of a name. Returns ``data`` (the
    connecting lines), ``annotations``, and the margin ``r`` in pixels.
    """
    lines = 2 if len(ends) <= 5 else 1
    texts = [wrapped(end.name, width, lines) for end in ends]
    low, high = up
    unit = (high - low) / HEIGHT
    heights = [unit * TEXT * (1 + text.count("<br>")) for text in texts]
    levels = [max(end.y, low) for end in ends]
    places = apart(levels, heights, low, high)
    right = 1.001 * 10 ** across[1]  # just outside: plotly hides a marker that rounding puts beyond the axis
    data = [
        {
            "type": "scatter", "mode": "lines+markers", "x": [end.x, right], "y": [level, place], "hoverinfo": "skip",
            "line": {"color": end.style.colour, "width": 1, "dash": "dot"}, "cliponaxis": False,
            "marker": {
                "color": end.style.colour, "size": [0, 8], "symbol": end.style.symbol, "opacity": 1,
                "line": {"color": end.style.colour, "width": 2 if end.style is DENSE else 0},
            },
        }
        for end, level, place in zip(ends, levels, places, strict=True)
    ]  # fmt: skip
    notes = [
        note(text, 1, place, xref="paper", xanchor="left", yanchor="middle", align="left", xshift=7)
        for text, place in zip(texts, places, strict=True)
    ]
    longest = max((len(html.unescape(line)) for text in texts for line in text.split("<br>")), default=0)
    return {"data": data, "annotations": notes, "r": 14 + round(6.3 * longest)}


def apart(wanted: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Centres of labels, as near to ``wanted`` as possible without overlap, within low to high if they fit there.

    From the top, each label is pushed down by those above it; then those below ``low`` are pushed up again.
    """
    order = sorted(range(len(wanted)), key=lambda i: -wanted[i])
    places = list(wanted)
    ceiling = high
    for i in order:
        places[i] = min(wanted[i], ceiling - heights[i] / 2)
        ceiling = places[i] - heights[i] / 2
    floor = low
    for i in reversed(order):
        places[i] = max(places[i], floor + heights[i] / 2)
        floor = places[i] + heights[i] / 2
    return places
