"""Evaluates a network, and recalibrates its batch norm."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from prunelab.torch_state import evaluating, held
from prunelab.training.objective import CLASSIFICATION, LossAndMetric
from prunelab.training.steps import shuffled

CHUNK = 250  # samples per forward pass in evaluation: as fast as larger chunks, and no longer than a training step
CALIBRATION = 2000  # samples for the statistics of batch norm
PROBE = 16  # samples that show how long others take


@dataclass(frozen=True, eq=False)
class Tested:
    """Result of an evaluation: mean loss, and the metric, which is accuracy (0 to 1) unless a session has another one.

    accuracy: NaN if an output is NaN, for other metrics if one is not finite. predicted: classes (N,); empty for what
    is no classification.
    """

    loss: float
    accuracy: float
    predicted: Tensor


def evaluate(model: nn.Module, x: Tensor, y: Tensor, functions: LossAndMetric = CLASSIFICATION) -> Tested:
    """Evaluate the model on all samples; every sample has equal weight, also in a short last chunk."""
    steps = evaluation(model, x, y, functions)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            tested: Tested = end.value
            return tested


def evaluation(
    model: nn.Module, x: Tensor, y: Tensor, functions: LossAndMetric = CLASSIFICATION
) -> Generator[None, None, Tested]:
    """``evaluate`` in chunks of CHUNK samples, with a yield between them; stopping there leaves the model unchanged.

    The metric is computed once, from all outputs: most metrics are no means over chunks.
    """
    loss, broken = 0.0, False
    found: list[Tensor] = []  # classes where they say all, else outputs
    sizes = chunks(len(y))
    for inputs, labels in zip(x.split(sizes), y.split(sizes), strict=True):
        if found:
            yield
        with evaluating(model), torch.no_grad():
            output = model(inputs)
            loss += functions.summed(output, labels)
            broken |= bool(output.isnan().any())  # the largest of such scores would be that of the first class
            found.append(output.argmax(1) if functions.counts_classes else output)
    whole = torch.cat(found)
    if functions.counts_classes:
        return Tested(loss / len(y), math.nan if broken else int((whole == y).sum()) / len(y), whole)
    with torch.no_grad():
        score = functions.measured(whole, y)
    classes = whole.argmax(1) if functions.objective.classifies else whole.new_empty(0, dtype=torch.int64)
    return Tested(loss / len(y), score, classes)


def chunks(samples: int) -> list[int]:
    """Sizes of the parts that ``samples`` are run in: CHUNK, and what is left.

    A single one that is left joins the part before it, as in training: a model that squeezes its outputs would drop the
    dimension of the samples, too.
    """
    before = max(samples - 2, 0) // CHUNK
    return [CHUNK] * before + [samples - before * CHUNK]


def affordable(model: nn.Module, x: Tensor, seconds: float) -> int:
    """How many samples of ``x`` the model runs in about ``seconds``: at least PROBE, if there are so many."""
    few = x[:PROBE]
    taken = math.inf
    with evaluating(model), torch.no_grad():
        for _ in range(2):  # the first is slower: memory is new
            began = time.perf_counter()
            model(few)
            taken = min(taken, time.perf_counter() - began)
    return max(len(few), min(len(x), int(len(few) * seconds / max(taken, 1e-9))))


def recalibrate(model: nn.Module, x: Tensor, seconds: float | None = None) -> None:
    """Recompute batch norm's running mean and variance on 2,000 random samples of ``x``, with dropout off.

    seconds: on fewer, if only those run in about this time; None: whatever it takes.

    Pruning shifts the inputs of a batch norm; old statistics would spoil the outputs until training updates them.
    Samples are shuffled, as ``x`` may be sorted by class, and chunks have equal size, as all count the same. A batch
    norm that the user keeps in eval mode within a model in training mode keeps its statistics.
    """
    frozen = set(held(model))
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats and m not in frozen]
    if not norms or len(x) < 2:  # a variance needs two samples
        return
    chosen = subset(len(x), CALIBRATION if seconds is None else min(CALIBRATION, affordable(model, x, seconds)))
    momenta = [norm.momentum for norm in norms]
    with evaluating(model), torch.no_grad():
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # plain average over all chunks
            norm.train()
        try:
            for chunk in chosen.tensor_split(math.ceil(len(chosen) / CHUNK)):
                model(x[chunk.to(x.device)])
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum


def subset(samples: int, count: int) -> Tensor:
    """``count`` random indices of ``samples``, or all if there are fewer; shuffled, and always the same."""
    return shuffled(samples, 0)[:count]
