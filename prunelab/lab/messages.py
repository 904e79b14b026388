"""What passes between page and runner: commands, and the state of the lab. Immutable: any thread may read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from prunelab.data import Data
from prunelab.lab.runs import Run
from prunelab.recipe import Recipe, Target
from prunelab.results.measurement import Measurement
from prunelab.results.sensitivity import Sensitivity
from prunelab.results.snapshot import Snapshot

Action = Literal[
    "open", "follow", "train", "retrain", "run", "prune", "preview", "change", "measure", "scan", "compare", "forget",
    "pin", "read", "export", "pause", "resume", "reset", "stop",
]  # fmt: skip
Activity = Literal[
    "starting", "ready", "training", "retraining", "running", "comparing", "measuring", "scanning", "paused", "failed"
]
BUSY: tuple[Activity, ...] = ("starting", "training", "retraining", "running", "comparing")


@dataclass(frozen=True)
class Command:
    """What a control asks for. recipe: as the controls stand. target: of a prune or preview. about: what the action is
    about, where it needs more: plans to compare, a picture to read, the number of a run, a function that exports.
    """

    action: Action
    recipe: Recipe | None = None
    target: Target | None = None
    about: Any = None


@dataclass(frozen=True)
class Classification:
    """How the dense and the pruned network classify a drawing: a probability (0 to 1) for each class."""

    dense: tuple[float, ...] | None = None
    pruned: tuple[float, ...] | None = None


@dataclass(frozen=True)
class LabState:
    """How things stand, for the page. progress: 0 to 1; left: seconds; None when nothing runs.

    recipe: by which the network was made; the controls may stand elsewhere. snapshot: the network as it is; preview:
    as a cut would leave it; viewed: an earlier one that the page looks at. runs: kept for comparison. measurement,
    sensitivity: of the network as it is now, None once it has changed.
    trouble: what went wrong, in words, with what to do, until the next step is begun. warning: what the slider would do
    that nobody wants. notice: what happened that one should know. None when all is well. adopted: the latest recipe
    that did not come from the controls (a saved session's, a link's): they have to follow it. urgent: a user is moving
    a slider and waits for this.
    """

    activity: Activity
    recipe: Recipe
    doing: str = ""
    progress: float | None = None
    left: float | None = None
    snapshot: Snapshot | None = None
    preview: Snapshot | None = None
    viewed: Snapshot | None = None
    history: tuple[Snapshot, ...] = ()
    runs: tuple[Run, ...] = ()
    data: Data | None = None
    measurement: Measurement | None = None
    sensitivity: Sensitivity | None = None
    classification: Classification = field(default_factory=Classification)
    trouble: str | None = None
    warning: str | None = None
    notice: str | None = None
    adopted: Recipe | None = None
    urgent: bool = False

    @property
    def words(self) -> str:
        """All that the banner says, a line each."""
        return "\n".join(text for text in (self.trouble, self.warning, self.notice) if text)

    @property
    def past(self) -> tuple[Snapshot, ...]:
        """The history up to the snapshot that is viewed (which may have been thinned out by now)."""
        viewed = self.viewed
        if viewed is None:
            return self.history
        before = [s for s in self.history if s.clock <= viewed.clock]
        return tuple(before[: before.index(viewed) + 1] if viewed in before else before)

    @property
    def shown(self) -> Snapshot:
        """What the pictures show: an earlier snapshot, what would be, or what is."""
        snapshot = self.viewed or self.preview or self.snapshot
        assert snapshot is not None, "drawn before there was anything to show"
        return snapshot
