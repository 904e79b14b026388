"""How often snapshots of a run are taken. Their timing has no effect on the run itself."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from prunelab.results.snapshot import Snapshot

INTERVAL = 0.08  # seconds between snapshots inside a phase: at least ten a second, with room for one batch
REST = 4  # pause after a snapshot, in units of its duration: snapshots take at most 1 / (1 + REST) of the time


class SnapshotRate:
    """When to take snapshots: INTERVAL seconds after the last, or later for networks whose snapshots are slow."""

    def __init__(self) -> None:
        self._next = -math.inf

    def due(self) -> bool:
        """Whether it is time for a snapshot."""
        return time.monotonic() >= self._next

    def take(self, snapshot: Callable[[], Snapshot]) -> Snapshot:
        """The result of ``snapshot``, timed to schedule the next one."""
        began = time.monotonic()
        result = snapshot()
        now = time.monotonic()
        self._next = now + max(INTERVAL, REST * (now - began))
        return result
