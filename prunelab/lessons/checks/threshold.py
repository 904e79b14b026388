"""Lesson 2: the threshold of a layer, and the mask that it makes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prunelab.lessons import picture, readings
from prunelab.lessons.exercise import Exercise, Mistake, Trial
from prunelab.lessons.picture import Picture
from prunelab.views.palette import KEPT, LINE

SEED = 2
SMALLEST_DRAWN = 6  # rows of a mask that is drawn


def threshold(weights, quality):
    """Magnitude below which the connections of a layer are cut: quality times the deviation
    of its weights.

    weights: a tensor of any shape. Zeros in it are connections that were cut before: they do
    not count. quality: a number, 0 or more. Returns a number.
    """
    survivors = weights[weights != 0]
    if len(survivors) == 0:
        return 0.0
    return quality * survivors.std(correction=0)


def mask(weights, threshold):
    """True where a connection is kept: where its magnitude is the threshold or more.

    weights: a tensor of any shape. threshold: a number, 0 or more. Returns a tensor of bools
    of the same shape.
    """
    return weights.abs() >= threshold


def layer(*shape: int, scale: float = 1.0, shift: float = 0.0, cut: float = 0.0, seed: int = SEED) -> Tensor:
    """Weights that tell mistakes apart: of both signs, around ``shift``; ``cut``: the share of zeros among them."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator) * scale + shift
    return values * (torch.rand(shape, generator=generator) >= cut)


def _sample(weights: Tensor, quality: float) -> float:
    survivors = weights[weights != 0]
    return float(quality * survivors.std()) if len(survivors) > 1 else math.nan


def _nan_without_weights(weights: Tensor, quality: float) -> float:
    survivors = weights[weights != 0]
    return float(quality * survivors.std(correction=0)) if len(survivors) else math.nan


def _zero_for_one(weights: Tensor, quality: float) -> float:
    survivors = weights[weights != 0]
    return float(quality * survivors.std()) if len(survivors) > 1 else 0.0


def _without_zeros(weights: Tensor) -> Tensor:
    survivors = weights[weights != 0]
    return survivors if len(survivors) else torch.zeros(1)


def _remark(seen: Sequence[Any]) -> str:
    if any(math.isnan(value) for value in seen):
        return (
            "(Of a layer with one weight or none yours is NaN, as torch's `std` then divides by zero; "
            "`std(correction=0)` of one weight is 0.)"
        )
    return ""


def _lines(arguments: tuple[Any, ...], seen: float, expected: float) -> Picture:
    weights, quality = arguments
    alt = (
        f"Histogram of the layer's weights that are not zero; for quality {quality:g} your threshold at plus and minus "
        f"{readings.shown(seen)}, ours at plus and minus {readings.shown(expected)}."
    )
    return picture.histogram(weights[weights != 0].double(), [("yours", seen, LINE), ("ours", expected, KEPT)], alt)


def _cells(arguments: tuple[Any, ...], seen: Tensor, expected: Tensor) -> Picture | None:
    if seen.ndim != 2 or seen.shape[0] > SMALLEST_DRAWN:
        return None
    wrong = int((seen != expected).sum())
    alt = f"Your mask beside ours, kept blue, cut orange: {wrong} of {seen.numel()} connections differ, in a frame."
    return picture.cells(seen, expected, alt)


def _kept(seen: Tensor) -> str:
    return f"a mask that keeps {int(seen.sum())} of {seen.numel()}"


TIES = torch.tensor([[0.5, -0.5, 0.25, -0.25], [0.75, -0.75, 0.0, 1.5]])

