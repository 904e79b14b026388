"""Which kernel is fastest for each layer of a chain, by a short measurement on this machine.

No density decides: where sparse begins to win depends on the layer, the batch, the threads and the library.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prunelab.sparse.inference.kernels import Kernel

HOPELESS = 3.0  # times the fastest's first run: not raced any further
SECONDS = 0.004  # a candidate, about
SLICE = 1e-4  # seconds of one turn, at least: well above what the clock resolves
FEWEST, MOST = 5, 31  # turns

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Costs:
    """Seconds that one layer takes, for one batch size.

    rows: dense on batch-major activations. columns: on feature-major activations, by kernel. into, back: transposing
    its input to feature-major, and its output back.
    """

    rows: float
    columns: Mapping[Kernel, float]
    into: float
    back: float


def medians(candidates: Mapping[Name, Callable[[], object]]) -> dict[Name, float]:
    """Median seconds of a run of each candidate; they take turns, every other turn in reverse order.

    Who is hopeless in the first runs (after one that warms up) keeps that time and is not run again.
    """
    first: dict[Name, float] = {}
    for name, run in candidates.items():
        run()
        first[name] = min(_seconds(run, 1), _seconds(run, 1))
    best = min(first.values())
    racing = [name for name in candidates if first[name] <= HOPELESS * best]
    if len(racing) == 1 < len(candidates):
        return first
    runs = {name: max(1, round(SLICE / first[name])) for name in racing}
    turns = min(MOST, max(FEWEST, round(SECONDS / max(SLICE, best))))
    taken: dict[Name, list[float]] = {name: [] for name in racing}
    for number in range(turns):
        for name in racing if number % 2 else racing[::-1]:
            taken[name].append(_seconds(candidates[name], runs[name]))
    return first | {name: statistics.median(values) for name, values in taken.items()}


def cheapest(costs: Sequence[Costs], allowed: Sequence[Sequence[Kernel]]) -> tuple[Kernel, ...]:
    """The kernels of a chain's layers that cost least together, transpositions counted.

    A chain stays batch-major through its first dense layers, is transposed once before its first sparse layer, and
    transposed back at its end. allowed: the kernels that each layer may use.
    """
    plans: list[tuple[float, tuple[Kernel, ...]]] = []
    for turn in range(len(costs) + 1):  # layers that stay batch-major
        if any("dense" not in kernels for kernels in allowed[:turn]):
            break
        chosen: list[Kernel] = ["dense"] * turn
        seconds = sum(cost.rows for cost in costs[:turn])
        if turn < len(costs):
            if set(allowed[turn]) == {"dense"}:
                continue  # nothing to be transposed for
            seconds += costs[turn].into + costs[-1].back
        for number, (cost, kernels) in enumerate(zip(costs[turn:], allowed[turn:], strict=True)):
            able = [kernel for kernel in kernels if number or kernel != "dense"]
            chosen.append(min(able, key=cost.columns.__getitem__))
            seconds += cost.columns[chosen[-1]]
        plans.append((seconds, tuple(chosen)))
    return min(plans)[1]


def _seconds(run: Callable[[], object], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        run()
    return (time.perf_counter() - began) / times
