"""Asked: what the next prune of a session is asked to do, by its recipe or by hand."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from prunelab.masks import Masks
from prunelab.recipe import Recipe
from prunelab.rules import Plan


class Hand(NamedTuple):
    """What is asked for by hand, instead of by the recipe's schedule: a quality or a density, or nothing."""

    quality: float | None = None
    density: float | None = None


def wished(recipe: Recipe) -> Hand:
    """By hand what the recipe would reach in its last round."""
    return Hand(quality=recipe.quality) if recipe.rule == "quality" else Hand(density=recipe.density)


def check(masks: Masks, recipe: Recipe) -> None:
    """Raise ValueError if the recipe has a quality for a layer that does not exist."""
    for name, _ in recipe.layer_quality:
        masks.resolve(name)


def quality(recipe: Recipe, round: int, hand: Hand) -> float | None:
    """The quality to prune with: the one by hand, else the recipe's in ``round``; None where a density decides."""
    if hand.quality is not None or hand.density is not None:
        return hand.quality
    return recipe.quality_of_round(round) if recipe.rule == "quality" else None


def density(recipe: Recipe, round: int, hand: Hand) -> float | None:
    """The density to leave: the one by hand, else the recipe's in ``round``; None where a quality decides."""
    if hand.quality is not None or hand.density is not None:
        return hand.density
    return recipe.density_of_round(round) if recipe.rule == "density" else None


def plan(masks: Masks, recipe: Recipe, round: int, hand: Hand, example: Tensor) -> Plan:
    """What to cut in ``round``. example: a batch, to find the outputs of a model that cannot be traced without one.

    Layers with a quality of their own take that: by hand as it stands, by the recipe raised from round to round like
    the global one.
    """
    wanted = quality(recipe, round, hand)
    if wanted is None:
        if recipe.unit == "neuron":
            masks.outputs(example)
        return masks.plan(density=density(recipe, round, hand), scope=recipe.scope, unit=recipe.unit)  # type: ignore[arg-type]
    part = wanted / recipe.quality if hand.quality is None and recipe.quality else 1.0
    by_layer = dict.fromkeys(masks, wanted) | {masks.resolve(name): part * own for name, own in recipe.layer_quality}
    return masks.plan(quality=by_layer, std=recipe.std)  # type: ignore[arg-type]
