"""The snapshots of a run, in order."""

from __future__ import annotations

from collections.abc import Iterator

from prunelab.results.snapshot import Snapshot

LONGEST_HISTORY = 500


class History:
    """The snapshots of a run, in order. Above 500, every second one within the phases is dropped to bound memory."""

    def __init__(self, snapshots: list[Snapshot] | None = None) -> None:
        self._snapshots = list(snapshots or ())

    def append(self, snapshot: Snapshot) -> None:
        self._snapshots.append(snapshot)
        if len(self._snapshots) > LONGEST_HISTORY:
            droppable = [i for i, s in enumerate(self._snapshots) if not s.settled][:-1]
            drop = set(droppable[::2])
            self._snapshots = [s for i, s in enumerate(self._snapshots) if i not in drop]

    def __len__(self) -> int:
        return len(self._snapshots)

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(tuple(self._snapshots))

    def __getitem__(self, index: int) -> Snapshot:
        return self._snapshots[index]
