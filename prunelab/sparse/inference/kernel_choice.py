"""Chooses the fastest kernel for each layer of a chain, by a short measurement on this machine.

No fixed density works: the point where sparse wins depends on the layer, the batch, the threads and the library.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prunelab.sparse.inference.kernels import Kernel
from prunelab.torch_state import own_types

DROP_RATIO = 3.0  # candidates slower than this many times the fastest first run are dropped
SECONDS = 0.004  # approximate measuring time per candidate
SLICE = 1e-4  # least seconds per turn: well above the clock's resolution
MIN_TURNS, MAX_TURNS = 5, 31

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Costs:
    """Seconds that one layer takes, for one batch size.

    rows: dense kernel, batch-major activations. columns: feature-major activations, by kernel. into, back: transposing
    its input to feature-major, and its output back.
    """

    rows: float
    columns: Mapping[Kernel, float]
    into: float
    back: float


@own_types()  # what runs in another type is another kernel
def medians(candidates: Mapping[Name, Callable[[], object]]) -> dict[Name, float]:
    """Median seconds per run of each candidate; candidates take turns, in reverse order every other turn.

    Candidates 3x slower than the fastest in the first runs (after a warm-up) are dropped and keep their first time.
    """
    first: dict[Name, float] = {}
    for name, run in candidates.items():
        run()
        first[name] = min(_seconds(run, 1), _seconds(run, 1))
    best = min(first.values())
    racing = [name for name in candidates if first[name] <= DROP_RATIO * best]
    if len(racing) == 1 < len(candidates):
        return first
    runs = {name: max(1, round(SLICE / first[name])) for name in racing}
    turns = min(MAX_TURNS, max(MIN_TURNS, round(SECONDS / max(SLICE, best))))
    taken: dict[Name, list[float]] = {name: [] for name in racing}
    for number in range(turns):
        for name in racing if number % 2 else racing[::-1]:
            taken[name].append(_seconds(candidates[name], runs[name]))
    return first | {name: statistics.median(values) for name, values in taken.items()}


def cheapest(costs: Sequence[Costs], allowed: Sequence[Sequence[Kernel]]) -> tuple[Kernel, ...]:
    """The kernels with the least total time for the layers of a chain, transpositions included.

    Activations stay batch-major through the first dense layers, are transposed once before the first sparse layer, and
    transposed back at the end. allowed: the kernels that each layer may use.
    """
    plans: list[tuple[float, tuple[Kernel, ...]]] = []
    for batch_major in range(len(costs) + 1):  # number of layers that stay batch-major
        if any("dense" not in kernels for kernels in allowed[:batch_major]):
            break
        chosen: list[Kernel] = ["dense"] * batch_major
        seconds = sum(cost.rows for cost in costs[:batch_major])
        if batch_major < len(costs):
            if set(allowed[batch_major]) == {"dense"}:
                continue  # a dense layer needs no transposition
            seconds += costs[batch_major].into + costs[-1].back
        for number, (cost, kernels) in enumerate(zip(costs[batch_major:], allowed[batch_major:], strict=True)):
            candidates = [kernel for kernel in kernels if number or kernel != "dense"]
            chosen.append(min(candidates, key=cost.columns.__getitem__))
            seconds += cost.columns[chosen[-1]]
        plans.append((seconds, tuple(chosen)))
    return min(plans)[1]


def _seconds(run: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        run()
    return (time.perf_counter() - start) / times
