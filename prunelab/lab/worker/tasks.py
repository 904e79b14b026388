"""Long tasks of the runner, computed item by item, with their progress."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any, Literal

from prunelab.experiments import budget, tradeoff
from prunelab.experiments.sensitivity import stream as scanned
from prunelab.lab import wording
from prunelab.lab.messages import Activity
from prunelab.lab.worker.session_source import SessionSource
from prunelab.recipe import Recipe
from prunelab.results.budget import Budget
from prunelab.results.measurement import BATCH, Measurement
from prunelab.results.sensitivity import Sensitivity
from prunelab.results.snapshot import Phase, Snapshot
from prunelab.results.tradeoff import Point, Tradeoff
from prunelab.sessions.session import Session
from prunelab.torch_state import threads_for

EXAMPLES = 256  # samples that a measurement runs on
ENOUGH = 0.3  # seconds of training from which its speed says how long the rest takes
TRACED_EVERY = 0.25  # seconds between two reports of a curve's progress; a new point is reported at once

TaskName = Literal["train", "retrain", "run", "measure", "scan", "budget", "compare", "tradeoff"]
Tick = Snapshot | Measurement | Sensitivity | Budget | Tradeoff | None
# Tasks that leave the network as it is: nothing of them goes on after a reload.
PASSING: tuple[TaskName, ...] = ("measure", "scan", "budget", "tradeoff")
STATES: dict[TaskName, Activity] = {
    "train": "training", "retrain": "retraining", "run": "running", "measure": "measuring", "scan": "scanning",
    "compare": "comparing", "tradeoff": "tracing", "budget": "scanning",
}  # fmt: skip


class Task:
    """A task that runs. what: its name. ticks: one item per batch or step, to be shown; drop the task to cancel it.

    point: of the trade-off curve, whose network is made; None: the run is by the session's recipe. beneath: the run
    that was paused when this began, and is there again when it ends; None if there was none.
    """

    def __init__(self, what: TaskName, ticks: Iterator[Tick], point: Point | None = None) -> None:
        self.what = what
        self.ticks = ticks
        self.point = point
        self.beneath: Task | None = None
        self._since = 0.0  # when the task started or resumed, in seconds of the monotonic clock
        self._first: tuple[float, int] | None = None  # time and training step from which its speed is measured
        self._share_at_start: float | None = None  # that was done then; None: not known yet

    @property
    def activity(self) -> Activity:
        """The lab's activity while the task runs."""
        return STATES[self.what]

    def go_on(self) -> None:
        """The task starts or resumes: its speed is measured from its next snapshot on."""
        self._since, self._first, self._share_at_start = time.monotonic(), None, None

    def progress(self, snapshot: Snapshot, session: Session, known: float | None) -> dict[str, Any]:
        """Fields of the LabState: doing, progress (0 to 1), left and step_seconds (seconds, None if unknown).

        known: seconds per step in the run before; they count until this one has been measured for ENOUGH seconds: what
        comes before its first snapshot (data, a cut, a test) is no part of a step.
        """
        now = time.monotonic()
        began, first_step = self._first = self._first or (now, session.clock)
        what = "run" if self.what == "compare" else self.what
        done, left = session.clock - first_step, session.steps_left(what)
        seconds_per_step = (now - began) / done if done and now - began >= ENOUGH else known
        whole = session.clock / (session.clock + left) if session.clock + left else 1.0
        return {
            "doing": wording.doing(snapshot),
            "progress": whole if what == "run" else snapshot.step / max(snapshot.steps, 1),
            "step_seconds": seconds_per_step,
            "left": None if seconds_per_step is None else seconds_per_step * left,
        }

    def progress_of_share(self, done: float) -> dict[str, Any]:
        """Fields of the LabState for a task that says itself how far it is: progress and left. done: 0 to 1."""
        if self._share_at_start is None:
            self._share_at_start = done
        since, made = time.monotonic() - self._since, done - self._share_at_start
        return {"progress": done, "left": since / made * (1 - done) if made > 0 else None}


def under_way(saved: str | None, phase: Phase) -> TaskName | None:
    """The task to go on with in a session of this phase, where ``saved`` was under way; None if nothing is left."""
    if phase in ("new", "training") and saved in (None, "train", "retrain"):
        return "train"
    if saved == "run":
        return "run"
    return "retrain" if saved == "retrain" and phase in ("pruned", "retraining") else None


def measure_task(session: Session) -> Task:
    """Measure bytes and latency of the network in steps, so that commands can be carried out in between."""
    from prunelab.sparse.measuring.measure import stream  # imports SciPy, which takes a second: only when needed

    threads = threads_for(session.masks.total, BATCH)
    return Task("measure", stream(session.model, session.data.test_x[:EXAMPLES], threads=[threads]))


def scan_task(session: Session) -> Task:
    """Cut one layer at a time and measure accuracy (or the session's metric), to rank the layers by sensitivity."""
    scan = scanned(session.model, session.data, loss=session.loss, metric=session.metric, threads=1)
    return Task("scan", scan)


def budget_task(session: Session, scan: Sensitivity) -> Task:
    """Scale what each layer can bear alone, until a cut of all layers together keeps the budget."""
    return Task(
        "budget",
        budget.stream(session.model, session.data, scan, loss=session.loss, metric=session.metric, threads=1),
    )


def tradeoff_task(recipe: Recipe, source: SessionSource) -> Task:
    """Draw the trade-off curve by a recipe, with networks of its own.

    It takes some forty retrainings: where their epochs were left to the usual, half as many are enough to see it.
    """
    if "retrain_epochs" in recipe.usual:
        recipe = recipe.changed(retrain_epochs=(recipe.retrain_epochs + 1) // 2)
    return Task("tradeoff", _sparingly(tradeoff.stream(recipe, begin=source.aside, cache=source.cache)))


def _sparingly(curve: Iterator[Tradeoff]) -> Iterator[Tradeoff | None]:
    """The curve as it grows: every new point, and in between now and then; else None."""
    points, last = 0, -math.inf
    for result in curve:
        now = time.monotonic()
        if len(result.points) > points or now > last + TRACED_EVERY or result.complete:
            points, last = len(result.points), now
            yield result
        else:
            yield None


def replay_task(session: Session, point: Point) -> Task:
    """Make the network of a point of the trade-off curve in a session by the point's recipe."""
    return Task("run", tradeoff.replay(session, point), point)
