"""The lab's scrubber: which snapshot of the run the page shows, while the run may continue."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from prunelab.lab.messages import BUSY, LabState
from prunelab.lab.widgets.scrubber import Scrubber
from prunelab.results.snapshot import NOT_RETRAINED, Snapshot
from prunelab.results.track import places

# Seconds between two updates of the list of snapshots during a run: it is long. Where the run is, is said at once.
INTERVAL = 2.0

WORDS = {"pruned": "cut", "retrained": "retrained"}


class Timeline:
    """Keeps the scrubber (``widget``) up to date. moved: called when its position has changed."""

    def __init__(self, moved: Callable[[], None]) -> None:
        self.widget = Scrubber(label="moment of the run")
        self.widget.observe(lambda change: moved(), "position")
        self._history: tuple[Snapshot, ...] = ()  # the snapshots that the scrubber offers
        self._updated = 0.0  # monotonic time of the last update, in seconds

    def live(self) -> None:
        """Go back to the live snapshot."""
        self.widget.playing = False
        self.widget.position = None

    def update(self, state: LabState) -> None:
        """Offer the snapshots of a state; of a run that goes on only every INTERVAL seconds."""
        self.widget.newest = "" if state.snapshot is None else described(state.snapshot)["label"]
        history = state.history
        same = history[:1] == self._history[:1]  # else another run has come on the page
        soon = time.monotonic() - self._updated < INTERVAL
        if history is self._history or (same and state.activity in BUSY and soon):
            return
        if [id(s) for s in history] != [id(s) for s in self._history]:
            self.widget.update(_moments(history))
        self._history, self._updated = history, time.monotonic()

    def shown(self, state: LabState) -> Snapshot | None:
        """The snapshot that the scrubber is at; None: live."""
        position = self.widget.position
        if position is None or position >= len(self._history) - 1:
            return None
        return self._history[position]


def _moments(history: Sequence[Snapshot]) -> list[dict[str, Any]]:
    """A history as the scrubber's ``moments``; each round has its share of the track."""
    track = places([snapshot.round for snapshot in history])
    return [described(snapshot) | {"place": round(place, 6)} for snapshot, place in zip(history, track, strict=True)]


def described(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as an item of the scrubber's ``moments``, without its place."""
    where = f"round {snapshot.round}" if snapshot.round else snapshot.origin.label
    identity = f"{snapshot.phase}:{snapshot.round}:{snapshot.clock}"
    if snapshot.settled:
        word, phase = ("cut", NOT_RETRAINED) if snapshot.only_cut else (WORDS.get(snapshot.phase), snapshot.phase)
        short = f"{snapshot.round} {word}" if snapshot.round else where
        return {"label": f"{where}: {phase}", "mark": "settled", "short": short, "id": identity}
    return {"label": f"{where}: {snapshot.phase}, step {snapshot.step:,}", "mark": "", "id": identity}
