"""What pruning bought, in bytes and in microseconds, beside what it did not."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from prunelab import hardware, torch_state
from prunelab.errors import CompactError, ConvertError, MeasureError
from prunelab.results.measurement import Latency, Measurement
from prunelab.sparse.compaction.compact import compact
from prunelab.sparse.inference.convert import convert
from prunelab.sparse.measuring import file_sizes, latency

BATCHES = (1, 8, 64, 256)
BUSY = 0.6  # part of the cores at work beyond which timings are not to be trusted
UNSTEADY = 1.5  # ratio of the quartiles, likewise


def measure(
    model: nn.Module, example: Tensor, *, batches: Sequence[int] = BATCHES, threads: Sequence[int] | None = None
) -> Measurement:
    """Bytes by format, and latency of the network dense, sparse, converted and compacted; the model is left alone.

    model: pruned, its cut weights zero (``Masks.from_torch`` for torch's reparametrisation). example: inputs, as many
    samples as you like. batches: sizes to time. threads: how many torch computes with; default: one, and as many as
    torch has now. Takes a few seconds; keep the machine quiet, ``notes`` says when it was not.
    Raises MeasureError for a model with NaN weights or one that cannot take the example.
    """
    *_, last = stream(model, example, batches=batches, threads=threads)
    return last


def stream(
    model: nn.Module, example: Tensor, *, batches: Sequence[int] = BATCHES, threads: Sequence[int] | None = None
) -> Iterator[Measurement]:
    """``measure`` step by step: the sizes at once, then one batch size after the other."""
    network = _checked(model, example, batches)
    counts = sorted({1, torch.get_num_threads()} if threads is None else set(threads))
    weights = [t for t in file_sizes.distinct(network).values() if t.dim() > 1]
    found = Measurement(
        hardware.machine(),
        kept=sum(int((t != 0).sum()) for t in weights),
        total=sum(t.numel() for t in weights),
        sizes=file_sizes.sizes(network),
        notes=_loaded(),
    )
    yield found
    part = 1 / (len(counts) * (len(batches) + 1))
    for count in counts:
        networks, missing = _networks(network, example, tuple(batches), count)
        found = _more(found, part, notes=missing)
        yield found
        for size in batches:
            times = latency.compare(networks, latency.batch_of(example, size), threads=count)
            found = _more(found, part, times, _unsteady(times))
            yield found


def _more(found: Measurement, part: float, times: Sequence[Latency] = (), notes: Sequence[str] = ()) -> Measurement:
    return replace(
        found,
        latencies=(*found.latencies, *times),
        notes=tuple(dict.fromkeys((*found.notes, *notes))),
        progress=min(found.progress + part, 1.0),
    )


def _networks(
    network: nn.Module, example: Tensor, batches: tuple[int, ...], threads: int
) -> tuple[dict[str, nn.Module], list[str]]:
    """What there is to time, and why the rest is missing."""
    networks, missing = {"dense": network}, []
    makers: dict[str, Callable[[], nn.Module]] = {
        "sparse": lambda: convert(network, example, batches=batches, kernel="csr"),
        "converted": lambda: convert(network, example, batches=batches),
        "compacted": lambda: compact(network, example),
    }
    # The fastest kernel depends on the threads. Nobody else runs a model meanwhile: torch.fx patches all of them.
    with torch_state.threads(threads):
        for name, make in makers.items():
            try:
                networks[name] = make()
            except (ConvertError, CompactError) as error:
                missing.append(f"{name}: not measured, {error}")
    return networks, missing


def _checked(model: nn.Module, example: Tensor, batches: Sequence[int]) -> nn.Module:
    """A copy of the model in eval mode, once it is known to take the example."""
    if not batches or any(isinstance(b, bool) or not isinstance(b, int) or b < 1 for b in batches):
        raise MeasureError(f"batches = {tuple(batches)}: must be whole numbers, at least one of them, from 1 on")
    if not isinstance(example, Tensor) or example.dim() < 1 or len(example) == 0:
        raise MeasureError("example: must be a tensor with at least one sample, (samples, ...)")
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise MeasureError(f"{name} holds NaN or infinite values: there is nothing sound to measure")
    network = copy.deepcopy(model).eval()
    try:
        with torch.inference_mode():
            network(example[:1])
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise MeasureError(f"the model cannot take the example, shape {tuple(example.shape)}: {error}") from error
    return network


def _loaded() -> tuple[str, ...]:
    busy = hardware.load()
    if busy is None or busy < BUSY:
        return ()
    return (f"the machine was busy before this began ({100 * busy:.0f} % of its cores): measure again when it rests",)


def _unsteady(times: list[Latency]) -> list[str]:
    shaky = [x.network for x in times if x.high > UNSTEADY * x.low]
    if not shaky:
        return []
    return [f"batch {times[0].batch}: {', '.join(shaky)} unsteady, another program took part of the machine"]
