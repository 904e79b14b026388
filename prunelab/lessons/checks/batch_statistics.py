"""Lesson 10: what batch norm measures anew after a cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunelab.lessons import readings
from prunelab.lessons.checks.threshold import layer
from prunelab.lessons.exercise import Exercise, Mistake, Trial
from prunelab.lessons.readings import Unreadable

SEED = 10


def renewed_statistics(activations):
    """Mean and variance of each channel, over all samples: what batch norm keeps of a layer's
    activations.

    activations: a tensor of shape (samples, channels). Returns two tensors of shape
    (channels,): means, variances.
    """
    return activations.mean(dim=0), activations.var(dim=0, correction=0)


def _sample(activations: Tensor) -> tuple[Tensor, Tensor]:
    if len(activations) == 1:
        return activations[0], torch.full_like(activations[0], torch.nan)
    return activations.mean(dim=0), activations.var(dim=0)


def _samples(count: int, channels: int) -> Tensor:
    """Activations whose channels differ in mean and spread."""
    values = layer(count, channels, seed=SEED)
    return values * torch.linspace(0.2, 3.0, channels) + torch.linspace(-2.0, 4.0, channels)


def _pair(value: Any, arguments: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
    needed = "two tensors, means and variances"
    if isinstance(value, Tensor | np.ndarray) and value.ndim == 2 and len(value) == 2:
        value = tuple(value)
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise Unreadable(f"it returns {readings.named(value)}; needed are {needed}: `return means, variances`")
    like = arguments[0][0]
    return readings.tensor(value[0], like), readings.tensor(value[1], like)


def _same(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> bool:
    return all(torch.allclose(x, y, rtol=1e-3, atol=1e-6, equal_nan=True) for x, y in zip(a, b, strict=True))


def _remark(seen: Any) -> str:
    if any(bool(variance.isnan().any()) for _, variance in seen):
        return (
            "(Of a single sample your variance is NaN: torch's `var` then divides by zero, `var(correction=0)` is 0.)"
        )
    return ""


EXERCISES = (
    Exercise(
        lesson=10,
        seed=SEED,
        reference=renewed_statistics,
        trials=(
            Trial("64 samples of 5 channels", lambda: (_samples(64, 5),)),
            Trial("as many samples as channels", lambda: (_samples(6, 6),)),
            Trial("activations after a ReLU, none below zero", lambda: (_samples(40, 8).relu(),)),
            Trial("activations in double precision", lambda: (_samples(30, 4).double(),)),
            Trial("a channel that is always zero", lambda: (_samples(20, 3) * torch.tensor([1.0, 0.0, 1.0]),)),
            Trial("a single channel", lambda: (_samples(16, 1),)),
            Trial("a single sample", lambda: (_samples(1, 4),)),
        ),
        reads=_pair,
        form=lambda pair: tuple(torch.as_tensor(each) for each in pair),
        same=_same,
        shows=lambda seen: f"means {readings.listed(seen[0].tolist())}, variances {readings.listed(seen[1].tolist())}",
        also=(_sample,),
        remark=_remark,
        hints=(
            "A channel is a column. Over which dimension do you go to meet all samples of one channel?",
            "`activations.mean(dim=0)` goes over the samples. There is a method for the variance as well.",
            "`return activations.mean(dim=0), activations.var(dim=0)`: both, in this order.",
        ),
        mistakes=(
            Mistake(
                lambda activations: (activations.mean(0), activations.std(0, correction=0)),
                "The second is the standard deviation. Batch norm keeps the variance, its square: `var`.",
            ),
            Mistake(
                lambda activations: (activations.mean(0), activations.std(0) if len(activations) > 1 else torch.nan),
                "The second is the standard deviation. Batch norm keeps the variance: `var` instead of `std`.",
            ),
            Mistake(
                lambda activations: (activations.mean(1), activations.var(1, correction=0)),
                "These are the statistics of each sample. Those of each channel go over the samples: `dim=0`.",
            ),
            Mistake(
                lambda activations: (activations.mean(), activations.var(correction=0)),
                "This is one mean and one variance of everything. Each channel has its own: `dim=0`.",
            ),
            Mistake(
                lambda activations: (activations.var(0, correction=0), activations.mean(0)),
                "They are swapped: means first, then variances.",
            ),
            Mistake(
                lambda activations: (activations.mean(0), activations.square().mean(0)),
                "The second is the mean of the squares. The variance is measured around the mean: subtract it first.",
            ),
            Mistake(
                lambda activations: (activations.median(0).values, activations.var(0, correction=0)),
                "The first is the median. Batch norm keeps the mean.",
            ),
            Mistake(
                lambda activations: (0.1 * activations.mean(0), 0.9 + 0.1 * activations.var(0, correction=0)),
                "This is one step of batch norm's moving average, from 0 and 1. Measured anew means: from these "
                "samples alone.",
            ),
            Mistake(
                lambda activations: (activations.mean(0), activations.var(0, correction=0) + 1e-5),
                "A small number is added to the variances. Batch norm adds one where it divides, and keeps them as "
                "they are.",
            ),
            Mistake(
                lambda activations: (activations.abs().mean(0), activations.var(0, correction=0)),
                "The first is the mean of the magnitudes. Leave the signs: `activations.mean(dim=0)`.",
            ),
        ),
    ),
)
