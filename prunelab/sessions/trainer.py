"""Learner: a network in training. One phase is a course of steps, taken batch by batch, tested now and then.

A learner is always at a batch boundary. Whoever stops pulling ``advance`` leaves everything consistent: it goes on from
there later, and the same numbers come out. No random stream is kept: shuffling and dropout follow from seed and clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from prunelab import torch_state
from prunelab.errors import Diverged
from prunelab.recipe import Recipe
from prunelab.sessions.pruned_model import Network
from prunelab.training import evaluation, optimizers, steps
from prunelab.training.evaluation import Tested

SMOOTHING = 0.95  # of the moving averages over batches
TESTING = 0.1  # part of the time that testing and keeping a good state may take

Samples = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Course:
    """What a phase will do, settled when it begins. start: the clock at its first step, so that every phase shuffles
    differently. steps: in all. rate: learning rate of the first step, falling to 0 along half a cosine.
    """

    start: int
    steps: int
    rate: float


class Learner:
    """Trains ``network`` by ``recipe`` (of which only what dense training depends on is looked at).

    clock: steps since the very start; step: within the course. tested: the latest test. averages: moving averages of
    the loss and accuracy over batches.
    """

    def __init__(self, network: Network, recipe: Recipe, train: Samples, test: Samples) -> None:
        self.clock = 0
        self.step = 0
        self.course: Course | None = None
        self.averages: tuple[float, float] | None = None
        self._network = network
        self._recipe = recipe
        self._train, self._test = train, test
        self._tested: Tested | None = None
        self._tested_at = -1  # the clock at the latest test
        self._optimizer: Optimizer | None = None
        self._good: dict[str, Any] | None = None  # what to go back to
        self._ordered: tuple[tuple[int, int], Tensor] | None = None  # (start, epoch) and the order of its samples

    @property
    def steps_per_epoch(self) -> int:
        samples, batch = len(self._train[1]), self._recipe.batch_size
        # A single left-over sample joins the batch before it: batch norm cannot learn from one.
        return max(1, math.ceil(samples / batch) - (samples % batch == 1))

    @property
    def tested(self) -> Tested:
        """The latest test; tests now if there was none."""
        if self._tested is None:
            self.note(evaluation.evaluate(self._network.model, *self._test))
        assert self._tested is not None
        return self._tested

    def note(self, tested: Tested) -> None:
        """Take ``tested`` for the test of the network as it is now."""
        self._tested, self._tested_at = tested, self.clock

    def begin(self, epochs: int, rate: float) -> None:
        """Start a course, with a fresh optimizer."""
        self.leave()
        self.course = Course(self.clock, epochs * self.steps_per_epoch, rate)

    def leave(self) -> None:
        """Be on no course: the network has been changed by other means."""
        self.step, self.course = 0, None
        self._rest()

    def advance(self, where: str) -> Iterator[None]:
        """Go the rest of the course; a yield after every batch and every part of a test, so that it can be left there.

        where: names the phase in errors. Raises Diverged, back at the last good state, for a loss or a weight that is
        not finite: no such state is taken for good, and no course ends in one.
        """
        course = self.course
        assert course is not None
        if self._optimizer is None:
            self._optimizer = self._network.optimizer(self._recipe, course.rate)
        self._good = None
        while True:
            if self._due(course):
                tested = yield from evaluation.evaluation(self._network.model, *self._test)
                self.note(tested)
                self._keep(where)
            elif self._good is None:
                self._keep(where)
            if self.step >= course.steps:
                break
            self._batch(course, where)
            yield
        self._rest()

    def check(self, where: str) -> None:
        """Raise Diverged, back at the last good state, if the weights are not finite."""
        unsound = self._network.unsound()
        if unsound is not None:
            raise self._diverged(f"{unsound} got NaN or infinite values", where)

    def _due(self, course: Course) -> bool:
        """Whether it is time for a test. By counts alone: the same run is tested at the same steps everywhere.

        In units of a training step, a test costs its share of samples at a third (no pass back), and to copy weights
        and moments at most one.
        """
        if self._tested is None:
            return True
        cost = len(self._test[1]) / (3 * min(self._recipe.batch_size, len(self._train[1]))) + 1
        now = self.step % math.ceil(cost / TESTING) == 0 or self.step >= course.steps
        return now and self._tested_at != self.clock

    def _batch(self, course: Course, where: str) -> None:
        recipe, optimizer = self._recipe, self._optimizer
        assert optimizer is not None
        epoch, index = divmod(self.step, self.steps_per_epoch)
        order = self._order(course, epoch)
        start = index * recipe.batch_size
        last = index == self.steps_per_epoch - 1
        chosen = order[start:] if last else order[start : start + recipe.batch_size]
        rate = steps.cosine(course.rate, self.step, course.steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        x, y = self._train
        l1 = recipe.strength if recipe.regularizer == "l1" else 0.0
        weights, frozen = self._network.weights, self._network.frozen
        with torch_state.seeded(steps.mix(recipe.seed, self.clock, 2), x.device):
            loss, right = steps.training_step(
                self._network.model, optimizer, x[chosen], y[chosen], l1=l1, weights=weights, frozen=frozen
            )
        if not math.isfinite(loss):
            raise self._diverged(f"the loss became {loss}", where)
        found = loss, right / len(chosen)
        a, b = (
            (SMOOTHING * old + (1 - SMOOTHING) * new) for old, new in zip(self.averages or found, found, strict=True)
        )
        self.averages = a, b
        self.step += 1
        self.clock += 1

    def _order(self, course: Course, epoch: int) -> Tensor:
        key = course.start, epoch
        if self._ordered is None or self._ordered[0] != key:
            seed = steps.mix(self._recipe.seed, *key)
            self._ordered = key, steps.shuffled(len(self._train[1]), seed).to(self._train[1].device)
        return self._ordered[1]

    def _keep(self, where: str) -> None:
        """Remember this state as a good one, if it is."""
        self.check(where)
        if not math.isfinite(self.tested.loss):
            raise self._diverged(f"the test loss became {self.tested.loss}", where)
        assert self._optimizer is not None
        self._good = {
            "model": {name: tensor.detach().clone() for name, tensor in self._network.model.state_dict().items()},
            "optimizer": optimizers.optimizer_state(self._optimizer),
            "numbers": (self.step, self.clock, self.averages, self._tested, self._tested_at),
        }

    def _diverged(self, what: str, where: str) -> Diverged:
        when = f"{where}, step {self.step}"
        rate = "" if self.course is None else f" (learning rate {self.course.rate:.3g})"
        if self._good is None:
            self._rest()
            return Diverged(f"{what} in {when}{rate}: nothing good is known to go back to. Start with another network.")
        good = self._good
        self._network.model.load_state_dict(good["model"])
        self.step, self.clock, self.averages, self._tested, self._tested_at = good["numbers"]
        assert self._optimizer is not None
        optimizers.restore_optimizer(self._optimizer, good["optimizer"])
        return Diverged(
            f"{what} in {when}{rate}: the run stopped and the network is back at step {self.step}, its last good "
            "state. Start again with a lower learning_rate."
        )

    def _rest(self) -> None:
        self._optimizer, self._good = None, None
        self._network.release()

    def state(self) -> dict[str, Any]:
        """A copy of all that changes but for the network: nested dicts of tensors and JSON types."""
        tested = self._tested
        return {
            "step": self.step,
            "clock": self.clock,
            "course": None if self.course is None else vars(self.course).copy(),
            "averages": self.averages,
            "tested": None if tested is None else [tested.loss, tested.accuracy, self._tested_at],
            "predicted": {} if tested is None else {"tested": tested.predicted},
            "optimizer": None if self._optimizer is None else optimizers.optimizer_state(self._optimizer),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state`` gave; the network has been restored before."""
        self._rest()
        self.step, self.clock = state["step"], state["clock"]
        self.course = None if state["course"] is None else Course(**state["course"])
        self.averages = None if state["averages"] is None else (state["averages"][0], state["averages"][1])
        self._tested, self._tested_at = None, -1
        if state["tested"] is not None:
            loss, accuracy, self._tested_at = state["tested"]
            self._tested = Tested(loss, accuracy, state["predicted"]["tested"])
        if state["optimizer"] is not None:
            assert self.course is not None
            self._optimizer = self._network.optimizer(self._recipe, self.course.rate)
            optimizers.restore_optimizer(self._optimizer, state["optimizer"])
