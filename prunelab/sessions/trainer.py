"""Trains a network. A phase is a course of training steps, done batch by batch, with a test at fixed intervals.

Between two batches a trainer is always consistent. Callers may stop iterating ``advance`` at any item and continue
later, with the same numerical results. No random state is stored: shuffling and dropout depend on seed and clock alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from prunelab import torch_state
from prunelab.errors import Diverged
from prunelab.recipe import Recipe
from prunelab.sessions.checkpoint_schema import count, either, fields, flag, number, optional, row, share, tensors, text
from prunelab.sessions.pruned_model import PrunedModel
from prunelab.training import distillation, evaluation, optimizers, steps
from prunelab.training.evaluation import Tested
from prunelab.training.objective import LossAndMetric
from prunelab.training.step import Step, steps_per_epoch

SMOOTHING = 0.95  # weight of the old value in the moving averages over batches
TEST_SHARE = 0.1  # largest share of the training time that tests and copies of good states may take

Samples = tuple[Tensor, Tensor]
Averages = tuple[float, float | None]  # of (training loss, training accuracy)

SCHEMA = {
    # What is part of a longer cycle, or has a later setting, has more fields than files of earlier versions.
    "at": either(
        fields(start=count, number=count, total=count),
        fields(start=count, number=count, total=count, cycle=count, skipped=count),
    ),
    "course": optional(
        either(
            fields(rate=number, name=text),
            either(
                fields(rate=number, name=text, goes_on=flag, distill=share),
                fields(rate=number, name=text, goes_on=flag, distill=share, constant=flag),
            ),
        )
    ),
    "averages": optional(row(number, optional(share))),
    "tested": optional(fields(loss=number, accuracy=number, clock=count)),
    "predicted": tensors,
    "optimizer": optional(fields(groups=lambda value: isinstance(value, list), tensors=tensors)),
}


@dataclass(frozen=True)
class Course:
    """The training settings of a phase, fixed when it begins."""

    rate: float  # learning rate at the start of the cycle; it falls to 0 along half a cosine, unless it is constant
    name: str  # of the phase, for error messages
    goes_on: bool = False  # the next course is the next part of the same cycle, with the same optimizer
    distill: float = 0.0  # part of the loss that compares with the dense network's outputs
    constant: bool = False  # the learning rate stays as it is


@dataclass(frozen=True)
class Good:
    """A state with finite weights and test loss, to go back to when training diverges."""

    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    at: Step
    averages: Averages | None
    tested: Tested | None
    tested_at: int


class Trainer:
    """Trains a model by a recipe, of which it uses only the fields that dense training depends on.

    at: the current step. course: of the current or latest phase; None if the network was changed since. averages:
    moving averages over batches of (training loss, training accuracy); None before the first batch. Metrics other than
    accuracy are no means over batches: then there is no second one.
    """

    def __init__(
        self, pruned: PrunedModel, recipe: Recipe, train: Samples, test: Samples, functions: LossAndMetric
    ) -> None:
        self.at = Step(per_epoch=steps_per_epoch(len(train[1]), recipe.batch_size))
        self.course: Course | None = None
        self.averages: Averages | None = None
        self._pruned = pruned
        self._recipe = recipe
        self._train, self._test = train, test
        self._functions = functions
        self._tested: Tested | None = None
        self._tested_at = -1  # the clock at the latest test
        self._optimizer: Optimizer | None = None
        self._good: Good | None = None
        self._ordered: tuple[tuple[int, int], Tensor] | None = None  # cache: (origin, epoch), order of its samples

    @property
    def tested(self) -> Tested:
        """The latest test result; tests now if there is none."""
        if self._tested is None:
            self.note(evaluation.evaluate(self._pruned.model, *self._test, self._functions))
        assert self._tested is not None
        return self._tested

    def note(self, tested: Tested) -> None:
        """Store ``tested`` as the test result of the network as it is now."""
        self._tested, self._tested_at = tested, self.at.clock

    def forget(self) -> None:
        """Forget the latest test result and good state: the network has been cut since, by its masks themselves."""
        self._tested, self._good = None, None

    def begin(self, start: Step, course: Course, *, goes_on: bool = False) -> None:
        """Begin a course at ``start``. goes_on: with the optimizer of the course before, if it left one."""
        if not goes_on:
            self._rest()
        self.at, self.course = start, course

    def leave(self, *, goes_on: bool = False) -> None:
        """End the course: the network has been changed by other means. goes_on: the optimizer is kept for the next."""
        if not goes_on:
            self._rest()
        self.at, self.course = self.at.phase(0), None

    def advance(self) -> Iterator[None]:
        """Do the rest of the course, with a yield after every batch and every part of a test; it may be left at any.

        Raises Diverged, with the network back at its last good state, if a loss or a weight is not finite: such a state
        is never kept as good, and no course ends in one.
        """
        course = self.course
        assert course is not None
        if self._optimizer is None:
            self._optimizer = self._pruned.optimizer(self._recipe, course.rate)
        self._good = None
        while True:
            if self._due():
                masks = self._pruned.masks.revision
                tested = yield from evaluation.evaluation(self._pruned.model, *self._test, self._functions)
                if masks is self._pruned.masks.revision:  # else parts of the test are of another network
                    self.note(tested)
                self._keep()
            elif self._good is None:
                self._keep()
            if not self.at.left:
                break
            self._batch(course)
            yield
        if not course.goes_on:
            self._rest()

    def check(self) -> None:
        """Raise Diverged, with the network back at its last good state, if a weight is not finite."""
        parameter = self._pruned.unsound()
        if parameter is not None:
            raise self._diverged(f"{parameter} got NaN or infinite values")

    def _due(self) -> bool:
        """Whether it is time for a test. Depends on counts alone, so that a run is tested at the same steps everywhere.

        Cost model, in training steps: a test sample costs a third of a training sample (no backward pass), and a copy
        of the weights and the optimizer's moments at most one step.
        """
        if self._tested is None:
            return True
        cost = len(self._test[1]) / (3 * min(self._recipe.batch_size, len(self._train[1]))) + 1
        scheduled = self.at.number % math.ceil(cost / TEST_SHARE) == 0 or not self.at.left
        return scheduled and self._tested_at != self.at.clock

    def _batch(self, course: Course) -> None:
        recipe, optimizer, at = self._recipe, self._optimizer, self.at
        assert optimizer is not None
        start = at.batch * recipe.batch_size
        order = self._order()
        chosen = order[start:] if at.last_of_epoch else order[start : start + recipe.batch_size]
        rate = course.rate if course.constant else steps.cosine(course.rate, *at.place)
        for group in optimizer.param_groups:
            group["lr"] = rate
        # Samples are selected in half the time that indexing takes: 3 % of a step.
        x, y = (samples.index_select(0, chosen) for samples in self._train)
        functions = self._functions
        if course.distill:
            functions = distillation.distilling(functions, self._pruned.dense_scores(x), course.distill)
        l1 = recipe.strength if recipe.regularizer == "l1" else 0.0
        weights, frozen = self._pruned.weights, self._pruned.frozen
        with torch_state.seeded(steps.mix(recipe.seed, at.clock, 2), x.device):
            loss, right = steps.training_step(
                self._pruned.model, optimizer, x, y, l1=l1, weights=weights, frozen=frozen, functions=functions
            )
        if not math.isfinite(loss):
            raise self._diverged(f"the loss became {loss}")
        before = self.averages or (loss, right)
        self.averages = _smoothed(before[0], loss), None if right is None else _smoothed(before[1] or 0.0, right)
        self.at = at.next()

    def _order(self) -> Tensor:
        """The order of the training samples in this epoch: a permutation of their indices."""
        key = self.at.origin, self.at.epoch
        if self._ordered is None or self._ordered[0] != key:
            seed = steps.mix(self._recipe.seed, *key)
            self._ordered = key, steps.shuffled(len(self._train[1]), seed).to(self._train[1].device)
        return self._ordered[1]

    def _keep(self) -> None:
        """Keep this state as the last good one. Raises Diverged if a weight or the test loss is not finite."""
        self.check()
        if not math.isfinite(self.tested.loss):
            raise self._diverged(f"the test loss became {self.tested.loss}")
        assert self._optimizer is not None
        self._good = Good(
            {name: tensor.detach().clone() for name, tensor in self._pruned.model.state_dict().items()},
            optimizers.optimizer_state(self._optimizer),
            self.at,
            self.averages,
            self._tested,
            self._tested_at,
        )

    def _diverged(self, what: str) -> Diverged:
        """Go back to the last good state, if there is one; the error to raise."""
        course = self.course
        when = f"step {self.at.number}" if course is None else f"{course.name}, step {self.at.number}"
        rate = "" if course is None else f" (learning rate {course.rate:.3g})"
        if self._good is None:
            self._rest()
            return Diverged(f"{what} in {when}{rate}: nothing good is known to go back to. Start with another network.")
        good = self._good
        self._pruned.model.load_state_dict(good.model)
        self.at, self.averages, self._tested, self._tested_at = good.at, good.averages, good.tested, good.tested_at
        assert self._optimizer is not None
        optimizers.restore_optimizer(self._optimizer, good.optimizer)
        return Diverged(
            f"{what} in {when}{rate}: the run stopped and the network is back at step {self.at.number}, its last good "
            "state. Start again with a lower learning_rate."
        )

    def _rest(self) -> None:
        self._optimizer, self._good = None, None
        self._pruned.release()

    def state(self) -> dict[str, Any]:
        """A copy of all that changes, except for the network: nested dicts of tensors and JSON types, see SCHEMA."""
        tested = self._tested
        return {
            "at": _saved(self.at, ("start", "number", "total"), ("cycle", "skipped")),
            "course": None
            if self.course is None
            else _saved(self.course, ("rate", "name"), ("goes_on", "distill", "constant")),
            "averages": self.averages,
            "tested": tested and {"loss": tested.loss, "accuracy": tested.accuracy, "clock": self._tested_at},
            "predicted": {} if tested is None else {"tested": tested.predicted},
            "optimizer": None if self._optimizer is None else optimizers.optimizer_state(self._optimizer),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set all to what ``state`` returned. The network must be restored first."""
        self._rest()
        self.at = Step(per_epoch=self.at.per_epoch, **state["at"])
        self.course = None if state["course"] is None else Course(**state["course"])
        self.averages = None if state["averages"] is None else (state["averages"][0], state["averages"][1])
        self._tested, self._tested_at = None, -1
        if state["tested"] is not None:
            saved = state["tested"]
            self._tested = Tested(saved["loss"], saved["accuracy"], state["predicted"]["tested"])
            self._tested_at = saved["clock"]
        if state["optimizer"] is not None:
            self._optimizer = self._pruned.optimizer(self._recipe, rate=0.0)  # every step sets its own
            optimizers.restore_optimizer(self._optimizer, state["optimizer"])


def _saved(value: Step | Course, names: Sequence[str], later: Sequence[str]) -> dict[str, Any]:
    """Fields of a value; ``later`` ones, that files of earlier versions do not have, only where one is set."""
    extra = {name: getattr(value, name) for name in later}
    return {name: getattr(value, name) for name in names} | (extra if any(extra.values()) else {})


def _smoothed(old: float, new: float) -> float:
    return SMOOTHING * old + (1 - SMOOTHING) * new
