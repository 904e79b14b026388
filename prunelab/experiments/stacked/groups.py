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
from prunelab.recipe.field_kinds import quoted
from prunelab.sessions import courses
from prunelab.sessions.validation import arguments
from prunelab.training.step import Step, steps_per_epoch

Build = Callable[[Recipe], nn.Module]

# Fields that are understood here, with the values that are; None: all values. Others must have their default.
SUPPORTED: dict[str, tuple[Any, ...] | None] = {
    **dict.fromkeys(("data", "model", "seed", "learning_rate", "batch_size", "epochs", "strength", "dropout")),
    **dict.fromkeys(("batch_norm", "rule", "quality", "layer_quality", "std", "ramp", "density", "scope", "unit")),
    **dict.fromkeys(("rounds", "retrain_epochs", "retrain_rate", "rewind_epoch", "adjust_dropout", "recalibrate")),
    "optimizer": ("sgd", "adam"),
    "regularizer": ("l2", "l1", "none"),
    "criterion": ("magnitude", "random"),
    "rewind": ("none", "rate"),
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
    def architecture(self) -> tuple[Any, ...]:
        """Equal for jobs whose dense training can be done as one stack."""
        r, d = self.recipe, self.data
        shapes = (d.train_x.shape, d.train_y.shape, d.classes, d.train_x.dtype)
        return (*shapes, r.model, r.batch_norm, r.dropout > 0, r.optimizer, r.batch_size, r.epochs)

    @property
    def start(self) -> Step:
        """The start of a session: step 0, in no phase yet."""
        return Step(per_epoch=steps_per_epoch(len(self.data.train_y), self.recipe.batch_size))

    @property
    def retraining(self) -> Step:
        """How long a retraining is, and which part of which cycle; counted from step 0."""
        return courses.retraining(self.recipe, self.start, 1)


def jobs(recipes: Iterable[Recipe], data: Data | None, build: Build | None) -> list[Job]:
    """A job for each recipe. Raises SessionError for what cannot be stacked, or does not fit ``data``."""
    if data is not None:
        arguments.with_classes(data)
    loaded: dict[tuple[str, int | None], Data] = {}
    found = []
    for given in recipes:
        check_fields(given)
        # Only whether there is a model of one's own matters here, not which.
        recipe = arguments.recipe_of(given, None if build is None else nn.Identity(), data)
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
    """Jobs that can be trained as one stack, at most ``width`` in each; those of one dense network next to each other.

    Their retraining is equally long. What is only cut goes along with any: it needs the dense networks alone.
    """
    groups: dict[tuple[Any, ...], dict[Step, list[Job]]] = {}
    for job in jobs:
        groups.setdefault(job.architecture, {}).setdefault(job.retraining, []).append(job)
    found = []
    for by_length in groups.values():
        only_cut = [job for length in list(by_length) if not length.total for job in by_length.pop(length)]
        first, *others = by_length.values() or [[]]
        for group in (first + only_cut, *others):
            dense: dict[tuple[Any, ...], list[Job]] = {}
            for job in group:
                dense.setdefault(job.dense, []).append(job)
            ordered = [job for sharing in dense.values() for job in sharing]
            found += [ordered[start : start + width] for start in range(0, len(ordered), width)]
    return found
