"""The rate of every dropout by round, with the curve of the dropout rule."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prunelab.formatting import module_of, percent
from prunelab.recipe import OWN
from prunelab.results.snapshot import Snapshot
from prunelab.views import palette
from prunelab.views.escaping import LONGEST, elided, escaped, told_apart
from prunelab.views.figure import View, axis, empty, figure, if_cut, note
from prunelab.views.subjects import a_history

SYMBOLS = ("circle", "square", "triangle-up", "cross", "star", "pentagon")
ACROSS = (-2, 104)  # range of the x axis
PLOT = (165, 115)  # pixels of the smallest plot, without axes and title; labels do not overlap at this size
TEXT = (6.3, 14)  # pixels of a label: the width of a character, the height of the line
MARKER = 10  # pixels
NAME = 20  # characters of a dropout's name, more where names would be the same

Box = tuple[float, float, float, float]  # left, right, bottom, top, in pixels


@dataclass(frozen=True)
class End:
    """The point of a dropout as it is now, in data coordinates, and its label."""

    text: str
    x: float
    y: float

    @property
    def side(self) -> int:
        """Where the label is: 1 to the right, -1 to the left."""
        return 1 if self.x < 70 else -1

    def place(self, high: float) -> tuple[float, float]:
        """The point in pixels from the lower left corner. high: end of the y axis."""
        low, end = ACROSS
        return PLOT[0] * (self.x - low) / (end - low), PLOT[1] * self.y / high

    def box(self, high: float, shift: float) -> Box:
        """The label, ``shift`` pixels above the point."""
        (x, y), width = self.place(high), TEXT[0] * len(html.unescape(self.text))
        return _around(x + self.side * (8 + width / 2), y + shift, width, TEXT[1])


def dropout(history: Iterable[Snapshot]) -> View:
    """Dropout rates over the density (%) of the layer they belong to, with the rule's curve, D_o x sqrt(kept / total).

    Args:
        history: the snapshots of the run, oldest first, optionally with a preview at the end; the dense ones, cuts and
            previews are shown.

    Returns:
        The view; an empty one for a network without dropout.
    """
    history = a_history(history, "dropout")
    if not history or not history[-1].dropouts:
        custom = bool(history) and history[-1].recipe.model == OWN
        hint = "" if custom else "<br>Set a rate under 1 Train."
        return empty(f"No dropout: this network has none, so there is nothing to adjust.{hint}")
    last = history[-1]
    snapshots = [s for s in history if s.phase in ("trained", "pruned", "preview") or s.round == 0 or s is last]
    data: list[dict[str, Any]] = []
    ends: list[End] = []
    names, full = (told_apart([d.name for d in last.dropouts], most) for most in (NAME, LONGEST))
    for original in sorted({d.original for d in last.dropouts}):
        densities = [i / 40 for i in range(41)]
        data.append({
            "type": "scatter", "mode": "lines", "name": "rule", "hoverinfo": "skip",
            "x": [100 * d for d in densities], "y": [round(original * math.sqrt(d), 4) for d in densities],
            "line": {"color": palette.QUIET, "width": 1.5},
        })  # fmt: skip
    for i, now in enumerate(last.dropouts):
        if now.layer is None:
            continue
        name, layer = full[now.name], escaped(elided(module_of(now.layer) or now.layer))
        points: dict[float, tuple[float, str]] = {}
        for s in snapshots:
            rate = next(d.rate for d in s.dropouts if d.name == now.name)
            label = "if cut now" if if_cut(s) else f"round {s.round}" if s.round else s.origin.label
            points[round(100 * s.module_density(now.layer), 3)] = (round(rate, 4), label)
        colours = [palette.LINE if label == "if cut now" else palette.KEPT for _, label in points.values()]
        data.append({
            "type": "scatter", "mode": "markers", "name": name,
            "x": list(points), "y": [rate for rate, _ in points.values()],
            "text": [text for _, text in points.values()],
            "marker": {"color": colours, "size": 10, "symbol": SYMBOLS[i % len(SYMBOLS)]},
            "hovertemplate": f"{name} after {layer}, %{{text}}: rate %{{y:.3f}}<extra></extra>",
        })  # fmt: skip
        x, (y, _) = next(reversed(points.items()))
        ends.append(End(f"{names[now.name]} {y:.2f}", x, y))
    high = max(d.original for d in last.dropouts) * 1.2 or 1
    summary = "; ".join(f"{full[d.name]}: {d.rate:.3f}" for d in last.dropouts) + f". {percent(last.density)} kept."
    return figure(
        data, _title(last, names), annotations=_labels(ends, high), meta={"summary": summary},
        xaxis=axis("kept in the layer before (%)", range=list(ACROSS)),
        yaxis=axis("dropout rate", range=[0, high]),
    )  # fmt: skip


def _labels(ends: Sequence[End], high: float) -> list[dict[str, Any]]:
    """A label beside each point: above it, or below where that would cover another label or point.

    From the top, so that of two points near each other the upper one has its label above and the lower one below. Where
    neither is free, the label goes further away. high: end of the y axis.
    """
    markers = [_around(*end.place(high), MARKER, MARKER) for end in ends]
    shifts = [sign * (MARKER + TEXT[1] * far) for far in range(len(ends)) for sign in (1, -1)]
    taken: list[Box] = []
    notes = []
    for end in sorted(ends, key=lambda end: -end.y):
        boxes = {shift: end.box(high, shift) for shift in shifts}
        shift = min(boxes, key=lambda shift: _cost(boxes[shift], taken, markers))
        taken.append(boxes[shift])
        notes.append(note(
            end.text, end.x, end.y, xanchor="left" if end.side > 0 else "right", xshift=8 * end.side, yshift=shift,
        ))  # fmt: skip
    return notes


def _cost(box: Box, taken: Sequence[Box], markers: Sequence[Box]) -> tuple[bool, bool, bool]:
    """What speaks against a label here, the worst first."""
    outside = box[2] < 0 or box[3] > PLOT[1]
    return any(_meet(box, other) for other in taken), outside, any(_meet(box, other) for other in markers)


def _around(x: float, y: float, width: float, height: float) -> Box:
    return x - width / 2, x + width / 2, y - height / 2, y + height / 2


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


def _title(last: Snapshot, names: Mapping[str, str]) -> str:
    """What happens to the rates: from where they all were to where they are, else the name of each with its rates.

    Where some fall and others do not, it names those that fall. names: of the dropouts, as they are shown.
    """
    steps = {d.name: (f"{d.original:.2f}", f"{d.rate:.2f}") for d in last.dropouts}
    if all(d.rate == d.original for d in last.dropouts):
        rates = " and ".join(sorted({before for before, _ in steps.values()}))
        why = "nothing is cut yet" if last.kept == last.total else "the cut does not change it"
        return f"Dropout stays at {rates}: {why}"
    verb = "would fall" if if_cut(last) else "fell"
    fallen = {name: step for name, step in steps.items() if step[0] != step[1]}
    if not fallen:
        rates = " and ".join(sorted({before for before, _ in steps.values()}))
        return f"Dropout {'would stay' if if_cut(last) else 'stays'} near {rates}: little is cut"
    before, after = (sorted(set(rates)) for rates in zip(*fallen.values(), strict=True))
    if len(before) == 1 and len(fallen) == len(steps):
        return f"Dropout {verb} from {before[0]} to {'–'.join(after[:: max(len(after) - 1, 1)])}"
    parts = [f"{names[name]} from {before} to {after}" for name, (before, after) in fallen.items()]
    more = f", and {len(parts) - 2} more" if len(parts) > 2 else ""
    return f"Dropout {verb}: {', '.join(parts[:2])}{more}"
