"""Lesson 6: what L1 adds to the loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prunelab.lessons import readings
from prunelab.lessons.checks.threshold import layer
from prunelab.lessons.exercise import Exercise, Mistake, Trial
from prunelab.lessons.readings import Unreadable, shown

SEED = 6


def l1_penalty(weights, strength):
    """What L1 adds to the loss: strength times the sum of the magnitudes of the weights.

    weights: a tensor of any shape that is trained. strength: a number, 0 or more. Returns a
    tensor with one number, through which `backward()` reaches the weights.
    """
    return strength * weights.abs().sum()


def _weights(*shape: int, **more: Any) -> Tensor:
    return layer(*shape, seed=SEED, **more).requires_grad_()


def _with_gradient(value: Any, arguments: tuple[Any, ...]) -> tuple[float, Tensor | None]:
    weights, strength = arguments
    penalty = readings.number(value, "a tensor with one number, the penalty")
    if not isinstance(value, Tensor) or not value.requires_grad:
        return penalty, None
    gradient = torch.autograd.grad(value.sum(), weights, allow_unused=True)[0]
    if gradient is None:
        raise Unreadable("the weights get no gradient through what it returns: it has to be computed from `weights`")
    gradient = gradient.detach().double()
    if bool(gradient.isnan().any()):
        raise Unreadable(
            "the gradient of what it returns is NaN, and would spoil every weight: a root has no slope at zero, and a "
            "quotient no value; `abs()` has one everywhere"
        )
    # The magnitude has a corner at zero: every slope in between is as right as torch's, which is 0.
    at_corner = (weights.detach() == 0) & (gradient.abs() <= strength * (1 + 1e-4))
    return penalty, gradient.masked_fill(at_corner, 0)


def _same(a: tuple[float, Tensor | None], b: tuple[float, Tensor | None]) -> bool:
    if not readings.close(a[0], b[0]) or (a[1] is None) != (b[1] is None):
        return False
    return a[1] is None or b[1] is None or torch.allclose(a[1], b[1], rtol=1e-4, atol=1e-7)


EXERCISES = (
    Exercise(
        lesson=6,
        seed=SEED,
        reference=l1_penalty,
        trials=(
            Trial("a layer of weights of both signs and strength 0.1", lambda: (_weights(4, 5), 0.1)),
            Trial("the weights 3 and -1 and strength 1", lambda: (torch.tensor([3.0, -1.0]).requires_grad_(), 1.0)),
            Trial("a large layer and strength 0.0003", lambda: (_weights(60, 40), 3e-4)),
            Trial("weights that are not around zero", lambda: (_weights(12, 9, shift=-0.4), 0.01)),
            Trial("a layer in which half was cut before", lambda: (_weights(30, 20, cut=0.5), 0.01)),
            Trial("weights in double precision", lambda: (_weights(4, 4).detach().double().requires_grad_(), 0.5)),
            Trial("a convolution's four-dimensional weights", lambda: (_weights(6, 3, 5, 5), 0.02)),
            Trial("a single weight", lambda: (torch.tensor([[-0.7]]).requires_grad_(), 2.0)),
            Trial("strength 0", lambda: (_weights(3, 3), 0.0)),
            Trial("a layer of zeros", lambda: (torch.zeros(3, 4).requires_grad_(), 0.1)),
        ),
        reads=_with_gradient,
        same=_same,
        shows=lambda seen: shown(seen[0]) + ("" if seen[1] is not None else ", without a gradient"),
        hints=(
            "L1 is the sum of the magnitudes. One method of tensors gives magnitudes, one adds up.",
            "`weights.abs().sum()`, and `strength` is a factor.",
            "Stay with torch from beginning to end: `float(...)` and `.item()` lose the way back to the weights.",
        ),
        mistakes=(
            Mistake(
                lambda weights, strength: strength * weights.sum(),
                "Weights of opposite signs cancel out here: add up their magnitudes, `weights.abs()`.",
            ),
            Mistake(
                lambda weights, strength: strength * weights.sum().abs(),
                "The magnitude of the sum is taken, where opposite signs have cancelled out: first `abs`, then `sum`.",
            ),
            Mistake(
                lambda weights, strength: strength * weights.square().sum(),
                "This is L2, the sum of the squares. L1 adds up magnitudes.",
            ),
            Mistake(
                lambda weights, strength: strength * weights.norm(),
                "This is the root of the sum of squares, the Euclidean norm. L1 adds up magnitudes.",
            ),
            Mistake(
                lambda weights, strength: strength * weights.abs().mean(),
                "This is the mean: it would press less on each weight of a large layer. Take the sum.",
            ),
            Mistake(
                lambda weights, strength: weights.abs().sum(),
                "The strength is left out: it is a factor.",
            ),
            Mistake(
                lambda weights, strength: strength * weights.detach().abs().sum(),
                "The number is right, but no gradient comes back through it, so training would not feel it: without "
                "`detach`, `item`, `float` or `no_grad`.",
            ),
            Mistake(
                lambda weights, strength: strength * weights.abs().sum() / 2,
                "This is half of it. The factor 1/2 belongs to L2, where it makes the gradient simpler.",
            ),
            Mistake(
                lambda weights, strength: strength * (weights != 0).sum() + 0 * weights.sum(),
                "This counts the weights that are not zero. A count has no slope to follow; L1 adds up magnitudes.",
            ),
        ),
    ),
)
