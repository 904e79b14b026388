"""How far a value has come when a run has come so far. Small frozen values, each tested alone.

progress: 0 at the start of a run, 1 at its end; beyond that the end value stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """What a value is at each progress of a run."""

    def at(self, progress: float) -> float:
        """The value at ``progress``, 0 to 1."""


@dataclass(frozen=True)
class Constant:
    """The same value all along."""

    value: float

    def at(self, progress: float) -> float:
        return self.value


@dataclass(frozen=True)
class Linear:
    """In equal steps from ``start`` to ``end``."""

    start: float
    end: float

    def at(self, progress: float) -> float:
        return self.start + (self.end - self.start) * min(progress, 1.0)


@dataclass(frozen=True)
class Cubic:
    """From ``start`` to ``end``, most of the way early, while a network can still recover.

    end + (start - end) x (1 - progress)^3. Source: Zhu and Gupta 2017, section 3.
    """

    start: float
    end: float

    def at(self, progress: float) -> float:
        left = 1.0 - min(progress, 1.0)
        return self.start - (self.start - self.end) * (1.0 - left**3)
