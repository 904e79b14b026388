"""Lesson 5: a mask that keeps connections by lot, as the control of every clever choice."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from prunelab.lessons import readings
from prunelab.lessons.checks.threshold import layer
from prunelab.lessons.exercise import Exercise, Mistake, Trial

SEED = 5
WEIGHTS = 50  # seed of the weights; none of SEEDS, as large weights would go with large numbers of the same stream
SEEDS = (SEED, SEED, 6, 7, 8, 9)  # of the generators of one trial; the first two are to give the same mask
HEAVY = 5.0  # standard errors by which the kept weights are larger than all


def random_mask(weights, density, generator):
    """A mask that keeps connections by lot: `density` x their number, rounded, whatever their
    weights are.

    weights: a tensor of any shape. density: above 0, at most 1. generator: a torch.Generator
    to draw from, so that the same seed gives the same mask. Returns a tensor of bools of the
    same shape.
    """
    kept = round(density * weights.numel())
    order = torch.randperm(weights.numel(), generator=generator)
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:kept]] = True
    return mask.reshape(weights.shape)


Kept = Literal["exact", "rest", "replaced", "rows", "varies", "another"]


class Traits(NamedTuple):
    """What can be said of masks that are drawn.

    kept: how many they keep, against what was asked for. repeats: whether the same seed gives the same mask. differs:
    whether other seeds give others. choice: what a mask that is always the same keeps. even: whether all rows keep the
    same number. heavy: whether large weights are kept more often.
    """

    kept: Kept
    repeats: bool
    differs: bool
    choice: Literal["", "largest", "smallest", "first", "some"]
    even: bool
    heavy: bool


def _drawn(function: Callable[..., Any], arguments: tuple[Any, ...]) -> list[Any]:
    """One mask for each of SEEDS, while torch's own generator stands elsewhere each time."""
    weights, density, generator = arguments
    masks = []
    for place, seed in enumerate(SEEDS):
        torch.default_generator.manual_seed(place)
        masks.append(function(weights, density, generator.manual_seed(seed)))
    return masks


def _traits(values: list[Any], arguments: tuple[Any, ...]) -> Traits:
    weights, density = arguments[:2]
    masks = [readings.mask(value, weights) for value in values]
    differs = any(not torch.equal(masks[0], mask) for mask in masks[2:])
    rows = torch.stack([mask.reshape(len(mask), -1).sum(1) for mask in masks])
    return Traits(
        _count([int(mask.sum()) for mask in masks], density, weights),
        torch.equal(masks[0], masks[1]),
        differs,
        "" if differs else _choice(masks[0], weights),
        rows.shape[1] > 1 and bool((rows == rows[:, :1]).all()),
        _heavy(masks, weights),
    )


def _count(counts: list[int], density: float, weights: Tensor) -> Kept:
    total, rows = weights.numel(), len(weights)
    wanted = density * total
    if all(abs(count - wanted) < 1 for count in counts):
        return "exact"
    if all(abs(count - (total - wanted)) < 1 for count in counts):
        return "rest"
    if all(count == round(density * rows) for count in counts):
        return "rows"
    # Different places among as many drawn with replacement: their mean, and their standard deviation.
    missed = math.exp(-density)
    mean, deviation = total * (1 - missed), math.sqrt(total * missed * (1 - (1 + density) * missed))
    if all(abs(count - mean) < 6 * deviation and count < wanted * (1 - density / 4) for count in counts):
        return "replaced"
    return "another" if len(set(counts)) == 1 else "varies"


def _choice(mask: Tensor, weights: Tensor) -> Literal["largest", "smallest", "first", "some"]:
    kept, magnitudes = int(mask.sum()), weights.abs().flatten()
    if bool(mask.flatten()[:kept].all()):
        return "first"
    if kept and float(magnitudes[mask.flatten()].min()) >= float(magnitudes[~mask.flatten()].max()):
        return "largest"
    if kept and float(magnitudes[mask.flatten()].max()) <= float(magnitudes[~mask.flatten()].min()):
        return "smallest"
    return "some"


def _heavy(masks: list[Tensor], weights: Tensor) -> bool:
    magnitudes = weights.abs().double().flatten()
    chosen = torch.cat([magnitudes[mask.flatten()] for mask in masks[1:]])
    spread = float(magnitudes.std(correction=0))
    if len(chosen) == 0 or spread == 0:
        return False
    return float(chosen.mean() - magnitudes.mean()) > HEAVY * spread / math.sqrt(len(chosen))


def _trial(what: str, weights: Callable[[], Tensor], density: float) -> Trial:
    return Trial(what, lambda: (weights(), density, torch.Generator().manual_seed(SEED)))


def _shown(seen: Traits) -> str:
    counts = {
        "exact": "as many as asked for",
        "rest": "as many as were to be cut",
        "replaced": "fewer than asked for",
        "rows": "as many as asked for of the rows alone",
        "varies": "a number that varies",
        "another": "another number than asked for",
    }
    words = [f"keeps {counts[seen.kept]}"]
    words.append("the same for the same seed" if seen.repeats else "another for the same seed")
    words.append("another for another seed" if seen.differs else "the same for every seed")
    return "a mask that " + ", ".join(words)


