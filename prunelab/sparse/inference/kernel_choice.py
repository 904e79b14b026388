"""Chooses the fastest kernel for each layer of a chain, by a short measurement on this machine.

No fixed density works: the point where sparse wins depends on the layer, the batch, the threads and the library. A
measurement is disturbed by whatever else runs. So candidates take turns and are compared turn by turn; what is unclear
is measured again; and a network stays dense unless another kernel wins clearly.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from prunelab.sparse.inference.kernels import Kernel
from prunelab.torch_state import own_types

DROP_RATIO = 3.0  # candidates slower than this many times the fastest first run are dropped
SECONDS = 0.004  # approximate measuring time per candidate
SLICE = 1e-4  # least seconds per turn: well above the clock's resolution
MIN_TURNS, MAX_TURNS = 5, 31
MARGIN = 1.05  # least speedup of a clear winner: less is lost again when memory or load are a little different
REPEATS = 3  # measurements, at most, while it is unclear who wins

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


@dataclass(frozen=True)
class Race(Generic[Name]):
    """The outcome of a race of candidates against a standard.

    winner: the standard, unless the best other candidate, ``rival``, was clearly faster. speedup: of the rival over the
    standard, the median of turns.
    """

    winner: Name
    rival: Name
    speedup: float

    @property
    def won(self) -> bool:
        """Whether the rival was clearly faster."""
        return self.winner == self.rival

    def explained(self, standard: str, rival: str) -> str:
        """Why the winner was chosen, in words. standard, rival: what to call them."""
        faster = f"{rival} {self.speedup:.2f}x as fast as {standard}"
        return faster if self.won else f"{faster}: no clear gain"


@own_types()  # what runs in another type is another kernel
def race(candidates: Mapping[Name, Callable[[], object]], standard: Name) -> Race[Name]:
    """The fastest of at least two candidates if it is clearly faster than the ``standard``, one of them; else that.

    Clearly: by MARGIN in the median of all turns, and faster at all in three of four turns. Where it is neither that
    nor clear that it is not, all are measured again, REPEATS times at most.
    """
    first = _first_runs(candidates)
    racing = _hopeful(first)
    rivals = [name for name in racing if name != standard]
    if not rivals:
        best = min((name for name in candidates if name != standard), key=first.__getitem__)
        return Race(standard, best, first[standard] / first[best])
    if standard not in racing:  # no contest; which of the others is the fastest still is one
        seconds = medians({name: candidates[name] for name in rivals})
        best = min(seconds, key=seconds.__getitem__)
        return Race(best, best, first[standard] / seconds[best])
    speedups: dict[Name, list[float]] = {name: [] for name in rivals}
    for _ in range(REPEATS):
        taken = _turns({name: candidates[name] for name in racing}, first)
        for name, values in speedups.items():
            values += [a / b for a, b in zip(taken[standard], taken[name], strict=True)]
        best = max(rivals, key=lambda name: statistics.median(speedups[name]))
        low, median, high = statistics.quantiles(speedups[best], n=4, method="inclusive")
        if median >= MARGIN and low > 1:
            return Race(best, best, median)
        if high < MARGIN:
            break
    return Race(standard, best, median)


@own_types()
def medians(candidates: Mapping[Name, Callable[[], object]]) -> dict[Name, float]:
    """Median seconds per run of each candidate; candidates take turns, in reverse order every other turn.

    Candidates 3x slower than the fastest in the first runs (after a warm-up) are dropped and keep their first time.
    """
    first = _first_runs(candidates)
    racing = _hopeful(first)
    if len(racing) == 1 < len(candidates):
        return first
    taken = _turns({name: candidates[name] for name in racing}, first)
    return first | {name: statistics.median(values) for name, values in taken.items()}


def _first_runs(candidates: Mapping[Name, Callable[[], object]]) -> dict[Name, float]:
    """Seconds of each candidate: the better of two runs after a warm-up."""
    first: dict[Name, float] = {}
    for name, run in candidates.items():
        run()
        first[name] = min(_seconds(run, 1), _seconds(run, 1))
    return first


def _hopeful(first: Mapping[Name, float]) -> list[Name]:
    """The candidates that are not hopeless by their first runs."""
    best = min(first.values())
    return [name for name, seconds in first.items() if seconds <= DROP_RATIO * best]


def _turns(candidates: Mapping[Name, Callable[[], object]], first: Mapping[Name, float]) -> dict[Name, list[float]]:
    """Seconds per run of each candidate, turn by turn. first: roughly what a run takes."""
    runs = {name: max(1, round(SLICE / max(first[name], 1e-9))) for name in candidates}
    best = min(first[name] for name in candidates)
    turns = min(MAX_TURNS, max(MIN_TURNS, round(SECONDS / max(SLICE, best))))
    taken: dict[Name, list[float]] = {name: [] for name in candidates}
    for number in range(turns):
        for name in candidates if number % 2 else list(candidates)[::-1]:
            taken[name].append(_seconds(candidates[name], runs[name]))
    return taken


def cheapest(costs: Sequence[Costs], allowed: Sequence[Sequence[Kernel]]) -> tuple[Kernel, ...]:
    """The kernels with the least total time for the layers of a chain, transpositions included.

    A sparse kernel has to win by MARGIN over dense, layer by layer. Activations stay batch-major through the first
    dense layers, are transposed once before the first sparse layer, and transposed back at the end. allowed: the
    kernels that each layer may use.
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
            chosen.append(min(candidates, key=lambda kernel: _handicapped(kernel, cost.columns[kernel])))
            seconds += cost.columns[chosen[-1]]
        plans.append((seconds, tuple(chosen)))
    return min(plans)[1]


def _handicapped(kernel: Kernel, seconds: float) -> float:
    return seconds if kernel == "dense" else MARGIN * seconds


def _seconds(run: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        run()
    return (time.perf_counter() - start) / times