EXERCISES = (
    Exercise(
        lesson=2,
        seed=SEED,
        reference=threshold,
        trials=(
            Trial("a layer of weights around zero and quality 1", lambda: (layer(30, 20, scale=0.1), 1.0)),
            Trial("a layer of weights around zero and quality 2", lambda: (layer(30, 20, scale=0.1), 2.0)),
            Trial("a layer ten times as large and quality 0.5", lambda: (layer(30, 20), 0.5)),
            Trial("weights that are not around zero", lambda: (layer(12, 9, scale=0.2, shift=0.4), 1.5)),
            Trial("a layer in which half was cut before", lambda: (layer(30, 20, cut=0.5), 1.0)),
            Trial("weights in double precision", lambda: (layer(8, 5, scale=0.03).double(), 1.75)),
            Trial("a convolution's four-dimensional weights", lambda: (layer(6, 3, 5, 5), 1.0)),
            Trial("quality 0", lambda: (layer(4, 4), 0.0)),
            Trial("a layer with a single weight", lambda: (torch.tensor([[-0.7]]), 1.0)),
            Trial("a layer in which all was cut before", lambda: (torch.zeros(3, 4), 1.0)),
        ),
        reads=lambda value, arguments: readings.number(value, "a number, the threshold"),
        form=readings.number,
        same=lambda a, b: readings.close(a, b),
        shows=readings.shown,
        also=(_sample, _nan_without_weights, _zero_for_one),
        remark=_remark,
        picture=_lines,
        hints=(
            "The rule is quality x deviation. How widely do the layer's weights spread? One method of tensors says it.",
            "`weights.std()` is the standard deviation. But zeros that were cut before make the spread look smaller: "
            "leave them out first.",
            "`weights[weights != 0]` are the survivors. What is the deviation of none at all? Ours returns 0 there.",
        ),
        mistakes=(
            Mistake(
                lambda weights, quality: quality * _without_zeros(weights).var(correction=0),
                "This is the variance, the deviation squared: `std`, not `var`.",
            ),
            Mistake(
                lambda weights, quality: quality * weights.var() if weights.numel() > 1 else math.nan,
                "This is the variance of all weights: take `std`, and leave out the zeros, which were cut before.",
            ),
            Mistake(
                lambda weights, quality: quality * weights.std(correction=0),
                "The zeros are counted: connections that were cut before make the deviation smaller than that of the "
                "survivors. Take `weights[weights != 0]` first.",
            ),
            Mistake(
                lambda weights, quality: quality * weights.std() if weights.numel() > 1 else math.nan,
                "The zeros are counted: connections that were cut before make the deviation smaller than that of the "
                "survivors. Take `weights[weights != 0]` first, then `std`.",
            ),
            Mistake(
                lambda weights, quality: quality * _without_zeros(weights).abs().std(correction=0),
                "This is the deviation of the magnitudes. Take that of the weights themselves, signs included.",
            ),
            Mistake(
                lambda weights, quality: quality * _without_zeros(weights).abs().mean(),
                "This is the mean magnitude. The rule asks for the standard deviation.",
            ),
            Mistake(
                lambda weights, quality: quality * _without_zeros(weights).square().mean().sqrt(),
                "This is the root mean square, the spread around zero. The deviation is measured around the mean of "
                "the weights, which is not always zero.",
            ),
            Mistake(
                lambda weights, quality: _without_zeros(weights).std(correction=0),
                "The quality is left out: the threshold is the deviation times `quality`.",
            ),
            Mistake(
                lambda weights, quality: weights.std() if weights.numel() > 1 else math.nan,
                "This is the deviation of all weights: multiply it by `quality`, and leave the zeros out first.",
            ),
            Mistake(
                lambda weights, quality: quality * weights.abs().std() if weights.numel() > 1 else math.nan,
                "This is the deviation of the magnitudes. Take that of the weights themselves, signs included, without "
                "the zeros among them.",
            ),
            Mistake(
                lambda weights, quality: quality * weights.mean(),
                "This is the mean of the weights, near zero in most layers. The rule asks for the standard deviation.",
            ),
            Mistake(
                lambda weights, quality: quality + _without_zeros(weights).std(correction=0),
                "The quality is added: it is a factor.",
            ),
            Mistake(
                lambda weights, quality: quality,
                "This is the quality itself. It counts deviations: multiply it by the layer's.",
            ),
            Mistake(
                lambda weights, quality: quality * weights.abs().max(),
                "This goes by the largest weight, a single one. The deviation goes by all of them.",
            ),
        ),
    ),
    Exercise(
        lesson=2,
        seed=SEED,
        reference=mask,
        trials=(
            Trial("a layer with weights of both signs and threshold 0.8", lambda: (layer(4, 6), 0.8)),
            Trial("weights of exactly 0.5 and -0.5 and threshold 0.5", lambda: (TIES.clone(), 0.5)),
            Trial("a layer of small weights and threshold 0.05", lambda: (layer(5, 8, scale=0.1), 0.05)),
            Trial("a threshold above 1", lambda: (layer(30, 20, scale=2.0), 1.5)),
            Trial("weights around 1, all positive but a few", lambda: (layer(12, 9, shift=1.0), 0.6)),
            Trial("a threshold that is a tensor", lambda: (layer(6, 6), torch.tensor(0.7))),
            Trial("weights in double precision", lambda: (layer(6, 6).double(), 0.3)),
            Trial("a convolution's four-dimensional weights", lambda: (layer(6, 3, 5, 5), 1.0)),
            Trial("threshold 0, which keeps all", lambda: (TIES.clone(), 0.0)),
            Trial("a layer with a single weight", lambda: (torch.tensor([[-0.7]]), 0.2)),
            Trial("a layer of zeros and threshold 0.1", lambda: (torch.zeros(3, 4), 0.1)),
        ),
        reads=lambda value, arguments: readings.mask(value, arguments[0]),
        form=torch.as_tensor,
        same=torch.equal,
        shows=_kept,
        picture=_cells,
        hints=(
            "Small means near zero, on either side. Which of -0.9 and 0.1 is to go at threshold 0.5?",
            "`weights.abs()` is the magnitude. Compare it with the threshold: the comparison of a tensor with a number "
            "is a tensor of bools.",
            "At the threshold exactly, a connection is kept: `>=`.",
        ),
        mistakes=(
            Mistake(
                lambda weights, threshold: weights >= threshold,
                "Negative weights are all cut, however large: compare their magnitude, `weights.abs()`.",
            ),
            Mistake(
                lambda weights, threshold: weights > threshold,
                "Two things: negative weights are all cut, however large (compare `weights.abs()`), and a weight at "
                "the threshold exactly is kept (`>=`).",
            ),
            Mistake(
                lambda weights, threshold: weights.abs() > threshold,
                "A weight that lies exactly at the threshold is kept: `>=`, not `>`. Only what lies below is cut.",
            ),
            Mistake(
                lambda weights, threshold: weights.abs() < threshold,
                "This is upside down: True where a connection is cut. A mask is True where one is kept.",
            ),
            Mistake(
                lambda weights, threshold: weights.abs() <= threshold,
                "This is upside down: True where a connection is cut. A mask is True where one is kept (`>=`).",
            ),
            Mistake(
                lambda weights, threshold: weights < threshold,
                "Two things: it is upside down, as a mask is True where a connection is kept; and negative weights "
                "count as small, however large they are: compare the magnitude, `weights.abs()`.",
            ),
            Mistake(
                lambda weights, threshold: weights.square() >= threshold,
                "The squares are compared with the threshold: take the magnitude, `weights.abs()`.",
            ),
            Mistake(
                lambda weights, threshold: weights.abs() >= threshold * weights.std(correction=0),
                "The threshold is multiplied by the deviation once more: it is a magnitude already.",
            ),
            Mistake(
                lambda weights, threshold: (weights.abs() >= threshold).float(),
                "These are numbers, 0 and 1: a mask is made of bools. The comparison itself gives them, leave out "
                "`.float()`.",
            ),
            Mistake(
                lambda weights, threshold: weights * (weights.abs() >= threshold),
                "These are the weights that are left. The mask alone is asked for: True or False for each connection.",
            ),
            Mistake(
                lambda weights, threshold: (weights.abs() >= threshold).all(),
                "This is one answer for the whole layer: leave out `.all()`. Each connection has its own.",
            ),
        ),
    ),
)
