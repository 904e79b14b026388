"""Asked: what the next prune of a session is asked to do, by its recipe or by hand."""

from __future__ import annotations

from torch import Tensor

from prunelab.masks import Masks
from prunelab.recipe import Recipe
from prunelab.rules import Plan


def check(masks: Masks, recipe: Recipe) -> None:
    """Raise ValueError if the recipe has a quality for a layer that does not exist."""
    for name, _ in recipe.layer_quality:
        masks.resolve(name)


def quality(recipe: Recipe, round: int, by_hand: float | None) -> float | None:
    """The quality to prune with: ``by_hand`` if given, else the recipe's in ``round``; None under the density rule."""
    if by_hand is not None:
        return by_hand
    return recipe.quality_of_round(round) if recipe.rule == "quality" else None


def plan(masks: Masks, recipe: Recipe, round: int, by_hand: float | None, example: Tensor) -> Plan:
    """What to cut in ``round``. example: a batch, to find the outputs of a model that cannot be traced without one.

    Layers with a quality of their own take that: by hand as it stands, by the recipe raised from round to round like
    the global one.
    """
    wanted = quality(recipe, round, by_hand)
    if wanted is None:
        if recipe.unit == "neuron":
            masks.outputs(example)
        return masks.plan(density=recipe.density_of_round(round), scope=recipe.scope, unit=recipe.unit)  # type: ignore[arg-type]
    part = wanted / recipe.quality if by_hand is None and recipe.quality else 1.0
    by_layer = dict.fromkeys(masks, wanted) | {masks.resolve(name): part * own for name, own in recipe.layer_quality}
    return masks.plan(quality=by_layer, std=recipe.std)  # type: ignore[arg-type]
