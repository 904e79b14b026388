"""Mean of a few runs, and how far off it may be: what a table or a curve over seeds shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import stdtrit

CONFIDENCE = 0.95  # share of such intervals that hold the true mean, for normally distributed values


@dataclass(frozen=True)
class Estimate:
    """Mean of ``count`` values and half the width of its 95 % interval; None for a single value, which tells nothing of
    the spread. An interval may go past what is possible, such as an accuracy of 1: it is symmetric.
    """

    mean: float
    half: float | None
    count: int

    @property
    def low(self) -> float | None:
        """Lower end of the interval."""
        return None if self.half is None else self.mean - self.half

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""
        return None if self.half is None else self.mean + self.half

    def to_dict(self) -> dict[str, Any]:
        """Mean, both ends of the interval and the count, as JSON types."""
        return {"mean": self.mean, "low": self.low, "high": self.high, "count": self.count}


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and 95 % interval of ``values``: mean ± t(0.975, n - 1) x s / sqrt(n), with s their standard deviation over
    n - 1. Raises ValueError if there are none, or one is not finite. Source: Student 1908.
    """
    n = len(values)
    if not n or not all(map(math.isfinite, values)):
        raise ValueError(f"{n} values, not all finite: a mean needs at least one, and numbers")
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(mean, None, 1)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    quantile = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2))
    return Estimate(mean, quantile * deviation / math.sqrt(n), n)