def _exactly(weights: Tensor, order: Tensor, density: float) -> Tensor:
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[: round(density * weights.numel())]] = True
    return mask.reshape(weights.shape)


def _with_replacement(weights: Tensor, density: float, generator: torch.Generator) -> Tensor:
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[torch.randint(weights.numel(), (round(density * weights.numel()),), generator=generator)] = True
    return mask.reshape(weights.shape)


def _share_of_rows(weights: Tensor, density: float, generator: torch.Generator) -> Tensor:
    order = torch.randperm(weights.numel(), generator=generator)
    return _exactly(weights, order[: round(density * len(weights))], density)


def _each_row(weights: Tensor, density: float, generator: torch.Generator) -> Tensor:
    scores = torch.rand(weights.shape, generator=generator).flatten(1)
    kept = max(1, round(density * scores.shape[1]))
    mask = torch.zeros_like(scores, dtype=torch.bool)
    mask.scatter_(1, scores.topk(kept).indices, True)
    return mask.reshape(weights.shape)


def _weighted(weights: Tensor, density: float, generator: torch.Generator) -> Tensor:
    chances = weights.abs().flatten() + 1e-9
    order = torch.multinomial(chances, round(density * weights.numel()), generator=generator)
    return _exactly(weights, order, density)


EXERCISES = (
    Exercise(
        lesson=5,
        seed=SEED,
        reference=random_mask,
        trials=(
            _trial("a layer of 60 x 99 and density 0.1", lambda: layer(60, 99, seed=WEIGHTS), 0.1),
            _trial("a layer of 40 x 31 and density 0.5", lambda: layer(40, 31, seed=WEIGHTS), 0.5),
            _trial("a layer of small weights and density 0.3", lambda: layer(40, 31, scale=0.01, seed=WEIGHTS), 0.3),
            _trial("a layer of zeros and density 0.3", lambda: torch.zeros(30, 31), 0.3),
            _trial("weights in double precision", lambda: layer(30, 31, seed=WEIGHTS).double(), 0.2),
            _trial("a convolution's four-dimensional weights", lambda: layer(20, 7, 5, 5, seed=WEIGHTS), 0.2),
            _trial("density 1, which keeps all", lambda: layer(7, 9, seed=WEIGHTS), 1.0),
            _trial("a layer with a single weight", lambda: torch.tensor([[-0.7]]), 1.0),
        ),
        calls=_drawn,
        blank=lambda values, arguments: all(value is None or value is ... for value in values),
        reads=_traits,
        form=torch.as_tensor,
        same=lambda a, b: a == b,
        shows=_shown,
        hints=(
            "How many are kept is fixed: `round(density * weights.numel())`. Only which ones is left to chance.",
            "`torch.randperm(n, generator=generator)` is the numbers from 0 to n - 1 in random order.",
            "Begin with a mask of `n` False, set the first `kept` places of that order to True, and give it the shape "
            "of `weights` with `reshape`.",
        ),
        mistakes=(
            Mistake(
                lambda weights, density, generator: torch.rand(weights.shape, generator=generator) < density,
                "Each connection is drawn by itself, so that the number that is kept varies. A control has to keep "
                "exactly as many: draw which ones, not how many.",
            ),
            Mistake(
                lambda weights, density, generator: _exactly(weights, torch.randperm(weights.numel()), density),
                "The generator is not used: the same seed gives another mask each time, and nobody can repeat the run. "
                "`torch.randperm(n, generator=generator)`.",
            ),
            Mistake(
                lambda weights, density, generator: torch.rand(weights.shape) < density,
                "The generator is not used, and the number that is kept varies: draw an order of all connections with "
                "`torch.randperm(n, generator=generator)`, and keep the first of it.",
            ),
            Mistake(
                lambda weights, density, generator: _exactly(
                    weights, torch.randperm(weights.numel(), generator=generator.manual_seed(0)), density
                ),
                "It is the same mask for every seed: the generator is seeded anew within. Only draw from it.",
            ),
            Mistake(
                lambda weights, density, generator: _exactly(
                    weights, weights.abs().flatten().argsort(descending=True, stable=True), density
                ),
                "This keeps the largest weights. A control does not look at them: draw lots.",
            ),
            Mistake(
                lambda weights, density, generator: _exactly(weights, torch.arange(weights.numel()), density),
                "This keeps the first connections, always the same. Draw lots.",
            ),
            Mistake(
                _with_replacement,
                "Some connections are drawn twice (`randint`), so that fewer are kept than asked for. Draw an order: "
                "`torch.randperm`.",
            ),
            Mistake(
                _share_of_rows,
                "`len(weights)` counts rows. All connections are `weights.numel()`.",
            ),
            Mistake(
                lambda weights, density, generator: (
                    ~_exactly(weights, torch.randperm(weights.numel(), generator=generator), density)
                ),
                "This is upside down: it cuts the share `density` and keeps the rest. A mask is True where a "
                "connection is kept.",
            ),
            Mistake(
                _each_row,
                "Every row keeps the same number: lots are drawn within each neuron. Draw among all of the layer.",
            ),
            Mistake(
                _weighted,
                "Large weights are drawn more often. A control does not look at the weights.",
            ),
        ),
    ),
)
