"""From the target of a prune to the cuts in each layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from prunelab import torch_state
from prunelab.pruning.masks import Masks
from prunelab.pruning.strategies import Plan, Regrowth
from prunelab.recipe import Recipe, Target

CUTS = 2**32  # apart from the seeds of training, which are made of steps


def check(masks: Masks, recipe: Recipe) -> None:
    """Raise ValueError if the recipe sets the quality of a layer that does not exist, or of one weight twice."""
    masks.check_distinct([name for name, _ in recipe.layer_quality])


def plan(
    masks: Masks,
    recipe: Recipe,
    round: int,
    manual: Target | None,
    example: Tensor,
    gradients: Callable[[], Mapping[str, Tensor]] = dict,
) -> Plan:
    """What to cut in ``round``, for the ``manual`` target or, if that is None, for the recipe's.

    Per-layer qualities of the recipe replace the global one: unchanged under a manual target, else on the same schedule
    as the global quality. example: a batch, to find the outputs of a model that cannot be traced without one.
    gradients: returns the loss's gradient for each weight, cut ones too; called where connections may come back.
    """
    target = manual or recipe.target_of_round(round)
    if target.density is not None:
        if recipe.unit == "neuron":
            masks.outputs(example)
        scores = random_scores(masks, recipe.seed, round) if recipe.criterion == "random" else None
        regrowth = Regrowth(recipe.regrow, gradients()) if recipe.regrow and masks.kept < masks.total else None
        return masks.plan(target, scope=recipe.scope, unit=recipe.unit, scores=scores, regrowth=regrowth)
    if recipe.layer_quality and not isinstance(target.quality, Mapping):
        assert target.quality is not None
        progress = round / recipe.rounds if manual is None else 1.0
        layer_qualities = {
            each: recipe.quality_schedule(quality).at(progress)
            for name, quality in recipe.layer_quality
            for each in masks.names_of(name)
        }
        return masks.plan(Target(dict.fromkeys(masks, target.quality) | layer_qualities), std=recipe.std)
    return masks.plan(target, std=recipe.std)


def random_scores(masks: Masks, seed: int, round: int) -> dict[str, Tensor]:
    """Scores in 0 to 1 for every weight, uniform and independent of what it is worth: random pruning, as a control.

    They depend on seed and round alone, whatever is cut: a run that is resumed cuts the same, and two cuts in one round
    are nested.
    """
    generator = torch.Generator().manual_seed(torch_state.mix(seed, CUTS, round))
    scores = {
        name: torch.rand(mask.shape, generator=generator, dtype=torch.float32, device="cpu")
        for name, mask in masks.items()
    }
    return {name: score.to(masks[name].device) for name, score in scores.items()}
