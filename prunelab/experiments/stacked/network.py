"""One network of a stack: what is done to it alone, which is all but the training steps."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from prunelab.experiments.stacked.groups import Job
from prunelab.experiments.stacked.stack import shell
from prunelab.pruning import dropout, planning
from prunelab.pruning.effective import Wiring
from prunelab.pruning.masks import Masks
from prunelab.recipe import Recipe
from prunelab.results.sweep import Run
from prunelab.training import evaluation
from prunelab.training.evaluation import Tested

Samples = tuple[Tensor, Tensor]


@dataclass(eq=False)
class Network:
    """A network with its masks and what has been measured of it.

    jobs: what it is trained for: before the first cut all that have the same dense network, then one. model: a view
    into the stack. owners: {dropout: the layer whose connections set its rate}. seconds: its share of the time so far.
    dense, cut: accuracy before pruning and right after the last cut.
    """

    jobs: Sequence[Job]
    model: nn.Module
    masks: Masks
    train: Samples
    test: Samples
    owners: Mapping[str, str]
    seconds: float = 0.0
    dense: float = math.nan
    cut: float = math.nan
    originals: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self.originals = dropout.original_rates(self.model)

    @property
    def recipe(self) -> Recipe:
        """The recipe of the (first) job."""
        return self.jobs[0].recipe

    def branch(self, job: Job, dense: Tested, *, apart: bool) -> Network:
        """A network for ``job`` that starts from this dense one. apart: in memory of its own, not as a part of a stack.

        dense: this network on its test set.
        """
        model = copy.deepcopy(self.model) if apart else shell(self.model)
        seconds = self.seconds / len(self.jobs)
        masks = Masks(model)
        return Network([job], model, masks, self.train, self.test, self.owners, seconds, dense=dense.accuracy)

    def prune(self, round: int) -> None:
        """The cut of ``round``, with all that belongs to it, as a session does it; tested if it is the last."""
        recipe = self.recipe
        self.masks.commit(planning.plan(self.masks, recipe, round, None, self.train[0][:2]))
        if recipe.recalibrate:
            evaluation.recalibrate(self.model, self.train[0])
        if recipe.adjust_dropout:
            dropout.adjust_dropout(self.model, self.masks, owners=self.owners, originals=self.originals)
        if round == recipe.rounds:
            self.cut = self.tested().accuracy

    def tested(self) -> Tested:
        """The network on its test set."""
        return evaluation.evaluate(self.model, *self.test)

    def result(self, tested: Tested, wiring: Wiring | None) -> Run:
        """The run, at its end. wiring: of the architecture; None: its paths cannot be determined."""
        masks = dict(self.masks)
        return Run(
            recipe=self.jobs[0].given,
            kept=sum(self.masks.kept_in(name) for name in masks),
            total=sum(mask.numel() for mask in masks.values()),
            effective=None if wiring is None else wiring.effective(masks).kept,
            layers={name: (self.masks.kept_in(name), mask.numel()) for name, mask in masks.items()},
            dense=self.dense,
            cut=self.cut,
            accuracy=tested.accuracy,
            loss=tested.loss,
            seconds=self.seconds,
        )
