"""Which recipes can be trained as one stack, and which not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from prunelab import data as data_sets
from prunelab.data import Data
from prunelab.errors import SessionError
from prunelab.recipe import TRAINING_FIELDS, Recipe, allowed
from prunelab.recipe_fields import quoted
from prunelab.sessions import validation

Build = Callable[[Recipe], nn.Module]

# Fields that are understood here, with the values that are; None: all values. Others must have their default.
SUPPORTED: dict[str, tuple[Any, ...] | None] = {
    **dict.fromkeys(("data", "model", "seed", "learning_rate", "batch_size", "epochs", "strength", "dropout")),
    **dict.fromkeys(("batch_norm", "rule", "quality", "layer_quality", "std", "ramp", "density", "scope", "unit")),
    **dict.fromkeys(("rounds", "retrain_epochs", "retrain_rate", "adjust_dropout", "recalibrate")),
    "optimizer": ("sgd", "adam"),
    "regularizer": ("l2", "l1", "none"),
}


@dataclass(frozen=True, eq=False)
class Job:
    """A recipe to run. given: as it was asked for. recipe: with custom data or model, as a session would have it."""

    given: Recipe
    recipe: Recipe
    data: Data

    @property
    def dense(self) -> tuple[Any, ...]:
        """Equal for jobs that have the same dense network."""
        return (id(self.data), *(getattr(self.recipe, name) for name in TRAINING_FIELDS))

    @property
    def group(self) -> tuple[Any, ...]:
        """Equal for jobs that can be trained as one stack."""
        r, d = self.recipe, self.data
        shapes = (d.train_x.shape, d.train_y.shape, d.classes, d.train_x.dtype)
        course = (r.optimizer, r.batch_size, r.epochs, r.retrain_epochs)
        return (*shapes, r.model, r.batch_norm, r.dropout > 0, *course)


def jobs(recipes: Iterable[Recipe], data: Data | None, build: Build | None) -> list[Job]:
    """A job for each recipe. Raises SessionError for what cannot be stacked, or does not fit ``data``."""
    if data is not None:
        validation.with_classes(data)
    loaded: dict[tuple[str, int | None], Data] = {}
    found = []
    for given in recipes:
        check_fields(given)
        # Only whether there is a model of one's own matters here, not which.
        recipe = validation.recipe_of(given, None if build is None else nn.Identity(), data)
        found.append(Job(given, recipe, data if data is not None else _loaded(recipe, loaded)))
    return found


def check_fields(recipe: Recipe) -> None:
    """Raise SessionError for fields that are not understood here and do not have their default."""
    defaults = Recipe()
    for name in allowed():
        value = getattr(recipe, name)
        known = SUPPORTED[name] if name in SUPPORTED else (getattr(defaults, name),)
        if known is not None and value not in known:
            raise SessionError(
                f"{name} = {quoted(value)}: the stacked engine knows only {', '.join(map(repr, known))}; "
                "run this recipe by a session"
            )


def _loaded(recipe: Recipe, known: dict[tuple[str, int | None], Data]) -> Data:
    """The recipe's data, each data set once: where a split depends on no seed, all recipes share it."""
    for key in ((recipe.data, recipe.seed), (recipe.data, None)):
        if key in known:
            return known[key]
    data = data_sets.load(recipe.data, seed=recipe.seed)
    known[recipe.data, data.seed] = data
    return data


def grouped(jobs: Sequence[Job], width: int) -> list[list[Job]]:
    """Jobs that can be trained as one stack, at most ``width`` in each, in the order given."""
    groups: dict[tuple[Any, ...], list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.group, []).append(job)
    return [group[start : start + width] for group in groups.values() for start in range(0, len(group), width)]
