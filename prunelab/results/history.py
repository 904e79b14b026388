"""The snapshots of a run, in order: as many as memory has room for, evenly spread over the whole run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from prunelab.results.snapshot import ARRAYS, Snapshot

LONGEST_HISTORY = 500
MOST_BYTES = 256 * 2**20  # of the arrays of all snapshots: 80 masks of 25 million weights


class History:
    """The snapshots of a run, in order; at most ``longest`` of them and ``most`` bytes, evenly spread.

    The first snapshot and the newest are never dropped; nor are the ends of phases (``Snapshot.settled``), even where
    these alone are more than ``longest``, as long as they do not take more than ``most`` bytes. The room that they
    leave is shared equally by the phases. A phase that has more than its share loses the snapshots whose neighbours are
    the fewest training steps apart: so no gap that this makes in a phase is longer than any two neighbouring gaps of
    that phase together.

    Only the masks of large networks take so much memory that ends of phases have to go; then those whose neighbours are
    the fewest steps apart. An array that several snapshots share counts once.

    Which one to drop follows from the snapshots alone: a history that was saved goes on as one that was not.
    """

    def __init__(
        self, snapshots: Iterable[Snapshot] = (), *, longest: int = LONGEST_HISTORY, most: int = MOST_BYTES
    ) -> None:
        self._snapshots: list[Snapshot] = []
        self._longest, self._most = longest, most
        self._holders: Counter[int] = Counter()  # snapshots that hold an array, by its identity
        self.bytes = 0  # of all arrays
        for snapshot in snapshots:
            self._add(snapshot)
        self._thin()

    def append(self, snapshot: Snapshot) -> None:
        self._add(snapshot)
        self._thin()

    def _add(self, snapshot: Snapshot) -> None:
        self._snapshots.append(snapshot)
        for identity, size in _arrays(snapshot):
            self.bytes += 0 if self._holders[identity] else size
            self._holders[identity] += 1

    def _drop(self, index: int) -> None:
        for identity, size in _arrays(self._snapshots.pop(index)):
            self._holders[identity] -= 1
            if not self._holders[identity]:
                self.bytes -= size
                del self._holders[identity]

    def _thin(self) -> None:
        while (len(self._snapshots) > self._longest or self.bytes > self._most) and (phases := self._droppable()):
            fullest = max(phases, key=len)
            self._drop(min(fullest, key=self._span))
        while self.bytes > self._most and len(self._snapshots) > 2:
            self._drop(min(range(1, len(self._snapshots) - 1), key=self._span))

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


def _arrays(snapshot: Snapshot) -> Iterator[tuple[int, int]]:
    """(identity, bytes) of each array of a snapshot."""
    for array in (snapshot.predicted, *(getattr(layer, name) for layer in snapshot.layers for name in ARRAYS)):
        yield id(array), len(array) if isinstance(array, bytes) else array.nbytes
