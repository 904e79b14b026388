"""When a run is saved as it goes: often enough to lose little, seldom enough to cost little."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prunelab.results.snapshot import Snapshot

SAVE_EVERY = 10.0  # seconds of a run between two saves, and
SAVE_SHARE = 0.02  # the largest share of a run's time that saving may take
SAVE_PAUSE = 1.0  # seconds from a save to that at the end of a phase, of which short runs have many


class SavePace:
    """The pace of one lab."""

    def __init__(self) -> None:
        self._at = -math.inf  # monotonic time of the latest save, in seconds
        self._seconds = 0.0  # that it took

    def due(self, tick: object) -> bool:
        """Whether to save after this item of a run: at the end of a phase, or when the last save is long ago."""
        since = time.monotonic() - self._at
        pause = SAVE_PAUSE if isinstance(tick, Snapshot) and tick.settled else SAVE_EVERY
        return since > max(pause, self._seconds / SAVE_SHARE)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Within the block a save is made."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._at = time.monotonic()
            self._seconds = self._at - began
