"""Runs against one another, accuracy over kept weights (the paper's figure 5) or weights side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prunelab.formatting import count, percent
from prunelab.results.snapshot import BINS, LayerSnapshot, Snapshot
from prunelab.views import palette
from prunelab.views.escaping import escaped, wrapped
from prunelab.views.figure import View, axis, empty, figure, note, short
from prunelab.views.line_charts import DENSE, MOST, PLAIN, End, Style, kept_axis, named, style

SETTLED = ("trained", "pruned", "retrained")
FEW = 4  # runs whose falls can be followed without a tangle
DEEPEST = 10.0  # points below the recovered accuracies to which a fall is followed
LOWEST = 25.0  # points below the best at which the picture ends: chance would flatten all that matters


def compare(runs: Mapping[str, Sequence[Snapshot]], dense: float | None = None) -> View:
    """Accuracy (%) over kept weights (%), one line a run, by name; the eight newest if there are more.

    A run's line goes from where it was trained to where each round recovered; a thin dotted one follows the falls in
    between, up to four runs, and always what was never retrained. What falls by more than 25 points leaves the picture.
    dense: accuracy (0 to 1) to draw as a line; if not given, the best that a run knows of its dense network.
    Source: Han et al. 2015, figure 5.
    """
    told = {name: [s for s in run if s.phase in SETTLED and s.test_accuracy is not None] for name, run in runs.items()}
    told = {name: run for name, run in told.items() if run}
    if not told:
        return empty("Nothing to compare yet: a run appears here<br>once it is trained.")
    shown = dict(list(told.items())[-MOST:])
    known = [s.dense_accuracy for run in shown.values() for s in run if s.dense_accuracy is not None]
    dense = max(known, default=None) if dense is None else dense
    moments = [s for run in shown.values() for s in run]
    up = _range(shown, dense)
    xaxis = kept_axis("kept weights (%)", [_kept(s) for s in moments])
    data: list[dict[str, Any]] = []
    ends = []
    for i, (name, run) in enumerate(shown.items()):
        data += _run(name, run, style(i), falls=len(shown) <= FEW)
        right = _right(run[-1])
        ends.append(End(name if right >= up[0] else f"↓ {right:.0f} % {name}", _kept(run[-1]), right, style(i)))
    shapes = []
    if dense is not None:
        line = {"color": palette.DENSE, "width": 1.5, "dash": "dash"}
        level = round(100 * dense, 3)
        shapes.append({"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level, "line": line})
        ends.append(End(f"dense {100 * dense:.1f} %", 10 ** xaxis["range"][1], level, DENSE))
    names = named(ends, xaxis["range"], up)
    title = _title(shown) + (f" ({len(shown)} of {len(told)} runs shown)" if len(told) > len(shown) else "")
    spoken = "; ".join(f"{escaped(name)}: {_spoken(run)}" for name, run in shown.items())
    return figure(
        names["data"] + data, title, shapes=shapes, annotations=names["annotations"],
        xaxis=xaxis, yaxis=axis("accuracy (%)", range=up, zeroline=False),
        margin={"l": 48, "r": names["r"], "t": 38, "b": 40}, meta={"summary": spoken},
    )  # fmt: skip


def side_by_side(left_name: str, left: Snapshot, right_name: str, right: Snapshot, layer: str | None = None) -> View:
    """The weights of one layer (parameter name; the first if not given) in two snapshots, on the same scales.

    Where the two spread differently their bins do too: heights are counts a bin of the wider ones. Raises KeyError for
    a name that is a layer of neither or of one only.
    """
    chosen = layer or left.layers[0].name
    pair = left.layer(chosen), right.layer(chosen)
    names = left_name, right_name
    limit = max(part.limit for part in pair)
    width = 2 * limit / BINS
    highest = max(float((part.kept_counts + part.cut_counts).max()) * limit / part.limit for part in pair)
    data: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for number, domain, name, part in zip(("", "2"), ([0, 0.47], [0.53, 1]), names, pair, strict=True):
        data += _bars(part, limit, number)
        axes[f"xaxis{number}"] = axis(
            "weight", domain=domain, range=[-limit, limit], nticks=5, showgrid=False, anchor=f"y{number}"
        )
        axes[f"yaxis{number}"] = axis(
            "" if number else f"connections in {width:.2g}", range=[0, 1.05 * highest], anchor=f"x{number}",
            showticklabels=not number, zeroline=False,
        )  # fmt: skip
        if part.threshold is not None:
            shapes += [_threshold(sign * part.threshold, number) for sign in (-1, 1)]
        text = f"<b>{wrapped(name, 24, 1)}</b><br>{percent(part.density)} kept"
        own = {"xref": f"x{number} domain", "yref": f"y{number} domain"}
        notes.append(note(text, 0.5, 1.0, yanchor="bottom", yshift=2) | own)
    keeps = f"{short(pair[0])} keeps"
    shares = [percent(part.density) for part in pair]
    names = escaped(left_name, 30), escaped(right_name, 30)
    title = (
        f"{keeps} {shares[0]} in both: {names[0]} and {names[1]}"
        if shares[0] == shares[1]
        else f"{keeps} {shares[0]} in {names[0]}, {shares[1]} in {names[1]}"
    )
    spoken = "; ".join(
        f"{name}: {count(part.kept)} of {count(part.total)}, weights within {part.limit:.3g}"
        for name, part in zip(names, pair, strict=True)
    )
    return figure(
        data, title, barmode="stack", bargap=0, shapes=shapes, annotations=notes,
        margin={"l": 48, "r": 12, "t": 66, "b": 40}, meta={"summary": spoken}, **axes,
    )  # fmt: skip


def _run(name: str, run: Sequence[Snapshot], look: Style, *, falls: bool) -> list[dict[str, Any]]:
    """The traces of one run: its falls below, or only those that nothing followed; then the line of what recovered."""
    stable = [s for s in run if s.phase != "pruned"]
    since = next((i for i in range(len(run) - 1, -1, -1) if run[i].phase != "pruned"), 0)
    fallen = run if falls else run[since:]
    label = escaped(name)
    traces = []
    if any(s.phase == "pruned" for s in fallen):
        traces.append({
            "type": "scatter", "mode": "lines+markers", "name": f"{label}, after each cut", **_points(label, fallen),
            "line": {"color": look.colour, "width": 1, "dash": "dot"},
            "marker": {"color": look.colour, "size": [5 if s.phase == "pruned" else 0 for s in fallen], **PLAIN},
        })  # fmt: skip
    traces.append({
        "type": "scatter", "mode": "lines+markers", "name": label, **_points(label, stable),
        "line": {"color": look.colour, "width": 2, "dash": look.dash},
        "marker": {"color": look.colour, "size": 8, "symbol": look.symbol}, "cliponaxis": False,
    })  # fmt: skip
    return traces


def _points(label: str, moments: Sequence[Snapshot]) -> dict[str, Any]:
    # As texts, not as a template: a name may hold what a template would replace.
    said = [
        f"{label}, {_when(s)}: {_right(s):.1f} % right, {percent(s.density)} kept ({s.compression:.1f}x)"
        for s in moments
    ]
    return {
        "x": [_kept(s) for s in moments], "y": [_right(s) for s in moments], "hovertext": said, "hoverinfo": "text",
    }  # fmt: skip


def _when(snapshot: Snapshot) -> str:
    return "dense" if snapshot.phase == "trained" else f"round {snapshot.round}, {snapshot.phase}"


def _kept(snapshot: Snapshot) -> float:
    return round(100 * snapshot.density, 4)


def _right(snapshot: Snapshot) -> float:
    assert snapshot.test_accuracy is not None
    return round(100 * snapshot.test_accuracy, 3)


def _range(runs: Mapping[str, Sequence[Snapshot]], dense: float | None) -> list[float]:
    """The accuracies to show: all that recovered or ended a run, and the falls as far as they leave room for these."""
    moments = [(s, s.phase != "pruned" or s is run[-1]) for run in runs.values() for s in run]
    settled = [_right(s) for s, last in moments if last] + ([] if dense is None else [100 * dense])
    high = max(settled)
    low = max(min(_right(s) for s, _ in moments), min(settled) - DEEPEST, high - LOWEST)
    room = max(0.08 * (high - low), 0.5)
    return [round(max(low - room, 0), 3), round(min(high + room, 101), 3)]


def _title(runs: Mapping[str, Sequence[Snapshot]]) -> str:
    """The best end against the worst."""
    order = sorted(runs, key=lambda name: (-_right(runs[name][-1]), runs[name][-1].density))
    best, worst = order[0], order[-1]
    top, bottom = runs[best][-1], runs[worst][-1]
    names = escaped(best, 30), escaped(worst, 30)
    shares = percent(top.density), percent(bottom.density)
    if best == worst:
        return f"{names[0]}: {_right(top):.1f} % right with {shares[0]} of the weights"
    if abs(_right(top) - _right(bottom)) < 0.05:
        far = shares[0] if shares[0] == shares[1] else f"{shares[0]} and {shares[1]}"
        return f"{names[0]} and {names[1]}: equally right, {_right(top):.1f} %, with {far} of the weights"
    at = "" if shares[0] == shares[1] else f" with {shares[1]}"
    return (
        f"{names[0]}: {_right(top):.1f} % right with {shares[0]} of the weights; {names[1]}: {_right(bottom):.1f} %{at}"
    )


def _spoken(run: Sequence[Snapshot]) -> str:
    told = [s for s in run if s.phase != "pruned" or s is run[-1]]
    return ", ".join(f"{_right(s):.1f} % at {percent(s.density)} ({_when(s)})" for s in told)


def _bars(layer: LayerSnapshot, limit: float, number: str) -> list[dict[str, Any]]:
    width = 2 * layer.limit / BINS
    centres = np.linspace(-layer.limit + width / 2, layer.limit - width / 2, BINS).round(6).tolist()
    scale = limit / layer.limit
    return [
        {
            "type": "bar", "name": name, "x": centres, "y": (counts * scale).round(3).tolist(), "width": width,
            "marker": {"color": colour, "line": {"width": 0}}, "xaxis": f"x{number}", "yaxis": f"y{number}",
            "customdata": counts.tolist(), "hovertemplate": f"%{{customdata:,}} {name} near %{{x:.3f}}<extra></extra>",
        }
        for name, colour, counts in (
            ("cut", palette.CUT, layer.cut_counts),
            ("kept", palette.KEPT, layer.kept_counts),
        )
    ]  # fmt: skip


def _threshold(x: float, number: str) -> dict[str, Any]:
    line = {"color": palette.LINE, "width": 2, "dash": "dot"}
    place = {"xref": f"x{number}", "yref": f"y{number} domain"}
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "line": line, **place}
