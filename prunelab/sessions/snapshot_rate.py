"""How often a run is looked at. When pictures of it are taken changes nothing else of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from prunelab.results.snapshot import Snapshot

INTERVAL = 0.08  # seconds between snapshots inside a phase: at least ten a second, with room for one batch
REST = 4  # at least so many times as long as a snapshot took, none is taken: of a huge network they come more seldom


class SnapshotRate:
    """When to take snapshots: INTERVAL after the last, and not so often that they would take much of the time."""

    def __init__(self) -> None:
        self._next = -math.inf

    def due(self) -> bool:
        return time.monotonic() >= self._next

    def take(self, snapshot: Callable[[], Snapshot]) -> Snapshot:
        began = time.monotonic()
        taken = snapshot()
        now = time.monotonic()
        self._next = now + max(INTERVAL, REST * (now - began))
        return taken
