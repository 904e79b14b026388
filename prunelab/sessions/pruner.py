"""Pruner: cuts a network. A copy is cut and tested first, and only then the network itself: left halfway, nothing has
happened.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from torch import Tensor, nn

from prunelab.pruning import planning
from prunelab.pruning.strategies import Plan
from prunelab.recipe import Hand, Recipe, density, quality
from prunelab.sessions.pruned_model import Network
from prunelab.training import evaluation
from prunelab.training.evaluation import Tested


class Trial(NamedTuple):
    """A cut as a copy took it. quality, target: as asked for, the density to leave or a quality, None for the other.
    exact: all samples were tested.
    """

    recipe: Recipe
    plan: Plan
    quality: float | None
    target: float | None
    tested: Tested
    exact: bool


class Pruner:
    """Prunes ``network`` in a round, by a recipe or by hand. train: its samples; test: samples and classes."""

    def __init__(self, network: Network, train: Tensor, test: tuple[Tensor, Tensor]) -> None:
        self._network = network
        self._train = train
        self._test = test

    def plan(self, recipe: Recipe, round: int, hand: Hand) -> Plan:
        """What would be cut."""
        return planning.plan(self._network.masks, recipe, round, hand, self._train[:2])

    def prune(self, recipe: Recipe, round: int, hand: Hand) -> Generator[None, None, Trial]:
        """Cut, with a yield after every part of the test."""
        plan = self.plan(recipe, round, hand)
        twin = self._cut_copy(plan, recipe)
        tested = yield from evaluation.evaluation(twin, *self._test)
        self._network.cut(plan, twin)
        if recipe.adjust_dropout:
            self._network.adjust_dropout()
        return _trial(recipe, round, hand, plan, tested, exact=True)

    def preview(self, recipe: Recipe, round: int, hand: Hand, samples: int | None) -> Trial:
        """What ``prune`` would come to. samples: of the test, always the same ones, picked at random; None: all."""
        x, y = self._test
        exact = samples is None or samples >= len(y)
        if samples is not None and not exact:
            chosen = evaluation.subset(len(y), samples).to(y.device)
            x, y = x[chosen], y[chosen]
        plan = self.plan(recipe, round, hand)
        tested = evaluation.evaluate(self._cut_copy(plan, recipe), x, y)
        return _trial(recipe, round, hand, plan, tested, exact=exact)

    def _cut_copy(self, plan: Plan, recipe: Recipe) -> nn.Module:
        twin = self._network.twin(plan)
        if recipe.recalibrate:
            evaluation.recalibrate(twin, self._train)
        return twin


def _trial(recipe: Recipe, round: int, hand: Hand, plan: Plan, tested: Tested, *, exact: bool) -> Trial:
    return Trial(recipe, plan, quality(recipe, round, hand), density(recipe, round, hand), tested, exact)
