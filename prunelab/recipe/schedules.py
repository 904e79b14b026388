"""Schedules: a value as a function of the progress of a run.

progress: 0 at the start of a run, 1 at its end; above 1 the end value stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """A value as a function of progress."""

    def at(self, progress: float) -> float:
        """The value at ``progress``, 0 to 1."""


@dataclass(frozen=True)
class Constant:
    """The same value at all times."""

    value: float

    def at(self, progress: float) -> float:
        return self.value


@dataclass(frozen=True)
class Linear:
    """Linear from ``start`` to ``end``."""

    start: float
    end: float

    def at(self, progress: float) -> float:
        return self.start + (self.end - self.start) * min(progress, 1.0)


@dataclass(frozen=True)
class Cubic:
    """From ``start`` to ``end``, with most of the change early, when the network recovers more easily.

    end + (start - end) x (1 - progress)^3. Source: Zhu and Gupta 2017, section 3.
    """

    start: float
    end: float

    def at(self, progress: float) -> float:
        remaining = 1.0 - min(progress, 1.0)
        return self.start - (self.start - self.end) * (1.0 - remaining**3)


FALL = 0.75  # share of a learning-rate cycle over which a gradual cut is made; the rest is for recovering


def gradual_cut(round: int, rounds: int) -> float:
    """Share of the cycle, 0 to FALL, that is done at the cut of ``round`` (1 to rounds): evenly spread, the first at 0.

    Source: Zhu and Gupta 2017, section 3: a cut every few hundred steps while the learning rate is still high.
    """
    return FALL * (min(round, rounds) - 1) / max(rounds - 1, 1)
