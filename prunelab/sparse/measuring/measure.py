"""Benefit of pruning in bytes and microseconds, with the cases where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from prunelab import hardware, torch_state
from prunelab.errors import CompactError, ConvertError, MeasureError
from prunelab.inputs import Example, Inputs
from prunelab.pruning import criteria, model_state
from prunelab.pruning.reparametrisation import plain_copy
from prunelab.results.measurement import KernelChoice, Latency, Measurement
from prunelab.sparse.compaction.compact import compact
from prunelab.sparse.inference.convert import Converted, convert
from prunelab.sparse.measuring import file_sizes, latency

BATCHES = (1, 8, 64, 256)
BUSY = 0.6  # fraction of cores in use above which timings are unreliable
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
        threads: Numbers of torch threads to time with. None: one, and torch's current number.

    Raises:
        MeasureError: Batch sizes are out of range, weights are NaN or infinite, the model cannot run on the example, or
            it is quantised, TorchScript, or on the meta device.
    """
    *_, last = stream(model, example, batches=batches, threads=threads)
    return last


def stream(
    model: nn.Module, example: Example, *, batches: Sequence[int] = BATCHES, threads: Sequence[int] | None = None
) -> Iterator[Measurement]:
    """``measure`` step by step: first the sizes, then one batch size after another."""
    network, inputs = _checked(model, example, batches)
    counts = sorted({1, torch.get_num_threads()} if threads is None else set(threads))
    weights = [t for t in file_sizes.distinct(network).values() if t.dim() > 1]
    measurement = Measurement(
        hardware.machine(),
        kept=sum(int((t != 0).sum()) for t in weights),
        total=sum(t.numel() for t in weights),
        sizes=file_sizes.sizes(network),
        notes=_loaded(),
    )
    yield measurement
    part = 1 / (len(counts) * (len(batches) + 1))
    for count in counts:
        networks, missing = _networks(network, example, tuple(batches), count)
        measurement = _extended(measurement, part, notes=missing, kernels=_kernels(networks, count))
        yield measurement
        for size in batches:
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


def _checked(model: nn.Module, example: Example, batches: Sequence[int]) -> tuple[nn.Module, Inputs]:
    """A copy of the model in eval mode, and the example's arguments, after a check that it runs on them."""
    if not batches or any(isinstance(b, bool) or not isinstance(b, int) or b < 1 for b in batches):
        raise MeasureError(f"batches = {tuple(batches)}: must be whole numbers, at least one of them, from 1 on")
    if reason := model_state.obstacle(model):
        raise MeasureError(reason)
    try:
        inputs = Inputs.of(example, model)
    except ValueError as error:
        raise MeasureError(str(error)) from error
    if not inputs.samples:
        raise MeasureError("example: its first tensor must have at least one sample, (samples, ...)")
    for name, tensor in model.state_dict().items():
        if not criteria.finite(tensor):
            raise MeasureError(f"{name} holds NaN or infinite values: there is nothing sound to measure")
    network = plain_copy(model)
    try:
        with torch.inference_mode():
            inputs.batch(1).run(network)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise MeasureError(f"the model cannot take the example, shape {inputs}: {error}") from error
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
