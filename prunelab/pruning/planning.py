"""Asked: what the next prune of a session is asked to do, by its recipe or by hand."""

from __future__ import annotations

from torch import Tensor

from prunelab.pruning.masks import Masks
from prunelab.pruning.strategies import Plan
from prunelab.recipe import Hand, Recipe, density, quality


def check(masks: Masks, recipe: Recipe) -> None:
    """Raise ValueError if the recipe has a quality for a layer that does not exist."""
    for name, _ in recipe.layer_quality:
        masks.resolve(name)


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
