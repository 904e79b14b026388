"""Latency of networks for a batch, measured in turns with torch's benchmark timer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping

import torch
from torch import nn
from torch.utils.benchmark import Timer

from prunelab.inputs import Inputs
from prunelab.results.measurement import Latency

BLOCK = 4e-3  # seconds of one timed block: much longer than the clock's resolution, shorter than bursts of other load
ROUNDS = 15
MIN_ROUNDS, MAX_SECONDS = 5, 2.0  # rounds that always run; time after which no further round starts
LONGEST_BLOCK = 1000  # runs per block


def compare(networks: Mapping[str, nn.Module], batch: Inputs, *, threads: int, rounds: int = ROUNDS) -> list[Latency]:
    """Time all networks on ``batch``, in turns, after a warm-up. The networks must be in eval mode."""
    given = {"args": batch.args, "kwargs": batch.kwargs}
    timers = {
        name: Timer("network(*args, **kwargs)", globals={"network": network, **given}, num_threads=threads)
        for name, network in networks.items()
    }
    with torch.inference_mode():
        runs = {name: _runs(timer) for name, timer in timers.items()}
        blocks: dict[str, list[float]] = {name: [] for name in timers}
        start = time.perf_counter()
        for number in range(rounds):
            if number >= MIN_ROUNDS and time.perf_counter() - start > MAX_SECONDS:
                break  # busy machine or large network: report the rounds done so far
            for name in timers if number % 2 else reversed(timers):
                blocks[name].append(timers[name].timeit(runs[name]).median)
    return [Latency(name, batch.samples, threads, *_quartiles(blocks[name])) for name in networks]


def _runs(timer: Timer) -> int:
    """Number of runs per block; determining it also warms up."""
    timer.timeit(2)
    once = timer.timeit(2).median
    return max(1, min(LONGEST_BLOCK, round(BLOCK / max(once, 1e-9))))


def _quartiles(values: list[float]) -> tuple[float, float, float, float]:
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return median, low, high, min(values)
