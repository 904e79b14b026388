"""Comparison of runs: accuracy (or the metric) over kept weights (the paper's figure 5), or weights side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prunelab.formatting import count, percent, times
from prunelab.results.objective import Objective
from prunelab.results.snapshot import BINS, LayerSnapshot, Snapshot
from prunelab.views import palette
from prunelab.views.escaping import escaped, wrapped
from prunelab.views.figure import View, axis, empty, figure, note, short
from prunelab.views.line_charts import (
    DENSE,
    MAX_LINES,
    PLAIN,
    End,
    Style,
    axis_around,
    dense_line,
    in_percent,
    kept_axis,
    named,
    style,
)
from prunelab.views.subjects import a_snapshot, runs_by_name

SHOWN = ("trained", "pruned", "retrained", "preview")
MAX_WITH_DROPS = 4  # runs up to which the drops after each cut are drawn: more would be a tangle
DROP_DEPTH = 10.0  # points below the lowest recovered accuracy down to which drops are shown
AXIS_DEPTH = 25.0  # points below the best accuracy at which the axis ends: chance level would flatten the rest


def compare(runs: Mapping[str, Sequence[Snapshot]], dense: float | None = None) -> View:
    """Accuracy (%) over kept weights (%), one line per run.

    A run's line connects the dense network and the end of each round. A thin dotted line shows the drops after each
    cut, for up to four runs, and always for cuts that were not retrained. Previews of a network that is not cut yet are
    connected as the ends of rounds are: a curve of cuts alone. Drops of more than 25 points leave the picture. Source:
    Han et al. 2015, figure 5.

    Args:
        runs: {name: snapshots, oldest first}, previews among them too; of more than eight runs the last eight are
            shown.
        dense: accuracy (0 to 1) to draw as a horizontal line. None: the best dense accuracy of the runs.

    Returns:
        The view; an empty one if no run is trained yet.

    Raises:
        TypeError: these are no runs by name, or a run is anything else than snapshots.
        ValueError: the runs are judged by different metrics.
    """
    settled = {
        name: [s for s in run if s.phase in SHOWN and s.test_accuracy is not None]
        for name, run in runs_by_name(runs, "compare").items()
    }
    settled = {name: run for name, run in settled.items() if run}
    if not settled:
        return empty("Nothing to compare yet: a run appears here<br>once it is trained.")
    shown = dict(list(settled.items())[-MAX_LINES:])
    objective = _objective(shown)
    known = [(s.dense_accuracy, s.origin.label) for run in shown.values() for s in run if s.dense_accuracy is not None]
    word = "dense"
    if dense is None and known:
        dense, word = max(known, key=lambda level: level[0])
    up = _range(shown, dense, objective)
    xaxis = kept_axis("kept weights (%)", [_kept(s) for run in shown.values() for s in run])
    data: list[dict[str, Any]] = []
    ends = []
    for i, (name, run) in enumerate(shown.items()):
        data += _run(name, run, style(i), drops=len(shown) <= MAX_WITH_DROPS)
        right = _right(run[-1])
        lost = f"{right:.0f} %" if objective.is_share else objective.text(right)
        ends.append(End(name if right >= up[0] else f"↓ {lost} {name}", _kept(run[-1]), right, style(i)))
    shapes = []
    if dense is not None:
        level = objective.plotted(dense)
        shapes.append(dense_line(level))
        ends.append(End(f"{word} {_figure(level, objective)}", 10 ** xaxis["range"][1], level, DENSE))
    names = named(ends, xaxis["range"], up)
    title = _title(shown) + (f" ({len(shown)} of {len(settled)} runs shown)" if len(settled) > len(shown) else "")
    summary = "; ".join(f"{escaped(name)}: {_summary(run)}" for name, run in shown.items())
    return figure(
        names["data"] + data, title, shapes=shapes, annotations=names["annotations"],
        xaxis=xaxis, yaxis=axis(escaped(objective.label), range=up, zeroline=False),
        margin={"l": 48, "r": names["r"], "t": 38, "b": 40}, meta={"summary": summary},
    )  # fmt: skip


def side_by_side(left_name: str, left: Snapshot, right_name: str, right: Snapshot, layer: str | None = None) -> View:
    """Histograms of one layer's weights in two snapshots, on the same scales.

    The two snapshots may have bins of different widths: heights are counts per bin of the wider one.

    Args:
        left_name: name of the left snapshot.
        left: the left snapshot.
        right_name: name of the right snapshot.
        right: the right snapshot.
        layer: parameter name of the layer. None: the first.

    Raises:
        TypeError: one of them is no snapshot.
        KeyError: one of the snapshots has no layer of that name.
    """
    left, right = a_snapshot(left, "side_by_side"), a_snapshot(right, "side_by_side")
    chosen = layer or left.layers[0].name
    pair = left.layer(chosen), right.layer(chosen)
    limit = max(part.limit for part in pair)
    width = 2 * limit / BINS
    highest = max(float((part.kept_counts + part.cut_counts).max()) * limit / part.limit for part in pair)
    data: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for number, domain, name, part in zip(
        ("", "2"), ([0, 0.47], [0.53, 1]), (left_name, right_name), pair, strict=True
    ):
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
        place = {"xref": f"x{number} domain", "yref": f"y{number} domain"}
        notes.append(note(text, 0.5, 1.0, yanchor="bottom", yshift=2) | place)
    keeps = f"{short(pair[0])} keeps"
    shares = [percent(part.density) for part in pair]
    names = escaped(left_name, 30), escaped(right_name, 30)
    title = (
        f"{keeps} {shares[0]} in both: {names[0]} and {names[1]}"
        if shares[0] == shares[1]
        else f"{keeps} {shares[0]} in {names[0]}, {shares[1]} in {names[1]}"
    )
    summary = "; ".join(
        f"{name}: {count(part.kept)} of {count(part.total)}, weights within {part.limit:.3g}"
        for name, part in zip(names, pair, strict=True)
    )
    return figure(
        data, title, barmode="stack", bargap=0, shapes=shapes, annotations=notes,
        margin={"l": 48, "r": 12, "t": 66, "b": 40}, meta={"summary": summary}, **axes,
    )  # fmt: skip


def _objective(runs: Mapping[str, Sequence[Snapshot]]) -> Objective:
    """That of all runs; ValueError where their metrics differ: they have no axis in common."""
    first, *others = runs
    objective = runs[first][-1].objective
    for other in others:
        its = runs[other][-1].objective
        if (its.metric, its.low, its.high) != (objective.metric, objective.low, objective.high):
            words = [f"{o.metric} ({o.range})" for o in (objective, its)]
            raise ValueError(
                f"views.compare draws one metric: {first!r} is judged by {words[0]}, {other!r} by {words[1]}; compare "
                "runs of one metric"
            )
    return objective


def _run(name: str, run: Sequence[Snapshot], look: Style, *, drops: bool) -> list[dict[str, Any]]:
    """The traces of one run: first all drops (or, without ``drops``, the last cuts if not retrained), then the line."""
    cut = [_is_drop(s, run) for s in run]
    stable = [s for s, is_drop in zip(run, cut, strict=True) if not is_drop]
    since = 0 if drops else next((i for i in range(len(run) - 1, -1, -1) if not cut[i]), 0)
    label = escaped(name)
    traces = []
    if any(cut[since:]):
        traces.append({
            "type": "scatter", "mode": "lines+markers", "name": f"{label}, after each cut",
            **_points(label, run[since:]),
            "line": {"color": look.colour, "width": 1, "dash": "dot"},
            "marker": {"color": look.colour, "size": [5 if is_drop else 0 for is_drop in cut[since:]], **PLAIN},
        })  # fmt: skip
    traces.append({
        "type": "scatter", "mode": "lines+markers", "name": label, **_points(label, stable),
        "line": {"color": look.colour, "width": 2, "dash": look.dash},
        "marker": {"color": look.colour, "size": 8, "symbol": look.symbol}, "cliponaxis": False,
    })  # fmt: skip
    return traces


def _is_drop(snapshot: Snapshot, run: Sequence[Snapshot]) -> bool:
    """Whether it is a cut before it is retrained. A curve of previews alone has no drops: it is about nothing else."""
    if snapshot.phase == "preview":
        return any(s.phase == "pruned" for s in run)
    return snapshot.phase == "pruned"


def _points(label: str, snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    # Texts, not a template: a name may contain what a template would replace.
    texts = [f"{label}, {_when(s)}: {_says(s)}, {percent(s.density)} kept ({times(s.compression)})" for s in snapshots]
    return {
        "x": [_kept(s) for s in snapshots], "y": [_right(s) for s in snapshots], "hovertext": texts,
        "hoverinfo": "text",
    }  # fmt: skip


def _when(snapshot: Snapshot) -> str:
    return snapshot.origin.label if snapshot.phase == "trained" else snapshot.moment


def _kept(snapshot: Snapshot) -> float:
    return in_percent(snapshot.density)


def _right(snapshot: Snapshot) -> float:
    assert snapshot.test_accuracy is not None
    return snapshot.objective.plotted(snapshot.test_accuracy)


def _figure(right: float, objective: Objective) -> str:
    """A value on the axis as text."""
    return f"{right:.1f} %" if objective.is_share else objective.text(right)


def _says(snapshot: Snapshot) -> str:
    """The accuracy, or another metric, of a snapshot: "97.8 % right"."""
    objective, value = snapshot.objective, _figure(_right(snapshot), snapshot.objective)
    return f"{value} right" if objective.metric == "accuracy" else f"{escaped(objective.metric)} {value}"


def _range(runs: Mapping[str, Sequence[Snapshot]], dense: float | None, objective: Objective) -> list[float]:
    """Range of the accuracy axis (%): ends of rounds and runs, and cuts above these, or down to DROP_DEPTH below."""
    snapshots = [(s, not _is_drop(s, run) or s is run[-1]) for run in runs.values() for s in run]
    ends = [_right(s) for s, is_end in snapshots if is_end] + ([] if dense is None else [objective.points * dense])
    every, point = [_right(s) for s, _ in snapshots], objective.points * objective.scale(*ends) / 100
    high = max(*ends, *every)
    low = max(min(every), min(ends) - DROP_DEPTH * point, high - AXIS_DEPTH * point)
    return axis_around(low, high, 0.08, objective)


def _title(runs: Mapping[str, Sequence[Snapshot]]) -> str:
    """The finding: the run with the best end against the one with the worst."""
    order = sorted(runs, key=lambda name: (-_right(runs[name][-1]), runs[name][-1].density))
    best, worst = order[0], order[-1]
    top, bottom = runs[best][-1], runs[worst][-1]
    names = escaped(best, 30), escaped(worst, 30)
    shares = percent(top.density), percent(bottom.density)
    if best == worst:
        return f"{names[0]}: {_says(top)} with {shares[0]} of the weights"
    objective = top.objective
    ends = _right(top) / objective.points, _right(bottom) / objective.points
    if objective.is_no_gap(ends[0] - ends[1], *ends):
        far = shares[0] if shares[0] == shares[1] else f"{shares[0]} and {shares[1]}"
        value = _figure(_right(top), objective)
        equal = f"equally right, {value}" if objective.metric == "accuracy" else f"equal {_says(top)}"
        return f"{names[0]} and {names[1]}: {equal}, with {far} of the weights"
    at = "" if shares[0] == shares[1] else f" with {shares[1]}"
    return (
        f"{names[0]}: {_says(top)} with {shares[0]} of the weights; "
        f"{names[1]}: {_figure(_right(bottom), objective)}{at}"
    )


def _summary(run: Sequence[Snapshot]) -> str:
    ends = [s for s in run if not _is_drop(s, run) or s is run[-1]]
    return ", ".join(f"{_figure(_right(s), s.objective)} at {percent(s.density)} ({_when(s)})" for s in ends)


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
