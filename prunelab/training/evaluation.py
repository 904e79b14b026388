"""Evaluates a network, and recalibrates its batch norm."""

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

CHUNK = 250  # samples per forward pass in evaluation: as fast as larger chunks, and no longer than a training step
CALIBRATION = 2000  # samples for the statistics of batch norm


@dataclass(frozen=True, eq=False)
class Tested:
    """Result of an evaluation: mean cross-entropy loss, accuracy (0 to 1), and predicted classes (N,)."""

    loss: float
    accuracy: float
    predicted: Tensor


def evaluate(model: nn.Module, x: Tensor, y: Tensor) -> Tested:
    """Evaluate the model on all samples; every sample has equal weight, also in a short last chunk."""
    steps = evaluation(model, x, y)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            tested: Tested = end.value
            return tested


def evaluation(model: nn.Module, x: Tensor, y: Tensor) -> Generator[None, None, Tested]:
    """``evaluate`` in chunks of CHUNK samples, with a yield between them; stopping there leaves the model unchanged."""
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
    """Recompute batch norm's running mean and variance on 2,000 random samples of ``x``, with dropout off.

    Pruning shifts the inputs of a batch norm; old statistics would spoil the outputs until training updates them.
    Samples are shuffled, as ``x`` may be sorted by class, and chunks have equal size, as all count the same. A batch
    norm that the user keeps in eval mode within a model in training mode keeps its statistics.
    """
    frozen = set(held(model))
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats and m not in frozen]
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
    """``count`` random indices of ``samples``, or all if there are fewer; shuffled, and always the same."""
    return shuffled(samples, 0)[:count]
