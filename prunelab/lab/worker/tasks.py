"""What runs, tick by tick, and how far it has come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal

from prunelab.experiments.sensitivity import stream as scanned
from prunelab.lab import wording
from prunelab.lab.messages import Activity
from prunelab.results.measurement import BATCH, Measurement
from prunelab.results.sensitivity import Sensitivity
from prunelab.results.snapshot import Snapshot
from prunelab.sessions.session import Session
from prunelab.torch_state import threads_for

EXAMPLES = 256  # samples that a measurement runs on

TaskName = Literal["train", "retrain", "run", "measure", "scan", "compare"]
STATES: dict[TaskName, Activity] = {
    "train": "training", "retrain": "retraining", "run": "running", "measure": "measuring", "scan": "scanning",
    "compare": "comparing",
}  # fmt: skip


class Task:
    """what: its name. ticks: one item a batch, or whatever its steps are, to be shown; leave them to cancel."""

    def __init__(self, what: TaskName, ticks: Iterator[Snapshot | Measurement | Sensitivity | None]) -> None:
        self.what = what
        self.ticks = ticks
        self._since = (0.0, 0)  # when the stretch that is being timed began, and at which training step

    @property
    def activity(self) -> Activity:
        """What it is called while it runs."""
        return STATES[self.what]

    def go_on(self, session: Session) -> None:
        """It runs, for the first time or again: how fast, is reckoned from here."""
        self._since = (time.monotonic(), session.clock)

    def progress(self, snapshot: Snapshot, session: Session) -> dict[str, Any]:
        """How far it is, as a report says it: doing, progress (0 to 1) and left (seconds, None where nobody knows)."""
        began, at = self._since
        what = "run" if self.what == "compare" else self.what
        done, left = session.clock - at, session.steps_left(what)
        pace = (time.monotonic() - began) / done if done else None
        whole = session.clock / (session.clock + left) if session.clock + left else 1.0
        return {
            "doing": wording.doing(snapshot),
            "progress": whole if what == "run" else snapshot.step / max(snapshot.steps, 1),
            "left": None if pace is None else pace * left,
        }


def measure_task(session: Session) -> Task:
    """Measure what is there, a step at a time, so that sliders and buttons are heard in between."""
    from prunelab.sparse.measuring.measure import stream  # SciPy and more, a second to import: not before it is needed

    threads = threads_for(session.masks.total, BATCH)  # as many as serve such a network best
    return Task("measure", stream(session.model, session.data.test_x[:EXAMPLES], threads=[threads]))


def scan_task(session: Session) -> Task:
    """Cut one layer at a time, and see which the network can least do without."""
    return Task("scan", scanned(session.model, session.data, threads=1))
