"""One run of a sweep, from a recipe to plain values; in this process, or as what a worker of an executor is given.

Runs that differ only in how they prune start from the same dense network, trained once: to the last bit the same as if
each had trained its own, since a session's numbers depend on its recipe and its step alone. So that they do not depend
on the machine or the engine either, every run has one torch thread; processes beside each other would fight for more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from torch import nn

from prunelab import errors, torch_state
from prunelab.data import Data
from prunelab.errors import Diverged
from prunelab.pruning.copies import copied
from prunelab.recipe import TRAINING_FIELDS, Recipe
from prunelab.results.sweep import FailedRun, Result, Run
from prunelab.sessions import checkpoint
from prunelab.sessions.session import Session

THREADS = 1
PackedDense = tuple[dict[str, Any], bytes, float]  # ``checkpoint.packed``, and the seconds of the training


@dataclass(frozen=True)
class Custom:
    """A model and data in place of the recipe's; None: the recipe's. Each run trains a copy of the model."""

    model: nn.Module | None = None
    data: Data | None = None

    def session(self, recipe: Recipe) -> Session:
        """A new session by ``recipe``."""
        with _own_threads():  # sessions take their number of threads from what there is at their start
            model = None if self.model is None else copied(self.model)
            return Session(recipe, model=model, data=self.data)


@dataclass(frozen=True)
class Dense:
    """A trained dense network: the state of a session at the end of training, and the seconds that it took."""

    state: Mapping[str, Any]
    seconds: float


def groups(recipes: Iterable[Recipe]) -> list[list[Recipe]]:
    """The recipes, in lists of those that can start from the same dense network: that of the first of the list."""
    found: dict[tuple[Any, ...], list[list[Recipe]]] = {}
    # First those that need early weights of dense training, too: their networks serve the others.
    for recipe in sorted(recipes, key=lambda each: each.early_epoch is None):
        alike = found.setdefault(tuple(getattr(recipe, name) for name in TRAINING_FIELDS), [])
        group = next((group for group in alike if not group[0].training_differences(recipe)), None)
        if group is None:
            alike.append([recipe])
        else:
            group.append(recipe)
    return [group for alike in found.values() for group in alike]


def train(recipe: Recipe, custom: Custom) -> Dense | FailedRun:
    """The dense network of a recipe."""
    began = time.perf_counter()
    with errors.collected():  # told before the sweep began
        session = custom.session(recipe)
        try:
            for _ in session.train():
                pass
        except Diverged as error:
            return FailedRun(recipe=recipe, reason=str(error), seconds=time.perf_counter() - began)
        with _own_threads():
            state = session.state()
    return Dense({**state, "history": []}, time.perf_counter() - began)


def run(recipe: Recipe, custom: Custom, dense: Dense | None = None) -> Result:
    """Run a recipe to its end. dense: its dense network; None: it is trained."""
    began = time.perf_counter() - (dense.seconds if dense is not None else 0)
    cut = None
    with errors.collected():
        session = custom.session(recipe)
        if dense is not None:
            with _own_threads():
                session.restore(dense.state)
        try:
            for snapshot in session:
                if snapshot.phase == "pruned":
                    cut = snapshot.test_accuracy
        except Diverged as error:
            return FailedRun(recipe=recipe, reason=str(error), seconds=time.perf_counter() - began)
        with _own_threads():
            end = session.snapshot()
    assert cut is not None and end.dense_accuracy is not None  # a recipe trains, and cuts at least once
    assert end.test_accuracy is not None and end.test_loss is not None
    return Run(
        recipe=recipe,
        kept=end.kept,
        total=end.total,
        effective=end.effective,
        layers={layer.name: (layer.kept, layer.total) for layer in end.layers},
        dense=end.dense_accuracy,
        cut=cut,
        accuracy=end.test_accuracy,
        loss=end.test_loss,
        seconds=time.perf_counter() - began,
    )


def _own_threads() -> AbstractContextManager[None]:
    """The threads of a run, for all that computes outside the session's streams.

    More than one would wait for ever in a process that was forked from one where torch had used several.
    """
    return torch_state.threads(THREADS)


# What workers call: JSON types (and custom objects) go in, JSON types come out. Dense networks travel as sessions are
# saved, JSON types and safetensors: tensors that cross processes by themselves would stay in shared memory.


def train_elsewhere(values: Mapping[str, Any], custom: Custom) -> dict[str, Any]:
    """``train`` for a recipe's ``to_dict``: {"dense": for ``run_elsewhere``}, or a failed run's ``to_dict``."""
    trained = train(Recipe.from_dict(values), custom)
    if isinstance(trained, FailedRun):
        return trained.to_dict()
    return {"dense": (*checkpoint.packed(trained.state), trained.seconds)}


def run_elsewhere(values: Mapping[str, Any], custom: Custom, dense: PackedDense | None) -> dict[str, Any]:
    """``run`` for a recipe's ``to_dict`` and a packed dense network: the result's ``to_dict``."""
    trained = None if dense is None else Dense(checkpoint.unpacked(dense[0], dense[1]), dense[2])
    return run(Recipe.from_dict(values), custom, trained).to_dict()
