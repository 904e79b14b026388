"""Statistics of measurements: percentiles of small samples, ratios of pairs, and interleaved candidates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of a sample, in the sample's unit."""

    median: float
    low: float
    high: float


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a fraction ``share`` (0 to 1) of ``values`` lies, interpolated linearly.

    Raises ValueError if there are no values, a value is not finite, or the share is outside 0 to 1.
    """
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"{len(values)} values, not all finite: a percentile needs at least one, and numbers")
    if not 0 <= share <= 1:
        raise ValueError(f"share = {share}: must be from 0 to 1")
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles of ``values``. Raises ValueError as ``percentile`` does."""
    return Spread(percentile(values, 0.5), percentile(values, 0.25), percentile(values, 0.75))


def ratios(above: Sequence[float], below: Sequence[float]) -> Spread:
    """The spread of ``above[i] / below[i]``: pairs measured right after each other, so that slow phases cancel out.

    Raises ValueError if lengths differ, there are no pairs, or a value of ``below`` is not positive.
    """
    if len(above) != len(below):
        raise ValueError(f"{len(above)} and {len(below)} measurements: they must be pairs")
    if any(value <= 0 for value in below):
        raise ValueError("a measurement to divide by is not positive")
    return spread([a / b for a, b in zip(above, below, strict=True)])


def timed(run: Callable[[], object], times: int = 1) -> float:
    """Seconds of one call of ``run``, averaged over ``times`` calls in a row."""
    began = time.perf_counter()
    for _ in range(times):
        run()
    return (time.perf_counter() - began) / times


def interleave(candidates: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """{name: results of the candidate in each round}. The candidates take turns, in every other round in reverse order.

    An additional first round, which is not counted, warms up caches and allocators.
    """
    results: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(-1, rounds):
        order = list(candidates) if number % 2 else list(candidates)[::-1]
        for name in order:
            value = candidates[name]()
            if number >= 0:
                results[name].append(value)
    return results
