"""What a session is about: the names of its model and data, and which modules are pruned."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from prunelab.data import Data
from prunelab.pruning.masks import Masks
from prunelab.recipe import OWN, Recipe
from prunelab.results.subject import Subject


def subject_of(
    recipe: Recipe, model: nn.Module, data: Data, masks: Masks, example: Tensor, *, zeros_learn: bool
) -> Subject:
    """The subject of a session with these parts. example: a batch, as for ``planning.plan``."""
    return Subject(
        model=type(model).__name__ if recipe.model == OWN else recipe.model,
        data="own data" if data.name == OWN else data.name,
        modules=masks.modules(recipe.unit if recipe.rule == "density" else "weight", example),
        masked=() if masks.usual else tuple(masks),
        zeros_learn=zeros_learn,
    )


def name_of(part: Any) -> str:
    """The name of custom data by their training part: a dataset's class; OWN for tensors and torch's own wrappers."""
    kind = type(part)
    unnamed = isinstance(part, tuple | list) or kind.__module__.startswith("torch.utils.data")
    return OWN if unnamed else kind.__name__
