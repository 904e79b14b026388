"""The scrubber of the lab: which snapshot of the run the page looks at, while the run may go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from prunelab.lab.messages import BUSY, LabState
from prunelab.lab.widgets.scrubber import Scrubber
from prunelab.results.snapshot import Snapshot

EVERY = 2.0  # seconds between two lists of moments while a run goes on: they are long

WORDS = {"trained": "dense", "pruned": "cut", "retrained": "retrained"}


class Timeline:
    """``widget`` is the scrubber; ``moved`` is called when a hand has moved it."""

    def __init__(self, moved: Callable[[], None]) -> None:
        self.widget = Scrubber(label="moment of the run")
        self.widget.observe(lambda change: moved(), "position")
        self._told: tuple[Snapshot, ...] = ()
        self._when = 0.0

    def live(self) -> None:
        """Back to what happens now."""
        self.widget.playing = False
        self.widget.position = None

    def update(self, state: LabState) -> None:
        """Offer the moments of a report; not at every one of its changes while a run goes on."""
        history = state.history
        if history is self._told or (state.activity in BUSY and time.monotonic() - self._when < EVERY):
            return
        if [id(s) for s in history] != [id(s) for s in self._told]:
            self.widget.update([described(snapshot) for snapshot in history])
        self._told, self._when = history, time.monotonic()

    def shown(self, state: LabState) -> Snapshot | None:
        """The moment that is looked at; None: live."""
        position = self.widget.position
        if position is None or position >= len(self._told) - 1:
            return None
        return self._told[position]


def described(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as the scrubber wants it."""
    where = f"round {snapshot.round}" if snapshot.round else "dense"
    identity = f"{snapshot.phase}:{snapshot.round}:{snapshot.clock}"
    if snapshot.settled:
        short = "dense" if not snapshot.round else f"{snapshot.round} {WORDS[snapshot.phase]}"
        return {"label": f"{where}: {snapshot.phase}", "mark": "settled", "short": short, "id": identity}
    return {"label": f"{where}: {snapshot.phase}, step {snapshot.step:,}", "mark": "", "id": identity}
