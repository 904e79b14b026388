"""Lesson 7: less dropout for a layer with fewer connections."""

from __future__ import annotations

import torch
from torch import Tensor

from prunelab.lessons import readings
from prunelab.lessons.exercise import Exercise, Mistake, Trial

SEED = 7


def adjusted_rate(rate, before, after):
    """Dropout rate after pruning: rate times the root of (connections after / connections
    before).

    rate: before pruning, from 0 to 1. before, after: masks of the layer in front of the
    dropout, tensors of bools of shape (neurons, inputs), True where there is a connection.
    Returns a number.
    """
    return rate * (after.sum() / before.sum()).sqrt()


def _masks(shape: tuple[int, int], density: float, *, dead: int = 0, before: float = 1.0) -> tuple[Tensor, Tensor]:
    """Masks before and after a cut; ``dead`` neurons lose all connections."""
    generator = torch.Generator().manual_seed(SEED)
    draws = torch.rand(shape, generator=generator)
    draws[:dead] = 2
    first = (draws < before) | (draws == 2)
    return first, draws < before * density


EXERCISES = (
    Exercise(
        lesson=7,
        seed=SEED,
        reference=adjusted_rate,
        trials=(
            Trial("rate 0.5 and a layer that keeps about 9 %", lambda: (0.5, *_masks((100, 60), 0.09))),
            Trial("rate 0.2 and a layer that keeps about a quarter", lambda: (0.2, *_masks((30, 40), 0.25))),
            Trial("rate 0.5 and a layer with dead neurons", lambda: (0.5, *_masks((20, 30), 0.3, dead=8))),
            Trial("rate 0.5 and a layer that had been cut before", lambda: (0.5, *_masks((30, 40), 0.5, before=0.6))),
            Trial("rate 0.5 and a layer with many inputs that few read", lambda: (0.5, *_masks((4, 200), 0.04))),
            Trial("rate 0.7 and a layer of which nothing was cut", lambda: (0.7, *_masks((8, 8), 1.0))),
            Trial("rate 0 and half of the connections", lambda: (0.0, *_masks((8, 8), 0.5))),
            Trial("rate 0.5 and a layer of which all was cut", lambda: (0.5, *_masks((6, 6), 0.0))),
            Trial("rate 0.5 and a single connection", lambda: (0.5, *_masks((1, 1), 1.0))),
        ),
        reads=lambda value, arguments: readings.number(value, "a number, the new rate"),
        same=readings.close,
        shows=readings.shown,
        hints=(
            "A layer with fewer connections overfits less. C counts them: how many True are in a mask?",
            "`after.sum() / before.sum()` is the share that is left. The rule takes its root.",
            "`(after.sum() / before.sum()).sqrt()`, times the rate before pruning.",
        ),
        mistakes=(
            Mistake(
                lambda rate, before, after: rate * (after.any(1).sum() / before.any(1).sum()).sqrt(),
                "This counts neurons. C counts connections: the True in the mask.",
            ),
            Mistake(
                lambda rate, before, after: rate * (after.any(0).sum() / before.any(0).sum()).sqrt(),
                "This counts inputs that are still read. C counts connections: the True in the mask.",
            ),
            Mistake(
                lambda rate, before, after: rate * after.sum() / before.sum(),
                "The root is missing: the rate goes with the number of neurons, and connections with its square.",
            ),
            Mistake(
                lambda rate, before, after: rate * (before.sum() / after.sum()).sqrt(),
                "The fraction is upside down: fewer connections need less dropout, not more.",
            ),
            Mistake(
                lambda rate, before, after: rate * (1 - after.sum() / before.sum()).sqrt(),
                "This goes by the share that was cut. The rule goes by what is left.",
            ),
            Mistake(
                lambda rate, before, after: (rate * after.sum() / before.sum()).sqrt(),
                "The rate is under the root too: the root is that of the connections alone.",
            ),
            Mistake(
                lambda rate, before, after: rate * (after.sum() / before.numel()).sqrt(),
                "For `before` all places of the mask are counted, even those that were cut before: `before.sum()`.",
            ),
            Mistake(
                lambda rate, before, after: (after.sum() / before.sum()).sqrt(),
                "The rate before pruning is left out: it is a factor.",
            ),
            Mistake(
                lambda rate, before, after: rate * (after.sum() / before.sum()) ** 2,
                "This is the square. The rule takes the root.",
            ),
        ),
    ),
)
