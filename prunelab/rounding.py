"""Rounding: ends of axes that stay where they are while what they show changes a little."""

from __future__ import annotations

import math

STEPS = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def round_up(value: float) -> float:
    """The least of ``STEPS`` times a power of ten that is not below ``value`` (> 0): at most a third above it."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in STEPS if step * power >= value)
