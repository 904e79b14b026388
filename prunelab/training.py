"""Training: optimizers, penalties, epochs and evaluation, as plain functions over tensors.

All randomness comes from numbers (seed, epoch, step), none from a stream that would have to be saved: that is what
lets a run resume at any batch, bit for bit.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from prunelab import optimizers
from prunelab.modes import evaluating, held
from prunelab.turns import alone

CHUNK = 250  # samples of one forward pass in evaluation: as fast as more, and no longer than a step of training
CALIBRATION = 2000  # samples that batch norm's statistics are measured on
SMALL = 10_000_000  # multiplications of a step below which a second thread costs more than it brings


@dataclass(frozen=True, eq=False)
class Tested:
    """An evaluation: mean cross-entropy loss, accuracy (0 to 1), and the class predicted for each sample, (N,)."""

    loss: float
    accuracy: float
    predicted: Tensor


def make_optimizer(
    name: str,
    weights: Sequence[nn.Parameter],
    others: Sequence[nn.Parameter],
    *,
    rate: float,
    decay: float,
) -> Optimizer:
    """SGD (momentum 0.9) or Adam. ``decay`` (the factor of an L2 penalty) acts on ``weights``, not on ``others``."""
    groups = [
        {"params": list(weights), "weight_decay": decay},
        {"params": list(others), "weight_decay": 0.0},
    ]
    if name == "adam":
        return optimizers.adam(groups, lr=rate)
    return optimizers.sgd(groups, lr=rate, momentum=0.9)


def cosine(rate: float, step: int, steps: int) -> float:
    """Learning rate of ``step`` (0 to steps - 1): half a cosine from ``rate`` down to 0 at ``steps``."""
    return rate * 0.5 * (1.0 + math.cos(math.pi * step / steps))


def training_step(
    model: nn.Module,
    optimizer: Optimizer,
    x: Tensor,
    y: Tensor,
    *,
    l1: float = 0.0,
    weights: Sequence[Tensor] = (),
    frozen: Sequence[nn.Module] = (),
) -> tuple[float, int]:
    """One step on one batch. Returns the mean cross-entropy loss and how many of the batch were right.

    l1: factor of the penalty sum(|w|) over ``weights``, added as its gradient, l1 x sign(w); the loss is without it.
    frozen: modules that stay in eval mode. The step is not taken when the loss is not finite.
    """
    model.train()
    for module in frozen:
        module.eval()
    optimizer.zero_grad(set_to_none=True)
    output = model(x)
    loss = F.cross_entropy(output, y)
    value = float(loss.detach())
    if not math.isfinite(value):
        return value, 0
    loss.backward()
    if l1:
        held = [(w, w.grad) for w in weights if w.grad is not None]
        with torch.no_grad():
            signs = torch._foreach_sign([w for w, _ in held])
            torch._foreach_add_([grad for _, grad in held], signs, alpha=l1)
    optimizer.step()
    return value, int((output.detach().argmax(1) == y).sum())


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


def shuffled(samples: int, seed: int) -> Tensor:
    """The order of the samples in an epoch: a permutation that depends on nothing but its arguments."""
    return torch.randperm(samples, generator=torch.Generator().manual_seed(seed))


def mix(seed: int, a: int, b: int) -> int:
    """One 63-bit number out of three, different for different ones (splitmix64's finaliser)."""
    value = seed
    for part in (a, b):
        value = (value * 0x9E3779B97F4A7C15 + part + 0x632BE59BD9B4E019) & (2**64 - 1)
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        value ^= value >> 31
    return value >> 1


@contextlib.contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Within the block torch's global generator starts from ``seed``; afterwards it is as it was before.

    device: where the model is; on CUDA that device's generator too. Dropout draws from these and from no other. Blocks
    in several threads take turns (see ``turns``); code outside of prunelab that draws random numbers in another thread
    meanwhile would get some of these, and ours would no longer follow from the seed alone.
    """
    generators = [torch.default_generator]
    if device is not None and device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    with alone():
        states = [generator.get_state() for generator in generators]
        for generator in generators:
            generator.manual_seed(seed)
        try:
            yield
        finally:
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)


def threads_for(connections: int, batch_size: int) -> int:
    """How many threads train such a network fastest: one for small steps, where handing work over costs more."""
    return 1 if connections * batch_size < SMALL else torch.get_num_threads()


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Within the block torch computes with ``count`` threads; blocks in several threads take turns (see ``turns``)."""
    with alone():
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)
