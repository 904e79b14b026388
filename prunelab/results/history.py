"""The snapshots of a run, in order: as many as memory has room for, evenly spread over the whole run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from prunelab.results.snapshot import Snapshot

LONGEST_HISTORY = 500


class History:
    """The snapshots of a run, in order; at most ``longest`` of them, evenly spread.

    Never dropped: the first snapshot, the newest, and the ends of phases (``Snapshot.settled``), even where these alone
    are more than ``longest``. The room that they leave is shared equally by the phases. A phase that has more than its
    share loses the snapshots whose neighbours are the fewest training steps apart: so no gap that this makes in a phase
    is longer than any two neighbouring gaps of that phase together.

    Which one to drop follows from the snapshots alone: a history that was saved goes on as one that was not.
    """

    def __init__(self, snapshots: Iterable[Snapshot] = (), *, longest: int = LONGEST_HISTORY) -> None:
        self._snapshots = list(snapshots)
        self._longest = longest
        self._thin()

    def append(self, snapshot: Snapshot) -> None:
        self._snapshots.append(snapshot)
        self._thin()

    def _thin(self) -> None:
        while len(self._snapshots) > self._longest and (phases := self._droppable()):
            fullest = max(phases, key=len)
            del self._snapshots[min(fullest, key=self._span)]

    def _droppable(self) -> list[list[int]]:
        """Indices of the snapshots that may be dropped, by phase."""
        inner = range(1, len(self._snapshots) - 1)
        phases = groupby(inner, key=lambda i: self._snapshots[i].settled)
        return [list(indices) for settled, indices in phases if not settled]

    def _span(self, index: int) -> int:
        """Training steps between the two neighbours of a snapshot."""
        return self._snapshots[index + 1].clock - self._snapshots[index - 1].clock

    def __len__(self) -> int:
        return len(self._snapshots)

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(tuple(self._snapshots))

    def __getitem__(self, index: int) -> Snapshot:
        return self._snapshots[index]
