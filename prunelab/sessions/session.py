"""Dense training, then rounds of prune and retrain, as a stream of Snapshots.

The same code runs in a script and behind the dashboard. Between two batches a session is always consistent: after any
snapshot, or any item of ``ticks``, it can be saved, inspected, pruned manually, and continued. No random state is
stored: shuffling and dropout depend on the seed and the step alone.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import nn

from prunelab import errors, torch_state
from prunelab.data import Data
from prunelab.errors import Diverged as Diverged
from prunelab.errors import SessionError
from prunelab.formatting import suggesting
from prunelab.pruning import planning
from prunelab.pruning.masks import DEVIATION, Masks
from prunelab.pruning.strategies import Plan
from prunelab.recipe import OWN, PerLayer, Recipe, Target
from prunelab.results.history import History
from prunelab.results.objective import CLASSIFYING
from prunelab.results.snapshot import Phase, Snapshot
from prunelab.results.subject import Subject
from prunelab.sessions import checkpoint, phases, validation
from prunelab.sessions.pruned_model import PrunedModel
from prunelab.sessions.pruner import Outcome, Pruner
from prunelab.sessions.session_state import read_state
from prunelab.sessions.snapshot_arrays import classes
from prunelab.sessions.snapshot_rate import SnapshotRate
from prunelab.sessions.streams import Streams
from prunelab.sessions.subject import subject_of
from prunelab.sessions.trainer import Trainer
from prunelab.training import objective as objectives
from prunelab.training.objective import LossLike, MetricLike

TargetLike = PerLayer | Target | None  # what a caller may give; None: the recipe's target


@suggesting
class Session:
    """Trains, prunes and retrains a network by a recipe.

    Args:
        recipe: all settings of the run; by default ``Recipe()``.
        model: a custom module instead of the recipe's model. It is trained in place.
        data: custom data instead of the recipe's: a ``Data``, or (train, test), each a pair of tensors or a map-style
            dataset.
        loss: what is trained for. None: cross-entropy, for classification. "mse" for regression, "bce" for one output
            that says yes or no, or several (scores, no sigmoid); or a function (output, target) -> mean over a batch.
        metric: what stands where accuracy would; higher is better. None: accuracy, for "mse" R2, for "bce" with several
            outputs exact match. A name, a function (output, target) -> 0 to 1 of the whole test set, or a ``Metric``.
        trained: the custom model is trained already. The session starts after dense training, in the phase "trained",
            with the accuracy that the model has on the test data.
        directory: folder to save in after every phase. None: nothing is saved.
        owners: {dropout name: layer name}, where the forward order does not show which layer a dropout belongs to. The
            others are found by the session.
        masks: masks of the custom model; what they cut is zero from the start, and stays so. None: the zeros that its
            weights have are taken as cut, and stay zero; layers of zeros alone are taken as dense. ``Masks(model)``
            takes all of it as dense.

    Warns:
        PrunelabWarning: many weights have no mask, some dropout keeps its rate, or a model that is not trained has
            zeros that are taken as cut.

    Raises:
        SessionError: model, data, loss and metric do not fit each other, masks of another model, or ``trained`` or
            ``masks`` without a model.
        ValueError: the model has nothing to prune, or a name matches nothing.
    """

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
        if masks is not None and model is None:
            raise SessionError("masks=: the network that they are of is needed too; give it, model=...")
        recipe = recipe or Recipe()
        self.recipe = validation.recipe_of(recipe, model, data)
        self.data = validation.data_of(recipe, data, classes=objectives.takes_classes(loss, metric))
        functions = objectives.loss_and_metric(loss, metric, self.data.train_y)
        self.objective = functions.objective
        self.loss, self.metric = loss, metric  # as given
        self.directory = None if directory is None else Path(directory)
        self.model = model if model is not None else validation.model_of(self.recipe, self.data)
        self._train, self._test = validation.tensors(self.model, self.data)
        x, y = self._test
        validation.check(self.model, self.data, (x[:2], y[:2]), self.recipe.batch_size, functions)
        masks = validation.masks_of(self.model, masks, fresh=not trained)
        self._pruned = PrunedModel(self.model, masks, self._train[0][:2], owners)
        self._pruned.warn(adjusted=recipe.adjust_dropout)
        self._trainer = Trainer(self._pruned, self.recipe, self._train, self._test, functions)
        self._pruner = Pruner(self._pruned, self._train[0], self._test, functions)
        self._threads = torch_state.threads_for(self.masks.total, self.recipe.batch_size)
        self._streams = Streams(self._threads)
        planning.check(self.masks, self.recipe)

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

    @property
    def masks(self) -> Masks:
        """The masks of ``model``."""
        return self._pruned.masks

    @property
    def subject(self) -> Subject:
        """The names of model and data, and of each module whether it is pruned, and why."""
        return subject_of(self.recipe, self.model, self.data, self.masks, self._train[0][:2])

    @property
    def step(self) -> int:
        """Training steps in the current phase so far."""
        return self._trainer.at.number

    @property
    def clock(self) -> int:
        """Training steps since the start of the session, over all phases."""
        return self._trainer.at.clock

    # The stream

    def __iter__(self) -> Iterator[Snapshot]:
        return self.run()

    def run(self) -> Iterator[Snapshot]:
        """Do the rest of the recipe: train, then prune and retrain, round after round.

        Returns:
            A stream of snapshots. Nothing runs until it is iterated; leave it at any snapshot to pause.

        Raises:
            Diverged: a loss or a weight became NaN or infinite.
        """
        return self._snapshots(self.ticks("run"))

    def train(self) -> Iterator[Snapshot]:
        """Dense training, from the start or from where it was left.

        Returns:
            A stream of snapshots, as ``run`` gives.

        Raises:
            SessionError: dense training is over.
            Diverged: a loss or a weight became NaN or infinite.
        """
        return self._snapshots(self.ticks("train"))

    def retrain(self) -> Iterator[Snapshot]:
        """Retrain the survivors in the current round: from the start, from where it was left, or once more.

        Returns:
            A stream of snapshots, as ``run`` gives.

        Raises:
            SessionError: nothing has been pruned yet.
            Diverged: a loss or a weight became NaN or infinite.
        """
        return self._snapshots(self.ticks("retrain"))

    def ticks(self, what: str) -> Iterator[Snapshot | None]:
        """The stream of "train", "retrain" or "run", one item per batch or part of a test.

        For callers that decide after every batch whether to go on: stop iterating, and the session is paused.

        Args:
            what: "train", "retrain" or "run".

        Returns:
            A stream of items: a Snapshot at most every 80 ms and at the end of each phase, None for all other batches.

        Raises:
            ValueError: ``what`` is another name.
            SessionError: this step cannot follow the current phase; or, while iterating, the session was changed
                since the last item (pruned, restored, or continued by another stream).
            Diverged: a loss or a weight became NaN or infinite.
        """
        streams = {"train": self._training, "retrain": self._retraining, "run": self._run_all}
        if what not in streams:
            raise ValueError(f"{what!r}: must be train, retrain or run")
        phases.check(what, self.phase)
        return self._streams.begin(streams[what]())

    def _snapshots(self, ticks: Iterator[Snapshot | None]) -> Iterator[Snapshot]:
        return (snapshot for snapshot in ticks if snapshot is not None)

    def _run_all(self) -> Iterator[Snapshot | None]:
        if self.phase in ("new", "training"):
            yield from self._training()
        while True:
            if self.phase in ("pruned", "retraining"):
                yield from self._retraining()
            if self.round >= self.recipe.rounds:
                return
            yield from self._pruning(None)

    def _training(self) -> Iterator[Snapshot | None]:
        yield from self._learning("training", self.recipe.epochs, self.recipe.learning_rate)
        self._dense_accuracy = self._trainer.tested.accuracy
        yield self._settle("trained")

    def _retraining(self) -> Iterator[Snapshot | None]:
        rate = self.recipe.learning_rate * self.recipe.retrain_rate
        yield from self._learning("retraining", self.recipe.retrain_epochs, rate)
        yield self._settle("retrained")

    def _learning(self, phase: Phase, epochs: int, rate: float) -> Iterator[Snapshot | None]:
        if self.phase != phase:
            self.phase, self._phase_recipe = phase, self.recipe
            self._trainer.begin(epochs, rate, f"{phase}, round {self.round}")
        pace = SnapshotRate()
        with self._going_back():
            for _ in self._trainer.advance():
                snapshot = None
                if pace.due():
                    self._trainer.check()
                    snapshot = pace.take(self._record)
                yield snapshot

    @contextlib.contextmanager
    def _going_back(self) -> Iterator[None]:
        """When the trainer goes back to its last good state, the history does, too."""
        try:
            yield
        except Diverged:
            self.history = History([s for s in self.history if s.clock <= self.clock])
            raise

    def _settle(self, phase: Phase) -> Snapshot:
        """End a phase: record a snapshot, and save where there is a directory."""
        self.phase = phase
        snapshot = self._record()
        if self.directory is not None:
            self.save(self.directory)
        return snapshot

    def change(self, recipe: Recipe) -> None:
        """Continue with another recipe.

        Args:
            recipe: may differ in how to prune and retrain.

        Raises:
            SessionError: it differs in a field that dense training depends on: that takes a new session.
        """
        fixed = self.recipe.training_differences(recipe)
        if fixed:
            raise SessionError(f"{', '.join(fixed)}: dense training depends on it; start a new session")
        planning.check(self.masks, recipe)
        self.recipe = recipe

    def steps_left(self, what: str) -> int:
        """Training steps that are left to do for "train", "retrain" or "run"."""
        here = self._steps - self.step
        if self.phase in ("trained", "retrained"):
            here = self._planned(self.recipe.retrain_epochs) if what == "retrain" else 0
        rounds = max(self.recipe.rounds - self.round, 0) if what == "run" else 0
        return here + rounds * self._planned(self.recipe.retrain_epochs)

    @property
    def _steps(self) -> int:
        """Steps of this phase, 0 if it has none. Fixed when it begins: a changed recipe holds from the next phase."""
        if self._trainer.course is not None:
            return self._trainer.at.total
        epochs = {"new": self.recipe.epochs, "pruned": self.recipe.retrain_epochs}
        return self._planned(epochs.get(self.phase, 0))

    def _planned(self, epochs: int) -> int:
        return epochs * self._trainer.at.per_epoch

    # Pruning

    def plan(self, quality: TargetLike = None, *, density: PerLayer | None = None) -> Plan:
        """What the next ``prune`` with the same arguments would cut. Changes nothing."""
        return self._pruner.plan(self.recipe, self._upcoming, Target.given(quality, density))

    @property
    def _upcoming(self) -> int:
        """The round that the next prune belongs to: still the current one if nothing was retrained since the last."""
        return self.round if self.phase == "pruned" else self.round + 1

    def prune(self, quality: TargetLike = None, *, density: PerLayer | None = None) -> Snapshot:
        """Cut: by the recipe's rule for the next round, or below ``quality`` x deviation, or to ``density``.

        Adjusts dropout and recomputes batch norm statistics, as the recipe says. Pruning twice without retraining in
        between cuts deeper in the same round. Ends all streams of the session.

        Args:
            quality: threshold in units of a layer's standard deviation, >= 0: one for all layers, {layer: quality}, or
                a Target (a quality or a density). None: see ``density``.
            density: fraction of the weights to keep, 0 to 1: one for all layers, or {layer: density}; layers that are
                not named stay unchanged. None, too: the recipe's target for the round.

        Returns:
            The snapshot after the cut, with the phase "pruned".

        Raises:
            SessionError: the network is untrained.
        """
        self._streams.end()
        with torch_state.threads(self._threads):
            *_, snapshot = self._pruning(Target.given(quality, density))
        assert snapshot is not None
        return snapshot

    def _pruning(self, manual: Target | None) -> Iterator[Snapshot | None]:
        phases.check("prune", self.phase)
        outcome = yield from self._pruner.prune(self.recipe, self._upcoming, manual)
        self._phase_recipe, self._target = self.recipe, outcome.target
        if self.phase != "pruned":
            self.round += 1
        self._trainer.leave()
        self._trainer.note(outcome.tested)
        yield self._settle("pruned")

    def preview(
        self,
        quality: TargetLike = None,
        *,
        density: PerLayer | None = None,
        samples: int | None = None,
        seconds: float | None = None,
        recipe: Recipe | None = None,
    ) -> Snapshot:
        """The snapshot that ``prune`` would lead to, with the phase "preview". Changes nothing.

        Args:
            quality: as for ``prune``.
            density: as for ``prune``.
            samples: measure accuracy on at most this number of test samples: a fixed random subset. If these are not
                all, ``exact`` is False and ``predicted`` is empty. None: on all.
            seconds: measure on no more of them than can be tested in about this time. None: whatever it takes.
            recipe: preview as if ``change(recipe)`` had been called. None: the session's recipe.
        """
        *_, snapshot = self.previewing(quality, density=density, samples=samples, seconds=seconds, recipe=recipe)
        assert snapshot is not None
        return snapshot

    def previewing(
        self,
        quality: TargetLike = None,
        *,
        density: PerLayer | None = None,
        samples: int | None = None,
        seconds: float | None = None,
        recipe: Recipe | None = None,
    ) -> Iterator[Snapshot | None]:
        """``preview`` in parts: None after each part of the test but the last, then the snapshot. Stop to give up."""
        manual = Target.given(quality, density)
        parts = self._pruner.preview(recipe or self.recipe, self._upcoming, manual, samples, seconds)
        while True:
            with torch_state.threads(self._threads):
                try:
                    next(parts)
                except StopIteration as end:
                    snapshot = self._snapshot("preview", end.value)
                    break
            yield None
        yield snapshot

    def cut_copy(
        self, quality: TargetLike = None, *, density: PerLayer | None = None, recipe: Recipe | None = None
    ) -> nn.Module:
        """A copy of the model as ``prune`` would leave it. Changes nothing.

        Args:
            quality: as for ``prune``.
            density: as for ``prune``.
            recipe: as for ``preview``.
        """
        with torch_state.threads(self._threads):
            return self._pruner.cut_copy(recipe or self.recipe, self._upcoming, Target.given(quality, density))

    # Looking

    def snapshot(self) -> Snapshot:
        """The current state of the session as a Snapshot. Not added to ``history``."""
        return self._snapshot(self.phase, Outcome(self._phase_recipe, None, self._target, self._trainer.tested, True))

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
        )

    # Saving

    def save(self, directory: str | Path) -> None:
        """Write all that is needed to continue bit for bit. Atomic: the old session or the new one, never half of one.

        Args:
            directory: folder to write to; made if it is missing.

        Raises:
            StorageError: it cannot be written; what was saved before is intact.
            Diverged: a weight is NaN or infinite. The session is back at its last good state, and nothing is written:
                training could not continue from such a state.
        """
        if self.phase in ("training", "retraining"):
            with self._going_back():
                self._trainer.check()
        checkpoint.write(Path(directory), self.state(), self.recipe)

    @classmethod
    def load(
        cls,
        directory: str | Path,
        *,
        model: nn.Module | None = None,
        data: Data | tuple[Any, Any] | None = None,
        loss: LossLike = None,
        metric: MetricLike = None,
        masks: Masks | None = None,
    ) -> Self:
        """Read what ``save`` wrote. The session goes on saving into ``directory``.

        Args:
            directory: folder that ``save`` wrote to.
            model: needed where the session had a custom model.
            data: needed where the session had custom data.
            loss: needed where the session had a function as loss; a name is known.
            metric: needed where the session had a function as metric; a name is known.
            masks: of the custom model, where the session's named its outputs; else they are made from the folder.

        Raises:
            StorageError: the folder is damaged, holds something else, is of a newer version, or does not fit the model,
                data, loss and metric.
            SessionError: the custom model, data, loss or metric is missing.
        """
        state, recipe = read_state(Path(directory))
        for what, given in (("model", model), ("data", data)):
            if getattr(recipe, what) == OWN and given is None:
                raise SessionError(f"this session was made with a {what} of your own: give it again, {what}=...")
        loss, metric = validation.again(state["session"], loss, metric)
        try:
            if model is not None and masks is None:
                masks = Masks(model, layers=[name for name in state["model"]["masks"] if not name.endswith(DEVIATION)])
        except ValueError as error:
            raise errors.StorageError(f"{directory} does not fit this model and data: {error}") from error
        session = cls(recipe, model=model, data=data, loss=loss, metric=metric, directory=directory, masks=masks)
        try:
            session.restore(state)
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise errors.StorageError(f"{directory} does not fit this model and data: {error}") from error
        return session

    def state(self) -> dict[str, Any]:
        """A copy of all that changes, for ``restore``: {part: tensors, JSON types and snapshots}.

        Each part is checked against the SCHEMA in its module: session_state, trainer, pruned_model.
        """
        return {
            "session": {
                "phase": self.phase,
                "round": self.round,
                "dense_accuracy": self._dense_accuracy,
                "target": None if self._target is None else self._target.to_dict(),
                **validation.identity(self.data),
                **({} if self.objective == CLASSIFYING else {"objective": self.objective.to_dict()}),
            },
            "trainer": self._trainer.state(),
            "model": self._pruned.state(),
            "history": list(self.history),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set the session to what ``state`` returned.

        Raises:
            KeyError, RuntimeError, ValueError: it is the state of a session with another model or other data.
        """
        values = state["session"]
        validation.check_same(self.data, values)
        validation.check_objective(self.objective, values)
        self._streams.end()
        self._pruned.restore(state["model"])
        self._trainer.restore(state["trainer"])
        self.phase, self.round, self._dense_accuracy = values["phase"], values["round"], values["dense_accuracy"]
        self._target = None if values["target"] is None else Target(**values["target"])
        self.history = History(state["history"])
        self._phase_recipe = self.history[-1].recipe if len(self.history) else self.recipe
