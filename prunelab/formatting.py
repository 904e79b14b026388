"""Formats numbers and names for people: percentages, sizes, times, layer names, round ends of axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

STEPS = (1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)  # half of each has at most two digits


def round_up(value: float, steps: Sequence[float] = STEPS) -> float:
    """The smallest of ``steps`` (from 1 to 10) times a power of ten that is at least ``value`` (> 0)."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in steps if step * power >= value)


def percent(fraction: float) -> str:
    """0.0834 as "8.3 %"; two decimals below one percent, so that small values are not shown as zero."""
    value = 100 * fraction
    return f"{value:.2f} %" if 0 < value < 1 else f"{value:.1f} %"


def kilobytes(size: int) -> str:
    """Bytes as "98.2 KB" (1 KB = 1,000 bytes), or as MB from 1,000 KB on."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} KB"


def count(number: int) -> str:
    return f"{number:,}"


def duration(seconds: float) -> str:
    """Seconds as microseconds (below 1 ms) or milliseconds."""
    return f"{1e6 * seconds:,.0f} µs" if seconds < 1e-3 else f"{1e3 * seconds:,.1f} ms"


def layer_of(parameter_name: str) -> str:
    """The layer name for a parameter name: "fc1" for "fc1.weight"."""
    return parameter_name.removesuffix(".weight")
