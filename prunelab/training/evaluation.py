"""Testing a network, and measuring its batch norm anew."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from prunelab.torch_state import evaluating, held
from prunelab.training.steps import shuffled

CHUNK = 250  # samples of one forward pass in evaluation: as fast as more, and no longer than a step of training
CALIBRATION = 2000  # samples that batch norm's statistics are measured on


@dataclass(frozen=True, eq=False)
class Tested:
    """An evaluation: mean cross-entropy loss, accuracy (0 to 1), and the class predicted for each sample, (N,)."""

    loss: float
    accuracy: float
    predicted: Tensor


def evaluate(model: nn.Module, x: Tensor, y: Tensor) -> Tested:
    """Test the model on all samples, in sums: a short last chunk counts as it is."""
    steps = evaluation(model, x, y)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            tested: Tested = end.value
            return tested


def evaluation(model: nn.Module, x: Tensor, y: Tensor) -> Generator[None, None, Tested]:
    """``evaluate`` in steps of CHUNK samples, with a yield between two: whoever stops there has changed nothing."""
    loss = 0.0
    predicted: list[Tensor] = []
    for inputs, labels in zip(x.split(CHUNK), y.split(CHUNK), strict=True):
        if predicted:
            yield
        with evaluating(model), torch.no_grad():
            output = model(inputs)
            loss += float(F.cross_entropy(output, labels, reduction="sum"))
            predicted.append(output.argmax(1))
    classes = torch.cat(predicted)
    return Tested(loss / len(y), int((classes == y).sum()) / len(y), classes)


def recalibrate(model: nn.Module, x: Tensor) -> None:
    """Measure batch norm's running mean and variance again, on a random 2,000 samples of ``x``, dropout off.

    Pruning shifts what flows into a batch norm; statistics from before spoil the outputs until training renews them.
    The samples are mixed, and in chunks of one size: ``x`` may be sorted by class, and every chunk counts the same.
    A batch norm that is held in eval mode within a model in training mode keeps its statistics.
    """
    kept = set(held(model))
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats and m not in kept]
    chosen = subset(len(x), CALIBRATION)
    if not norms or len(chosen) < 2:  # a variance needs two samples
        return
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
    """Indices of ``count`` of ``samples``, or of all if there are no more: at random, mixed, and always the same."""
    return shuffled(samples, 0)[:count]
