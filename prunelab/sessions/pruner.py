"""Cuts a network. A copy is cut and tested first, and only then the network itself: left halfway, nothing has
happened.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from torch import Tensor, nn

from prunelab.pruning import planning
from prunelab.pruning.strategies import Plan
from prunelab.recipe import Recipe, Target
from prunelab.sessions.pruned_model import PrunedModel
from prunelab.training import evaluation
from prunelab.training.evaluation import Tested


class Outcome(NamedTuple):
    """What a network comes to by a plan, as a copy took it; or, without a plan, as it is.

    target: what the (last) cut was asked for, None before any. exact: all samples were tested.
    """

    recipe: Recipe
    plan: Plan | None
    target: Target | None
    tested: Tested
    exact: bool


class Pruner:
    """Prunes ``network`` in a round, to a manual target or, for None, the recipe's.

    train: its samples; test: samples and classes.
    """

    def __init__(self, pruned: PrunedModel, train: Tensor, test: tuple[Tensor, Tensor]) -> None:
        self._pruned = pruned
        self._train = train
        self._test = test

    def plan(self, recipe: Recipe, round: int, manual: Target | None) -> Plan:
        """What would be cut."""
        return planning.plan(self._pruned.masks, recipe, round, manual, self._train[:2])

    def prune(self, recipe: Recipe, round: int, manual: Target | None) -> Generator[None, None, Outcome]:
        """Cut, with a yield after every part of the test."""
        plan = self.plan(recipe, round, manual)
        twin = self._cut_copy(plan, recipe)
        tested = yield from evaluation.evaluation(twin, *self._test)
        self._pruned.cut(plan, twin)
        if recipe.adjust_dropout:
            self._pruned.adjust_dropout()
        return Outcome(recipe, plan, manual or recipe.target_of_round(round), tested, exact=True)

    def preview(self, recipe: Recipe, round: int, manual: Target | None, samples: int | None) -> Outcome:
        """What ``prune`` would come to. samples: of the test, always the same ones, picked at random; None: all."""
        x, y = self._test
        exact = samples is None or samples >= len(y)
        if samples is not None and not exact:
            chosen = evaluation.subset(len(y), samples).to(y.device)
            x, y = x[chosen], y[chosen]
        plan = self.plan(recipe, round, manual)
        tested = evaluation.evaluate(self._cut_copy(plan, recipe), x, y)
        return Outcome(recipe, plan, manual or recipe.target_of_round(round), tested, exact)

    def _cut_copy(self, plan: Plan, recipe: Recipe) -> nn.Module:
        twin = self._pruned.twin(plan)
        if recipe.recalibrate:
            evaluation.recalibrate(twin, self._train)
        return twin
