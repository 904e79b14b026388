"""Cuts a network. A copy is cut and tested first, then the network itself: if a prune is left halfway, nothing has
changed.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import NamedTuple

from torch import Tensor, nn

from prunelab.errors import Diverged
from prunelab.pruning import planning
from prunelab.pruning.strategies import Plan
from prunelab.recipe import Recipe, Target
from prunelab.sessions.pruned_model import PrunedModel
from prunelab.training import evaluation
from prunelab.training.evaluation import Tested
from prunelab.training.gradients import gradients
from prunelab.training.objective import LossAndMetric


class Outcome(NamedTuple):
    """The result of a cut, tested on a copy; without a plan, the network as it is.

    target: of the (last) cut, None before any. exact: all test samples were used.
    """

    recipe: Recipe
    plan: Plan | None
    target: Target | None
    tested: Tested
    exact: bool


class Pruner:
    """Prunes a model in a round: to a manual target or, if that is None, to the recipe's.

    train, test: samples and their targets. functions: what the test measures.
    """

    def __init__(
        self,
        pruned: PrunedModel,
        train: tuple[Tensor, Tensor],
        test: tuple[Tensor, Tensor],
        functions: LossAndMetric,
    ) -> None:
        self._pruned = pruned
        self._train = train
        self._test = test
        self._functions = functions
        self._gradients: tuple[tuple[int, ...], dict[str, Tensor]] | None = None  # cache: of weights of these versions

    def plan(self, recipe: Recipe, round: int, manual: Target | None) -> Plan:
        """What ``prune`` would cut."""
        return planning.plan(self._pruned.masks, recipe, round, manual, self._train[0][:2], self._gradient)

    def _gradient(self) -> dict[str, Tensor]:
        """The gradient for every weight that has a mask. A slider that moves asks for it again and again."""
        versions = tuple(p._version for p in self._pruned.model.parameters())
        if self._gradients is None or self._gradients[0] != versions:
            self._gradients = versions, gradients(self._pruned.model, self._pruned.masks, *self._train, self._functions)
        return self._gradients[1]

    def prune(
        self, recipe: Recipe, round: int, manual: Target | None, *, first: bool
    ) -> Generator[None, None, Outcome]:
        """Cut, with a yield after every part of the test. first: the network is still dense.

        Raises Diverged, and leaves the network as it is, if what is left gives outputs that are not finite.
        """
        plan = self.plan(recipe, round, manual)
        twin = self._cut_copy(plan, recipe)
        tested = yield from evaluation.evaluation(twin, *self._test, self._functions)
        if not (math.isfinite(tested.loss) and math.isfinite(tested.accuracy)):
            left, total = (sum(getattr(cut, name) for cut in plan.cuts.values()) for name in ("kept", "total"))
            metric = self._functions.objective.metric
            what = f"the {metric} would be {tested.accuracy}"
            if not math.isfinite(tested.loss):
                what = f"the test loss would be {tested.loss}"
            raise Diverged(
                f"with {left:,} of {total:,} connections {what}: nothing was cut. Cut "
                "less, or let the model bear zeros (a norm of zeros divides by zero)"
            )
        if first and recipe.distill:
            self._pruned.keep_dense()
        self._pruned.cut(plan, twin)
        if recipe.adjust_dropout:
            self._pruned.adjust_dropout()
        return Outcome(recipe, plan, manual or recipe.target_of_round(round), tested, exact=True)

    def preview(
        self, recipe: Recipe, round: int, manual: Target | None, samples: int | None, seconds: float | None
    ) -> Generator[None, None, Outcome]:
        """The outcome that ``prune`` would have, with a yield after every part of the test.

        samples: most of the test to use, a fixed random subset; None: all. seconds: no more of it, and for batch norm
        no more of the training samples, than run in about that time; None: as many as there are.
        """
        plan = self.plan(recipe, round, manual)
        twin = self._cut_copy(plan, recipe, seconds)
        x, y = self._test
        most = len(y) if samples is None else min(samples, len(y))
        if seconds is not None:
            most = min(most, evaluation.affordable(twin, x, seconds))
        if most < len(y):
            chosen = evaluation.subset(len(y), most).to(y.device)
            x, y = x[chosen], y[chosen]
        tested = yield from evaluation.evaluation(twin, x, y, self._functions)
        return Outcome(recipe, plan, manual or recipe.target_of_round(round), tested, exact=most == len(self._test[1]))

    def rewind(self, recipe: Recipe) -> Generator[None, None, Tested]:
        """Set the network back to the early point, and test it, with a yield after every part of the test."""
        twin = self._pruned.rewound_twin()
        if recipe.recalibrate:
            evaluation.recalibrate(twin, self._train[0])
        tested = yield from evaluation.evaluation(twin, *self._test, self._functions)
        self._pruned.take(twin)
        return tested

    def cut_copy(self, recipe: Recipe, round: int, manual: Target | None) -> nn.Module:
        """A copy of the model as ``prune`` would leave it."""
        return self._cut_copy(self.plan(recipe, round, manual), recipe)

    def _cut_copy(self, plan: Plan, recipe: Recipe, seconds: float | None = None) -> nn.Module:
        twin = self._pruned.twin(plan)
        if recipe.recalibrate:
            evaluation.recalibrate(twin, self._train[0], seconds)
        return twin
