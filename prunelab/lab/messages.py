"""Report and Command: what passes between the page and the runner. Immutable, so that any thread may read them."""

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
State = Literal[
    "starting", "ready", "training", "retraining", "running", "comparing", "measuring", "scanning", "paused", "failed"
]
BUSY: tuple[State, ...] = ("starting", "training", "retraining", "running", "comparing")


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
class Reading:
    """What the dense and the pruned network read in a drawing: a probability (0 to 1) a class."""

    dense: tuple[float, ...] | None = None
    pruned: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Report:
    """How things stand, for the page. progress: 0 to 1; left: seconds; None when nothing runs.

    recipe: by which the network was made; the controls may stand elsewhere. snapshot: the network as it is; preview:
    as a cut would leave it; moment: an earlier one that the page looks at. runs: kept for comparison. measurement,
    sensitivity: of the network as it is now, None once it has changed.
    trouble: what went wrong, in words, with what to do, until the next step is begun. warning: what the slider would do
    that nobody wants. notice: what happened that one should know. None when all is well. adopted: the latest recipe
    that did not come from the controls (a saved session's, a link's): they have to follow it. urgent: someone's
    hand is on the slider and waits for this.
    """

    state: State
    recipe: Recipe
    doing: str = ""
    progress: float | None = None
    left: float | None = None
    snapshot: Snapshot | None = None
    preview: Snapshot | None = None
    moment: Snapshot | None = None
    history: tuple[Snapshot, ...] = ()
    runs: tuple[Run, ...] = ()
    data: Data | None = None
    measurement: Measurement | None = None
    sensitivity: Sensitivity | None = None
    reading: Reading = field(default_factory=Reading)
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
        """The history up to the moment that the page looks at (which may have been thinned out by now)."""
        moment = self.moment
        if moment is None:
            return self.history
        before = [s for s in self.history if s.clock <= moment.clock]
        return tuple(before[: before.index(moment) + 1] if moment in before else before)

    @property
    def shown(self) -> Snapshot:
        """The moment that the pictures show: an earlier one, what would be, or what is."""
        snapshot = self.moment or self.preview or self.snapshot
        assert snapshot is not None, "drawn before there was anything to show"
        return snapshot
