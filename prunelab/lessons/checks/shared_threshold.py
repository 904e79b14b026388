"""Lesson 8: one threshold for all layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prunelab.lessons import readings
from prunelab.lessons.checks.threshold import layer
from prunelab.lessons.exercise import Exercise, Mistake, Trial

SEED = 8


def global_threshold(layers, density):
    """One magnitude for all layers, such that the share `density` of all their weights has it
    or more.

    layers: {name: tensor of weights}. density: above 0, at most 1. Returns a number.
    """
    magnitudes = torch.cat([weights.abs().flatten() for weights in layers.values()])
    kept = max(1, round(density * len(magnitudes)))
    return magnitudes.sort(descending=True).values[kept - 1]


def _network(*, scales: tuple[float, ...] = (1.0, 0.3, 0.05), shift: float = 0.0) -> dict[str, Tensor]:
    shapes = ((24, 16), (12, 24), (10, 12))
    return {
        f"fc{i}": layer(*shape, scale=scale, shift=shift, seed=SEED + i)
        for i, (shape, scale) in enumerate(zip(shapes, scales, strict=False), start=1)
    }


def _kept(value: Any, arguments: tuple[Any, ...]) -> tuple[float, tuple[int, ...], float]:
    """The threshold, what it keeps in each layer, and what it should keep in all."""
    layers, density = arguments
    threshold = readings.number(value, "a number, the threshold")
    counts = tuple(int((weights.abs() >= threshold).sum()) for weights in layers.values())
    return threshold, counts, density * sum(weights.numel() for weights in layers.values())


def _same(a: tuple[float, tuple[int, ...], float], b: tuple[float, tuple[int, ...], float]) -> bool:
    """Whether both keep the same, but for one connection: a threshold may lie anywhere between two magnitudes."""
    return abs(sum(a[1]) - sum(b[1])) <= 1 and (a[0] >= 0) == (b[0] >= 0)


def _each_by_itself(layers: dict[str, Tensor], density: float) -> Tensor:
    return torch.stack([torch.quantile(weights.abs().double().flatten(), 1 - density) for weights in layers.values()])


def _all(layers: dict[str, Tensor]) -> Tensor:
    return torch.cat([weights.double().flatten() for weights in layers.values()])


EXERCISES = (
    Exercise(
        lesson=8,
        seed=SEED,
        reference=global_threshold,
        trials=(
            Trial("three layers of unequal scales and density 0.1", lambda: (_network(), 0.1)),
            Trial("three layers of unequal scales and density 0.4", lambda: (_network(), 0.4)),
            Trial("layers whose weights are mostly negative", lambda: (_network(shift=-0.3), 0.2)),
            Trial("two layers of equal scale", lambda: (_network(scales=(0.1, 0.1)), 0.05)),
            Trial("a layer of zeros among others", lambda: (_network(scales=(1.0, 0.0, 0.5)), 0.3)),
            Trial("weights in double precision", lambda: ({k: w.double() for k, w in _network().items()}, 0.25)),
            Trial("one layer alone", lambda: (_network(scales=(0.2,)), 0.5)),
            Trial("density 1, which keeps all", lambda: (_network(), 1.0)),
            Trial(
                "a layer with a single weight beside another",
                lambda: ({"fc1": layer(5, 4, seed=SEED), "fc2": torch.tensor([[-0.7]])}, 0.5),
            ),
        ),
        reads=_kept,
        same=_same,
        shows=lambda seen: (
            f"{readings.shown(seen[0])}, which keeps {sum(seen[1])} weights ({seen[2]:.0f} are asked for)"
        ),
        hints=(
            "Put the magnitudes of all layers into one list. Which of them is the last that is kept?",
            "`torch.cat([w.abs().flatten() for w in layers.values()])` is that list. Sorted from the largest on, the "
            "first `density` x all are kept.",
            "`sort(descending=True).values[kept - 1]` with `kept = round(density * len(magnitudes))`.",
        ),
        mistakes=(
            Mistake(
                lambda layers, density: _each_by_itself(layers, density).mean(),
                "Each layer by itself, and then the mean: that keeps more of one layer and less of another, and not "
                "`density` of all. Put all weights together first.",
            ),
            Mistake(
                lambda layers, density: torch.quantile(
                    next(iter(layers.values())).abs().double().flatten(), 1 - density
                ),
                "Only the first layer counts here. Put the weights of all layers together.",
            ),
            Mistake(
                lambda layers, density: torch.quantile(_all(layers), 1 - density),
                "The weights are ranked with their signs, so that negative ones count as the smallest. Rank "
                "magnitudes: `abs()`.",
            ),
            Mistake(
                lambda layers, density: torch.quantile(_all(layers).abs(), density),
                "This cuts the share `density` and keeps the rest. The density is what is kept.",
            ),
            Mistake(
                lambda layers, density: density * _all(layers).std(correction=0),
                "This takes the density for a quality, and counts deviations. Count weights: sort their magnitudes.",
            ),
            Mistake(
                lambda layers, density: density * _all(layers).abs().max(),
                "This is a share of the largest magnitude. How many weights lie above it, it does not say: sort them.",
            ),
            Mistake(
                lambda layers, density: torch.quantile(_all(layers).square(), 1 - density),
                "These are squares: the threshold is a magnitude. Take `abs()`, or the root at the end.",
            ),
            Mistake(
                lambda layers, density: _each_by_itself(layers, density).min(),
                "Each layer by itself, and then the smallest: the other layers then keep more than `density`.",
            ),
            Mistake(
                lambda layers, density: _each_by_itself(layers, density).max(),
                "Each layer by itself, and then the largest: the other layers then keep less than `density`.",
            ),
        ),
    ),
)
