"""Benefit of pruning in bytes and microseconds, with the cases where there is none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from prunelab import hardware, torch_state
from prunelab.errors import CompactError, ConvertError, MeasureError, first_line
from prunelab.inputs import Example, Inputs
from prunelab.pruning import criteria, model_state
from prunelab.pruning.reparametrisation import plain_copy
from prunelab.results.measurement import KernelChoice, Latency, Measurement
from prunelab.sparse.compaction.compact import compact
from prunelab.sparse.inference.convert import Converted, convert
from prunelab.sparse.measuring import file_sizes, latency

BATCHES = (1, 8, 64, 256)
BUSY = 0.6  # fraction of cores in use above which timings are unreliable
THREADS_PER_CORE = 4  # more only wait for each other, and at some number torch crashes
NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "overflow")  # in what torch says then
UNSTEADY = 1.5  # ratio of the quartiles above which timings are unreliable


def measure(
    model: nn.Module, example: Example, *, batches: Sequence[int] = BATCHES, threads: Sequence[int] | None = None
) -> Measurement:
    """Measure file sizes by format, and latency of the network dense, sparse, converted and compacted.

    Takes a few seconds. Run nothing else meanwhile; ``notes`` of the result says if the machine was busy.

    Args:
        model: A pruned module; it is not changed. Weights that torch.nn.utils.prune or another reparametrisation
            computes are measured as the ordinary ones that they are.
        example: A batch of input: a tensor (samples, ...), a tuple of arguments, or a dict of arguments by name. Any
            number of samples, at least 1; the first tensor counts them.
        batches: Batch sizes to time, each at least 1.
        threads: Numbers of torch threads to time with, each at least 1 and at most four for each core. None: one, and
            torch's current number.

    Raises:
        MeasureError: Batch sizes or threads are out of range, a batch needs more memory than there is, weights are NaN
            or infinite, the model cannot run on the example, or it cannot be copied or stored (such as a quantised one,
            TorchScript, one on the meta device, or complex tensors).
    """
    *_, last = stream(model, example, batches=batches, threads=threads)
    return last


def stream(
    model: nn.Module, example: Example, *, batches: Sequence[int] = BATCHES, threads: Sequence[int] | None = None
) -> Iterator[Measurement]:
    """``measure`` step by step: first the sizes, then one batch size after another."""
    batches, current = _numbers("batches", batches), torch.get_num_threads()
    most = max(THREADS_PER_CORE * (os.cpu_count() or 1), current)
    counts = sorted({1, current} if threads is None else _numbers("threads", threads, most))
    network, inputs = _checked(model, example)
    parameters = {name for name, _ in network.named_parameters(remove_duplicate=False)}  # buffers are no connections
    weights = [t for name, t in file_sizes.distinct(network).items() if name in parameters and t.dim() > 1]
    try:
        sizes = file_sizes.sizes(network)
    except ValueError as error:
        raise MeasureError(str(error)) from error
    measurement = Measurement(
        hardware.machine(),
        kept=sum(int((t != 0).sum()) for t in weights),
        total=sum(t.numel() for t in weights),
        sizes=sizes,
        notes=_loaded(),
    )
    yield measurement
    part = 1 / (len(counts) * (len(batches) + 1))
    for count in counts:
        with _memory_for(max(batches)):
            networks, missing = _networks(network, example, batches, count)
        measurement = _extended(measurement, part, notes=missing, kernels=_kernels(networks, count))
        yield measurement
        for size in batches:
            with _memory_for(size):
                times = latency.compare(networks, inputs.batch(size), threads=count)
            measurement = _extended(measurement, part, times, _unsteady(times))
            yield measurement


def _extended(
    measurement: Measurement,
    part: float,
    times: Sequence[Latency] = (),
    notes: Sequence[str] = (),
    kernels: Sequence[KernelChoice] = (),
) -> Measurement:
    return replace(
        measurement,
        latencies=(*measurement.latencies, *times),
        kernels=(*measurement.kernels, *kernels),
        notes=tuple(dict.fromkeys((*measurement.notes, *notes))),
        progress=min(measurement.progress + part, 1.0),
    )


def _networks(
    network: nn.Module, example: Example, batches: tuple[int, ...], threads: int
) -> tuple[dict[str, nn.Module], list[str]]:
    """The networks to time, and reasons for those that are missing."""
    networks, missing = {"dense": network}, []
    makers: dict[str, Callable[[], nn.Module]] = {
        "sparse": lambda: convert(network, example, batches=batches, kernel="csr"),
        "converted": lambda: convert(network, example, batches=batches),
        "compacted": lambda: compact(network, example),
    }
    # The fastest kernel depends on the thread count. No other thread of prunelab runs a model meanwhile, as
    # torch.fx patches all of them.
    with torch_state.threads(threads):
        for name, make in makers.items():
            try:
                networks[name] = make()
            except (ConvertError, CompactError) as error:
                missing.append(f"{name}: not measured, {error}")
    return networks, missing


def _kernels(networks: Mapping[str, nn.Module], threads: int) -> list[KernelChoice]:
    """The kernels of the converted network, if there is one."""
    converted = networks.get("converted")
    if not isinstance(converted, Converted):
        return []
    reasons = converted.reasons
    return [
        KernelChoice(layer, batch, threads, kernel, reasons[layer][batch])
        for layer, by_batch in converted.choices.items()
        for batch, kernel in by_batch.items()
    ]


def _numbers(name: str, values: Any, most: int | None = None) -> tuple[int, ...]:
    """The distinct ones of at least one whole number from 1 on. MeasureError, for the argument ``name``, for others."""
    numbers = tuple(values) if isinstance(values, Iterable) else ()
    if not numbers or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in numbers):
        raise MeasureError(
            f"{name} = {numbers if isinstance(values, Iterable) else values!r}: must be whole numbers, at least one of "
            "them, from 1 on"
        )
    if most is not None and max(numbers) > most:
        raise MeasureError(f"{name} = {numbers}: {max(numbers)} are too many for this machine; take {most} at most")
    return tuple(dict.fromkeys(numbers))


@contextmanager
def _memory_for(batch: int) -> Iterator[None]:
    """MeasureError, which names the batch size, where the block finds too little memory."""
    try:
        yield
    except (MemoryError, OverflowError, RuntimeError, TypeError) as error:  # torch's own are of the last two kinds
        known = isinstance(error, MemoryError | OverflowError)
        if not known and not any(words in str(error).lower() for words in NO_MEMORY):
            raise
        raise MeasureError(
            f"a batch of {batch:,} samples needs more memory than there is: take a smaller batch size"
        ) from error


def _checked(model: nn.Module, example: Example) -> tuple[nn.Module, Inputs]:
    """A copy of the model in eval mode, and the example's arguments, after a check that it runs on them."""
    if reason := model_state.obstacle(model):
        raise MeasureError(reason)
    try:
        inputs = Inputs.of(example, model)
    except ValueError as error:
        raise MeasureError(str(error)) from error
    if not inputs.samples:
        raise MeasureError("example: its first tensor must have at least one sample, (samples, ...)")
    for name, tensor in model.named_parameters():  # of buffers, a mask of attention holds -inf
        if not criteria.finite(tensor):
            raise MeasureError(f"{name} holds NaN or infinite values: there is nothing sound to measure")
    try:
        network = plain_copy(model)
    except Exception as error:  # copying runs the model's code, which can raise anything
        raise MeasureError(f"{type(model).__name__} cannot be copied: {error}") from error
    try:
        with torch.inference_mode():
            inputs.batch(1).run(network)
    except Exception as error:  # so can running it
        raise MeasureError(f"the model cannot take the example, shape {inputs}: {first_line(error)}") from error
    return network, inputs


def _loaded() -> tuple[str, ...]:
    busy = hardware.load()
    if busy is None or busy < BUSY:
        return ()
    return (f"the machine was busy before this began ({100 * busy:.0f} % of its cores): measure again when it is idle",)


def _unsteady(times: list[Latency]) -> list[str]:
    unsteady = [x.network for x in times if x.high > UNSTEADY * x.low]
    if not unsteady:
        return []
    return [f"batch {times[0].batch}: {', '.join(unsteady)} unsteady, another program took part of the machine"]
