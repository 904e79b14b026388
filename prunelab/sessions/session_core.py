"""What a session consists of, and the snapshot of how it stands. What it does is in ``session.py``."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from prunelab import torch_state
from prunelab.data import Data
from prunelab.errors import Diverged, SessionError
from prunelab.pruning import planning
from prunelab.pruning.masks import Masks
from prunelab.pruning.model_state import checked_module
from prunelab.recipe import Recipe, Target
from prunelab.recipe.argument import recipe_or_default
from prunelab.results.history import History
from prunelab.results.origin import origin
from prunelab.results.snapshot import Phase, Snapshot, in_words, moment
from prunelab.results.subject import Subject
from prunelab.sessions import courses
from prunelab.sessions.pruned_model import PrunedModel
from prunelab.sessions.pruner import Outcome, Pruner
from prunelab.sessions.snapshot_arrays import classes
from prunelab.sessions.streams import Streams
from prunelab.sessions.subject import subject_of
from prunelab.sessions.trainer import Trainer
from prunelab.sessions.validation import arguments, loss_checks, model_checks
from prunelab.training import objective as objectives
from prunelab.training.objective import LossLike, MetricLike


class SessionCore:
    """The parts of a session; see ``Session`` for the arguments."""

    def __init__(
        self,
        recipe: Recipe | None = None,
        *,
        model: nn.Module | None = None,
        data: Data | tuple[Any, Any] | None = None,
        loss: LossLike = None,
        metric: MetricLike = None,
        trained: bool = False,
        directory: str | Path | None = None,
        owners: Mapping[str, str] | None = None,
        masks: Masks | None = None,
    ) -> None:
        if trained and model is None:
            raise SessionError("trained=True: which network has learned already? Give it, model=...")
        recipe = recipe_or_default(recipe)
        if trained and recipe.rewind == "weights":
            raise SessionError(
                "rewind = 'weights': a network that comes trained has no early weights to go back to; "
                "take rewind='rate', or train it here"
            )
        if masks is not None and model is None:
            raise SessionError("masks=: the network that they are of is needed too; give it, model=...")
        self.recipe = arguments.recipe_of(recipe, model, data)
        self.data = arguments.data_of(recipe, data, classes=objectives.takes_classes(loss, metric))
        functions = objectives.loss_and_metric(loss, metric, self.data.train_y)
        self.objective = functions.objective
        loss_checks.check_distillation(self.recipe, self.objective)
        self.loss, self.metric = loss, metric  # as given
        self.directory = None if directory is None else Path(directory)
        self.model = arguments.model_of(self.recipe, self.data) if model is None else checked_module(model)
        self._train, self._test = arguments.tensors(self.model, self.data)
        x, y = self._test
        model_checks.check(self.model, self.data, (x[:2], y[:2]), self.recipe.batch_size, functions)
        given, masks = masks, arguments.masks_of(self.model, masks, fresh=not trained)
        self._zeros_learn = given is not None and masks.kept == masks.total
        model_checks.check_sparse(self.model, masks, self.recipe)
        self._pruned = PrunedModel(self.model, masks, self._train[0][:2], owners)
        self._pruned.warn(adjusted=recipe.adjust_dropout)
        self._trainer = Trainer(self._pruned, self.recipe, self._train, self._test, functions)
        self._pruner = Pruner(self._pruned, self._train, self._test, functions)
        self._revision = self.masks.revision  # of the latest cut that is tested, and that dropouts follow
        self._threads = torch_state.threads_for(self.masks.total, self.recipe.batch_size)
        self._streams = Streams(self._threads)
        planning.check(self.masks, self.recipe)
        if self.recipe.adjust_dropout:  # of a network that is sparse already
            self._pruned.adjust_dropout()

        self.phase: Phase = "new"
        self.round = 0
        self.history = History()
        self._dense_accuracy: float | None = None
        self._phase_recipe = self.recipe  # the recipe that this phase started with
        self._target: Target | None = None  # target of the last cut
        if trained:
            self._begin_trained()

    def _begin_trained(self) -> None:
        with torch_state.threads(self._threads):
            tested = self._trainer.tested
        if not math.isfinite(tested.loss):
            raise SessionError(f"the loss of this trained model is {tested.loss} on the test data: check both")
        self.phase, self._dense_accuracy = "trained", tested.accuracy
        self._record()

    def __repr__(self) -> str:
        recipe, latest = self.recipe, self.history[-1] if self.history else None
        began = origin(sparse=self._began_sparse)
        known = latest is not None and (latest.phase, latest.round) == (self.phase, self.round)
        where = latest.moment if latest is not None and known else moment(self.phase, self.round, began)
        tested = None if latest is None or latest.kept != self.masks.kept else latest.test_accuracy
        words = in_words(self.objective, tested, self.masks)
        return f"Session({recipe.model} on {recipe.data}, seed {recipe.seed}; {where}: {words})"

    @property
    def masks(self) -> Masks:
        """The masks of ``model``."""
        return self._pruned.masks

    @property
    def subject(self) -> Subject:
        """The names of model and data, and of each module whether it is pruned, and why."""
        example = self._train[0][:2]
        return subject_of(self.recipe, self.model, self.data, self.masks, example, zeros_learn=self._zeros_learn)

    @property
    def step(self) -> int:
        """Training steps in the current phase so far."""
        return self._trainer.at.number

    @property
    def clock(self) -> int:
        """Training steps since the start of the session, over all phases."""
        return self._trainer.at.clock

    @property
    def finished(self) -> bool:
        """Whether ``run`` has nothing left to do."""
        return self.phase == "retrained" and self.round >= self.recipe.rounds

    def steps_left(self, what: str) -> int:
        """Training steps that are left to do for "train", "retrain" or "run"."""
        here = self._steps - self.step
        if self.phase in ("trained", "retrained"):
            here = self._retraining_steps(self.round) if what == "retrain" else 0
        if what != "run":
            return here
        return here + sum(self._retraining_steps(round) for round in range(self.round + 1, self.recipe.rounds + 1))

    @property
    def _steps(self) -> int:
        """Steps of this phase, 0 if it has none. Fixed when it begins: a changed recipe holds from the next phase."""
        if self._trainer.course is not None:
            return self._trainer.at.total
        if self.phase == "new":
            return courses.dense(self.recipe, self._trainer.at).total
        return self._retraining_steps(self.round) if self.phase == "pruned" else 0

    def _retraining_steps(self, round: int) -> int:
        return courses.retraining(self.recipe, self._trainer.at, round).total

    def _follow_masks(self) -> None:
        """Let test result and dropouts follow a cut that ``masks`` made by themselves, which no step of this made."""
        if self._revision is not self.masks.revision:
            self._revision = self.masks.revision
            self._trainer.forget()
            if self.recipe.adjust_dropout:
                self._pruned.adjust_dropout()

    def snapshot(self) -> Snapshot:
        """The current state of the session as a Snapshot. Not added to ``history``.

        After a cut by ``masks.prune`` the network is tested, and its dropouts are adjusted if the recipe says so.
        """
        self._follow_masks()
        return self._snapshot(self.phase, Outcome(self._phase_recipe, None, self._target, self._trainer.tested, True))

    @property
    def _began_sparse(self) -> bool:
        """Whether something was cut before the first snapshot of this session."""
        return self.history[0].began_sparse if len(self.history) else self.masks.kept < self.masks.total

    def _record(self) -> Snapshot:
        snapshot = self.snapshot()
        self.history.append(snapshot)
        return snapshot

    def _snapshot(self, phase: Phase, outcome: Outcome) -> Snapshot:
        recipe, plan, target, tested, exact = outcome
        loss, accuracy = self._trainer.averages or (None, None)
        return Snapshot(
            phase=phase,
            round=self.round,
            rounds=recipe.rounds,
            step=self.step,
            steps=self._steps,
            clock=self.clock,
            recipe=recipe,
            target=target,
            train_loss=loss,
            train_accuracy=accuracy,
            test_loss=tested.loss,
            test_accuracy=tested.accuracy if math.isfinite(tested.accuracy) else None,
            dense_accuracy=self._dense_accuracy,
            zeros_hold=self.masks.zeros_hold(),
            exact=exact,
            input_shape=self.data.input_shape,
            layers=self._pruned.layers(plan),
            dropouts=tuple(self._pruned.dropouts(plan, adjusted=recipe.adjust_dropout)),
            predicted=classes(tested.predicted) if exact else np.empty(0, np.uint8),
            objective=self.objective,
            began_sparse=self._began_sparse,
        )

    @contextlib.contextmanager
    def _going_back(self) -> Iterator[None]:
        """When the trainer goes back to its last good state, the history does, too."""
        try:
            yield
        except Diverged:
            self.history = History([s for s in self.history if s.clock <= self.clock])
            raise
