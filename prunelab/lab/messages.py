"""Messages between page and runner: commands, and the state of the lab. Immutable, so that any thread may read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from prunelab.data import Data
from prunelab.lab.runs import Run
from prunelab.recipe import Recipe, Target
from prunelab.results.measurement import Measurement
from prunelab.results.sensitivity import Sensitivity
from prunelab.results.snapshot import Snapshot
from prunelab.results.subject import Subject
from prunelab.results.tradeoff import Tradeoff

Action = Literal[
    "open", "follow", "train", "retrain", "run", "live", "prune", "preview", "change", "measure", "scan", "compare",
    "forget", "pin", "read", "export", "pause", "resume", "reset", "stop", "visit", "tradeoff", "halt", "load",
    "budget",
]  # fmt: skip
Activity = Literal[
    "starting",
    "ready",
    "training",
    "retraining",
    "running",
    "comparing",
    "measuring",
    "scanning",
    "tracing",
    "paused",
    "failed",
]
OPENING = "opening"  # argument of "train": the page only opens, nobody has pressed Train
BUSY: tuple[Activity, ...] = ("starting", "training", "retraining", "running", "comparing")


@dataclass(frozen=True)
class Command:
    """An action that a control asks the runner for."""

    action: Action
    recipe: Recipe | None = None  # of the controls; None: the one of the last command
    target: Target | None = None  # of a prune or preview
    about: Any = None  # of the action: planned runs, a drawing, a run's number, a function that exports, a visit, a
    # point of the trade-off curve


@dataclass(frozen=True)
class Classification:
    """How networks classify a drawing: a probability (0 to 1) for each class, all 0 for a blank drawing."""

    dense: tuple[float, ...] | None = None  # by the dense network; None: there is no dense network or no drawing
    pruned: tuple[float, ...] | None = None  # by the network as it is; None: there is no drawing
    preview: tuple[float, ...] | None = None  # as a cut by the slider would leave it; None: none is previewed


@dataclass(frozen=True)
class LabState:
    """The state of the lab, from which the page is drawn. Every change makes a new one."""

    activity: Activity
    """What the runner does."""
    recipe: Recipe
    """The recipe of the network; the controls may be set otherwise."""
    doing: str = ""
    """The activity in more detail, in words; "" when nothing runs."""
    progress: float | None = None
    """Fraction done, 0 to 1; None when nothing runs."""
    left: float | None = None
    """Estimated time left in seconds; None when unknown or nothing runs."""
    step_seconds: float | None = None
    """How long one step of training took in the latest run, or in a trial before it, in seconds; None if unknown."""
    snapshot: Snapshot | None = None
    """The network as it is."""
    preview: Snapshot | None = None
    """The network as a cut by the slider would leave it."""
    viewed: Snapshot | None = None
    """The earlier snapshot that the scrubber is at; None: live."""
    history: tuple[Snapshot, ...] = ()
    """The snapshots of the run so far, oldest first."""
    runs: tuple[Run, ...] = ()
    """The runs kept for comparison, oldest first."""
    subject: Subject | None = None
    """What the session is about: names of model and data, modules; None before there is one."""
    data: Data | None = None
    """The session's data."""
    measurement: Measurement | None = None
    """Bytes and latency of the network as it is; None once it has changed."""
    sensitivity: Sensitivity | None = None
    """The scan of the layers of the network as it is; None once it has changed."""
    tradeoff: Tradeoff | None = None
    """The trade-off curve that was drawn last, as far as it got; of networks of its own."""
    classification: Classification = field(default_factory=Classification)
    """How the networks classify the drawing."""
    trouble: str | None = None
    """The latest error, in words, with what to do; None once the next step has begun."""
    failures: int = 0
    """How often something that was asked for came to an error so far."""
    warning: str | None = None
    """An unwanted effect of a cut, made or previewed; None if there is none."""
    notice: str | None = None
    """Something that happened and that the user should know; None if there is nothing."""
    adopted: Recipe | None = None
    """The latest recipe that did not come from the controls but from a saved session or a link: they are set to it."""
    comparing: str = ""
    """The run of a comparison that is on the page in place of the visitor's own network, in words; "" without one."""
    urgent: bool = False
    """The user is moving a slider, or drawing, and waits for this state."""

    @property
    def words(self) -> str:
        """The text of the banner: trouble, warning and notice, one per line."""
        return "\n".join(text for text in (self.trouble, self.warning, self.notice) if text)

    @property
    def past(self) -> tuple[Snapshot, ...]:
        """The history up to the viewed snapshot (which may have been thinned out of the history by now)."""
        viewed = self.viewed
        if viewed is None:
            return self.history
        before = [s for s in self.history if s.clock <= viewed.clock]
        return tuple(before[: before.index(viewed) + 1] if viewed in before else before)

    @property
    def shown(self) -> Snapshot:
        """The snapshot that the pictures show: the viewed one, else the preview, else the current one."""
        snapshot = self.viewed or self.preview or self.snapshot
        assert snapshot is not None, "drawn before there was anything to show"
        return snapshot
