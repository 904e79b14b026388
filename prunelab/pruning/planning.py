"""From what a cut is asked for to what it takes away, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from prunelab.pruning.masks import Masks
from prunelab.pruning.strategies import Plan
from prunelab.recipe import Recipe, Target


def check(masks: Masks, recipe: Recipe) -> None:
    """Raise ValueError if the recipe has a quality for a layer that does not exist."""
    for name, _ in recipe.layer_quality:
        masks.resolve(name)


def plan(masks: Masks, recipe: Recipe, round: int, manual: Target | None, example: Tensor) -> Plan:
    """What to cut in ``round``: to the ``manual`` target, or, where that is None, to the recipe's.

    example: a batch, to find the outputs of a model that cannot be traced without one. Layers with a quality of their
    own take that: under a manual target as it stands, else raised from round to round like the global one.
    """
    target = manual or recipe.target_of_round(round)
    if target.density is not None:
        if recipe.unit == "neuron":
            masks.outputs(example)
        return masks.plan(target, scope=recipe.scope, unit=recipe.unit)
    if recipe.layer_quality and not isinstance(target.quality, Mapping):
        assert target.quality is not None
        raised = target.quality / recipe.quality if manual is None and recipe.quality else 1.0
        own = {masks.resolve(name): raised * quality for name, quality in recipe.layer_quality}
        return masks.plan(Target(dict.fromkeys(masks, target.quality) | own), std=recipe.std)
    return masks.plan(target, std=recipe.std)
