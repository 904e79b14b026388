"""Where the snapshots of a run stand on the track of a slider."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby


def places(rounds: Sequence[int]) -> list[float]:
    """A place for each snapshot, from 0 (the first) to 1 (the newest), strictly increasing.

    The dense training and each round have equal shares of the track, however many of their snapshots were kept; within
    a share snapshots are equally far apart. A dense network that is a single snapshot stands at 0 and has no share.

    Args:
        rounds: round of each snapshot, in order; 0 while dense.
    """
    shares = [len(list(snapshots)) for _, snapshots in groupby(rounds[1:])]
    inside = [(number + i / size) / len(shares) for number, size in enumerate(shares) for i in range(1, size + 1)]
    return [0.0, *inside] if rounds else []
