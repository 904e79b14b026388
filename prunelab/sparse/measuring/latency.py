"""How long a network takes for a batch, measured with torch's own timer, candidates taking turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from prunelab.results.measurement import Latency

BLOCK = 4e-3  # seconds of one timed block: long against the clock's step, short against a neighbour's burst
ROUNDS = 15
FEWEST, PATIENCE = 5, 2.0  # rounds that there must be, however long they take; seconds after which no more are begun
LONGEST_BLOCK = 1000  # runs


def batch_of(example: Tensor, size: int) -> Tensor:
    """``size`` samples: those of ``example``, over and over."""
    return example[torch.arange(size) % len(example)].contiguous()


def compare(networks: Mapping[str, nn.Module], x: Tensor, *, threads: int, rounds: int = ROUNDS) -> list[Latency]:
    """Time every network on the batch ``x``, taking turns, after a warm-up. The networks must be in eval mode."""
    timers = {
        name: Timer("network(x)", globals={"network": network, "x": x}, num_threads=threads)
        for name, network in networks.items()
    }
    with torch.inference_mode():
        runs = {name: _runs(timer) for name, timer in timers.items()}
        blocks: dict[str, list[float]] = {name: [] for name in timers}
        began = time.perf_counter()
        for number in range(rounds):
            if number >= FEWEST and time.perf_counter() - began > PATIENCE:
                break  # a crowded machine, or a large network: what there is has to do
            for name in _turn(list(timers), number):
                blocks[name].append(timers[name].timeit(runs[name]).median)
    return [Latency(name, len(x), threads, *_spread(blocks[name])) for name in networks]


def _runs(timer: Timer) -> int:
    """Runs that make a block; finding out is the warm-up."""
    timer.timeit(2)
    once = timer.timeit(2).median
    return max(1, min(LONGEST_BLOCK, round(BLOCK / max(once, 1e-9))))


def _turn(names: list[str], number: int) -> Iterator[str]:
    return iter(names if number % 2 else names[::-1])


def _spread(values: list[float]) -> tuple[float, float, float, float]:
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return median, low, high, min(values)
