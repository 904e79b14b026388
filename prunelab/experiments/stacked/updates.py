"""Optimizers over stacked parameters, of which each network has its own learning rate and weight decay.

The arithmetic of torch.optim.SGD and torch.optim.Adam, with a first dimension of networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

MOMENTUM = 0.9  # as in training/optimizers.py
BETAS, EPS = (0.9, 0.999), 1e-8  # torch's defaults


class Updater(Protocol):
    """An optimizer over stacked parameters."""

    def step(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], rates: Tensor) -> None:
        """One step in place. parameters, gradients: each (networks, ...), the latter used up. rates: (networks,)."""

    def take(self, chosen: Tensor) -> None:
        """Go on with these networks only."""


class StackedSGD:
    """SGD with momentum 0.9."""

    def __init__(self) -> None:
        self._velocities: list[Tensor] = []

    def step(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], rates: Tensor) -> None:
        if self._velocities:
            torch._foreach_mul_(self._velocities, MOMENTUM)
            torch._foreach_add_(self._velocities, list(gradients))
        else:
            self._velocities = [gradient.clone() for gradient in gradients]
        for parameter, velocity in zip(parameters, self._velocities, strict=True):
            parameter.addcmul_(velocity, along(rates, parameter), value=-1)

    def take(self, chosen: Tensor) -> None:
        self._velocities = [velocity[chosen] for velocity in self._velocities]


class StackedAdam:
    """Adam. Source: Kingma and Ba 2015, algorithm 1."""

    def __init__(self) -> None:
        self._steps = 0
        self._means: list[Tensor] = []
        self._squares: list[Tensor] = []

    def step(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], rates: Tensor) -> None:
        if not self._means:
            self._means, self._squares = ([torch.zeros_like(g) for g in gradients] for _ in range(2))
        self._steps += 1
        rates = rates / (1 - BETAS[0] ** self._steps)
        correction = math.sqrt(1 - BETAS[1] ** self._steps)
        torch._foreach_lerp_(self._means, list(gradients), 1 - BETAS[0])
        torch._foreach_mul_(self._squares, BETAS[1])
        torch._foreach_addcmul_(self._squares, list(gradients), list(gradients), 1 - BETAS[1])
        for parameter, mean, square in zip(parameters, self._means, self._squares, strict=True):
            deviation = square.sqrt().div_(correction).add_(EPS)
            parameter.addcmul_(mean / deviation, along(rates, parameter), value=-1)

    def take(self, chosen: Tensor) -> None:
        self._means = [mean[chosen] for mean in self._means]
        self._squares = [square[chosen] for square in self._squares]


UPDATERS: dict[str, type[StackedSGD] | type[StackedAdam]] = {"sgd": StackedSGD, "adam": StackedAdam}


def along(values: Tensor, stacked: Tensor) -> Tensor:
    """values: (networks,), one number a network -> (networks, 1, ...), to be multiplied with ``stacked``."""
    return values.to(stacked.dtype).view(-1, *[1] * (stacked.dim() - 1))
