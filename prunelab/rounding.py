"""Rounding: ends of axes that stay where they are while what they show changes a little."""

from __future__ import annotations

import math
from collections.abc import Sequence

STEPS = (1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)  # half of each has two digits at most


def round_up(value: float, steps: Sequence[float] = STEPS) -> float:
    """The least of ``steps`` (from 1 to 10) times a power of ten that is not below ``value`` (> 0)."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in steps if step * power >= value)
