"""Report and Command: what passes between the page and the runner. Immutable, so that any thread may read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prunelab.measurement import Measurement
from prunelab.recipe import Recipe
from prunelab.snapshot import Snapshot

Action = Literal[
    "open",
    "follow",
    "train",
    "retrain",
    "run",
    "prune",
    "preview",
    "change",
    "measure",
    "pause",
    "resume",
    "reset",
    "stop",
]
State = Literal["starting", "ready", "training", "retraining", "running", "measuring", "paused", "failed"]
BUSY: tuple[State, ...] = ("starting", "training", "retraining", "running")


@dataclass(frozen=True)
class Command:
    """What a control asks for. recipe: as the controls stand. quality: of a prune or preview."""

    action: Action
    recipe: Recipe | None = None
    quality: float | None = None


@dataclass(frozen=True)
class Report:
    """How things stand, for the page. progress: 0 to 1; left: seconds; None when nothing runs.

    trouble: what went wrong, in words, with what to do, until the next step is begun. warning: what the slider would do
    that nobody wants. notice: what happened that one should know. None when all is well. adopted: counts the recipes
    that did not come from the controls (a saved session's, a link's): the controls have to follow. urgent: someone's
    hand is on the slider and waits for this. measurement: of the network as it is now, None once it has changed.
    """

    state: State
    recipe: Recipe
    doing: str = ""
    progress: float | None = None
    left: float | None = None
    snapshot: Snapshot | None = None
    preview: Snapshot | None = None
    history: tuple[Snapshot, ...] = ()
    measurement: Measurement | None = None
    trouble: str | None = None
    warning: str | None = None
    notice: str | None = None
    adopted: int = 0
    urgent: bool = False

    @property
    def words(self) -> str:
        """All that the banner says, a line each."""
        return "\n".join(text for text in (self.trouble, self.warning, self.notice) if text)
