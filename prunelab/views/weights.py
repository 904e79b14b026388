"""Weights: a histogram for each layer, cut and kept in two colours, the threshold as two lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from prunelab.snapshot import BINS, Layer, Snapshot
from prunelab.views import palette
from prunelab.views.base import View, axis, count, figure, if_cut, note, percent, short

MOST = 6  # panels that stay readable


def weights(snapshot: Snapshot, layers: list[str] | None = None) -> View:
    """Histograms of the weights of up to six layers (``layers``: which, by parameter name; else the first).

    Cut weights stand at the value they had when they were cut. Raises KeyError for a name that is no layer.
    """
    shown = [snapshot.layer(name) for name in layers] if layers else list(snapshot.layers)
    left_out = len(shown) - MOST
    shown = shown[:MOST]
    data: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    rows = 1 if len(shown) <= 3 else 2
    columns = -(-len(shown) // rows)
    for i, layer in enumerate(shown):
        number = "" if i == 0 else str(i + 1)
        row, column = divmod(i, columns)
        axes |= _axes(
            number,
            _part(column, columns, 0.07),
            _part(rows - 1 - row, rows, 0.28),
            first=column == 0,
        )
        data += _bars(layer, number)
        if layer.threshold is not None:
            shapes += [_line(sign * layer.threshold, number) for sign in (-1, 1)]
        notes.append(_label(layer, number))
    title = _title(snapshot) + (f" ({len(shown)} of {len(shown) + left_out} layers shown)" if left_out > 0 else "")
    spoken = "; ".join(f"{short(layer)}: {percent(layer.density)} kept" for layer in shown)
    margin = {"l": 48, "r": 12, "t": 64, "b": 40}  # two lines of labels under the title
    return figure(
        data, title, barmode="stack", bargap=0, shapes=shapes, annotations=notes, margin=margin,
        meta={"summary": spoken}, **axes,
    )  # fmt: skip


def _bars(layer: Layer, number: str) -> list[dict[str, Any]]:
    width = 2 * layer.limit / BINS
    centres = [round(x, 6) for x in np.linspace(-layer.limit + width / 2, layer.limit - width / 2, BINS).tolist()]
    pairs = (("cut", palette.CUT, layer.cut_counts), ("kept", palette.KEPT, layer.kept_counts))
    return [
        {
            "type": "bar",
            "name": f"{short(layer)} {name}",
            "x": centres,
            "y": counts.tolist(),
            "width": width,
            "marker": {"color": colour, "line": {"width": 0}},
            "xaxis": f"x{number}",
            "yaxis": f"y{number}",
            "hovertemplate": f"%{{y:,}} {name} near %{{x:.3f}}<extra></extra>",
        }
        for name, colour, counts in pairs
    ]


def _axes(number: str, across: list[float], up: list[float], *, first: bool) -> dict[str, Any]:
    tidy = {"nticks": 5, "showgrid": False}
    return {
        f"xaxis{number}": axis("weight", domain=across, anchor=f"y{number}", **tidy),
        f"yaxis{number}": axis("connections" if first else "", domain=up, anchor=f"x{number}", rangemode="tozero"),
    }


def _part(index: int, parts: int, gap: float) -> list[float]:
    size = (1 - gap * (parts - 1)) / parts
    start = index * (size + gap)
    return [round(start, 4), round(min(start + size, 1.0), 4)]


def _line(x: float, number: str) -> dict[str, Any]:
    line = {"color": palette.LINE, "width": 2, "dash": "dot"}
    return {
        "type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "line": line,
        "xref": f"x{number}", "yref": f"y{number} domain",
    }  # fmt: skip


def _label(layer: Layer, number: str) -> dict[str, Any]:
    text = f"<b>{short(layer)}</b> {percent(layer.density)} kept"
    if layer.threshold is not None:
        text += f"<br>threshold {layer.threshold:#.3g}"
    if layer.spared:
        text += "<br><b>would lose all: strongest kept</b>"
    return note(
        text,
        0.5,
        1.0,
        axes=number,
        xref=f"x{number} domain",
        yref=f"y{number} domain",
        yanchor="bottom",
        yshift=2,
    )


def _title(snapshot: Snapshot) -> str:
    gone = snapshot.total - snapshot.kept
    if if_cut(snapshot):
        quality = "" if snapshot.quality is None else f"Quality {snapshot.quality:.2f} "
        verb = "would leave" if quality else "The next cut would leave"
        return f"{quality}{verb} {percent(snapshot.density)} of {count(snapshot.total)} connections"
    if not gone:
        peak = "random numbers" if snapshot.phase == "new" else "one peak around zero"
        return f"Dense: all {count(snapshot.total)} connections, {peak}"
    return f"{percent(1 - snapshot.density)} is cut; {count(snapshot.kept)} survivors keep away from zero"
