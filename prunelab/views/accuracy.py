"""Test accuracy (or another metric) and training loss over time, the rounds shaded, the dense value as a line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from prunelab.formatting import percent, round_up
from prunelab.results.objective import Objective
from prunelab.results.snapshot import Snapshot
from prunelab.views import palette
from prunelab.views.escaping import escaped
from prunelab.views.figure import View, axis, empty, figure, note
from prunelab.views.line_charts import dense_line, stepped
from prunelab.views.subjects import a_history

FLOORS = (85.0, 60.0, 0.0)  # possible starts of the accuracy axis, in %
COARSE = (1.0, 2.0, 5.0, 10.0)  # leading digits that the end of the time axis is rounded to


def accuracy(history: Iterable[Snapshot], preview: Snapshot | None = None, moment: Snapshot | None = None) -> View:
    """Test accuracy (%), or the session's metric, above, training loss below, over training steps.

    Args:
        history: the snapshots of the run, oldest first; those without a test accuracy are left out.
        preview: a snapshot from ``Session.preview``; adds the point "if cut now".
        moment: an earlier snapshot that the reader looks at; it is marked, and the title describes it.

    Returns:
        The view; an empty one while no accuracy is known.
    """
    history = a_history(history, "accuracy")
    snapshots = [s for s in history if s.test_accuracy is not None]
    if not snapshots:
        metric = escaped(history[-1].objective.metric) if history else "accuracy"
        return empty(f"No {metric} yet: it appears here as the network trains.")
    last = snapshots[-1]
    dense, objective = last.dense_accuracy, last.objective
    x = [s.clock for s in snapshots]
    data = [
        _curve(
            f"test {escaped(objective.metric).replace('%{', '% {')}",
            x,
            [_plotted(s) for s in snapshots],
            palette.KEPT,
            "y",
            _hover(objective),
        ),
        _curve("training loss", x, [s.train_loss for s in snapshots], palette.QUIET, "y2", "%{y:.3f}"),
    ]
    shapes, notes = _rounds(snapshots)
    end = _end(last)
    losses = [s.train_loss for s in snapshots if s.train_loss and math.isfinite(s.train_loss)]
    highest_loss = round_up(max(losses)) if losses else 1.0
    if dense is not None:
        shapes.append(dense_line(objective.points * dense))
    if moment is not None:
        preview = None
        line = {"color": palette.LINE, "width": 1.5}
        x0 = moment.clock
        shapes.append({"type": "line", "x0": x0, "x1": x0, "yref": "paper", "y0": 0, "y1": 1, "line": line})
    if preview is not None and preview.test_accuracy is not None:
        data.append(_if_cut(preview))
    return figure(
        data, _title(moment or last, dense, preview),
        xaxis=axis("training steps", range=[0, end], anchor="y2"),
        yaxis=axis(escaped(objective.label), domain=[0.4, 1], range=_range(snapshots, preview)),
        yaxis2=axis("loss", domain=[0, 0.28], range=[0, highest_loss], anchor="x", nticks=3),
        shapes=shapes, annotations=notes, margin={"l": 48, "r": 12, "t": 46, "b": 40},
        meta={"summary": f"{len(snapshots)} moments over {last.clock:,} training steps."},
    )  # fmt: skip


def _range(snapshots: list[Snapshot], preview: Snapshot | None) -> list[float]:
    """Range of the upper axis. The first steps are ignored: they are at chance and would flatten the rest."""
    settled = [s for s in snapshots if s.round or s.settled] or snapshots[len(snapshots) // 10 :]
    shown = [*settled, *([preview] if preview else [])]
    known = [s.test_accuracy for s in shown if s.test_accuracy is not None]
    # In steps, so that the axis seldom moves while the user drags the slider.
    if snapshots[-1].objective.is_share:
        lowest = min(known, default=0.0)
        return [next(floor for floor in FLOORS if floor == 0 or lowest >= floor / 100 + 0.05), 101.0]
    return stepped(known, snapshots[-1].objective)


def _end(last: Snapshot) -> float:
    """End of the time axis: of the run, or of the current phase, so that the axis seldom moves."""
    if last.settled:
        return max(last.clock, 1) * 1.04
    planned = last.clock - last.step + last.steps
    return min(max(planned, 1), round_up(max(last.clock, 1), COARSE)) * 1.04


def _curve(name: str, x: list[int], y: list[float | None], colour: str, yaxis: str, hover: str) -> dict[str, Any]:
    alone = sum(value is not None for value in y) == 1  # one point alone is no line: it would not be seen
    return {
        "type": "scatter", "mode": "markers" if alone else "lines", "name": name, "x": x, "y": y, "yaxis": yaxis,
        "line": {"color": colour, "width": 2}, "hovertemplate": f"{name} {hover} at step %{{x:,}}<extra></extra>",
        **({"marker": {"color": colour, "size": 7}} if alone else {}),
    }  # fmt: skip


def _if_cut(preview: Snapshot) -> dict[str, Any]:
    value = _plotted(preview)
    return {
        "type": "scatter", "mode": "markers", "name": "if cut now", "x": [preview.clock], "y": [value],
        "marker": {"color": palette.LINE, "size": 11, "symbol": "diamond"},
        "hovertemplate": f"if cut now: {_hover(preview.objective)}<extra></extra>",
    }  # fmt: skip


def _rounds(snapshots: list[Snapshot]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(shapes, annotations): a band for every second round, and a label for each round."""
    spans: dict[int, list[int]] = {}
    for s in snapshots:
        spans.setdefault(s.round, [s.clock, s.clock])[1] = s.clock
    shapes, notes = [], []
    many = len(spans) > 6
    for number, (start, end) in spans.items():
        if number % 2:
            shapes.append({
                "type": "rect", "yref": "paper", "x0": start, "x1": end, "y0": 0, "y1": 1, "layer": "below",
                "fillcolor": palette.GRID, "opacity": 0.5, "line": {"width": 0},
            })  # fmt: skip
        before = spans.get(number - 1) if number > 1 else None
        # A round under way has no room yet for more than its number.
        short = many or (before is not None and end - start < before[1] - before[0])
        text = snapshots[0].origin.label if number == 0 else str(number) if short else f"round {number}"
        if len(spans) > 1 and end > start:
            notes.append(note(text, (start + end) / 2, 1, yref="paper", yanchor="bottom"))
    return shapes, notes


def _title(last: Snapshot, dense: float | None, preview: Snapshot | None) -> str:
    objective = last.objective
    if last.test_accuracy is None:  # an earlier moment, between two tests
        metric = objective.metric[:1].upper() + objective.metric[1:]  # capitalize() would make "Auc" of "AUC"
        return escaped(f"{metric} was not measured at this moment", 80)
    now = escaped(objective.says(last.test_accuracy), 60)
    if preview is not None and preview.test_accuracy is not None:
        about = "" if preview.exact else "about "
        return f"{now} now; {about}{objective.text(preview.test_accuracy)} if cut now"
    if dense is None or last.round == 0:
        return now
    gap = last.test_accuracy - dense
    if objective.is_no_gap(gap, last.test_accuracy, dense):
        return f"{now}, as good as {last.origin.equal}, with {percent(last.density)} kept"
    side = "above" if gap > 0 else "below"
    return f"{now}, {objective.gap(gap)} {side} {last.origin.level}, with {percent(last.density)} kept"


def _plotted(snapshot: Snapshot) -> float | None:
    return None if snapshot.test_accuracy is None else snapshot.objective.plotted(snapshot.test_accuracy)


def _hover(objective: Objective) -> str:
    return "%{y:.1f} %" if objective.is_share else "%{y:.6~g}"
