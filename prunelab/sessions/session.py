"""Dense training, then rounds of prune and retrain, as a stream of Snapshots.

The same code runs in a script and behind the dashboard. Between two batches a session is always consistent: after any
snapshot, or any item of ``ticks``, it can be saved, inspected, pruned manually, and continued. No random state is
stored: shuffling and dropout depend on the seed and the step alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from prunelab import torch_state
from prunelab.errors import Diverged as Diverged
from prunelab.errors import SessionError
from prunelab.formatting import suggesting
from prunelab.pruning import planning
from prunelab.recipe import PerLayer, Recipe, Target
from prunelab.results.snapshot import Phase, Snapshot
from prunelab.sessions import courses, phases
from prunelab.sessions.session_previews import SessionPreviews, TargetLike
from prunelab.sessions.session_saving import SessionSaving
from prunelab.sessions.snapshot_rate import SnapshotRate
from prunelab.sessions.trainer import Course
from prunelab.sessions.validation import loss_checks


@suggesting
class Session(SessionPreviews, SessionSaving):
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

    def finish(self, what: str = "run") -> Snapshot:
        """Do all of ``what`` in one call: "train", "retrain" or, by default, the rest of the recipe.

        Returns:
            The snapshot at the end, the last of the history.

        Raises:
            ValueError: ``what`` is another name.
            SessionError: this step cannot follow the current phase.
            Diverged: a loss or a weight became NaN or infinite.
        """
        for _ in self.ticks(what):
            pass
        return self.snapshot()

    def ticks(self, what: str) -> Iterator[Snapshot | None]:
        """The stream of "train", "retrain" or "run", one item per batch or part of a test.

        For callers that decide after every batch whether to go on: stop iterating, and the session is paused.

        Args:
            what: "train", "retrain" or "run".

        Returns:
            A stream with a Snapshot at most every 80 ms and at the end of each phase, None for all other batches.

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
        if self.round > 0 and self.phase != "retraining":
            self._check_early()
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
        if self.phase != "training":
            course = Course(self.recipe.learning_rate, "training, round 0")
            self._trainer.begin(courses.dense(self.recipe, self._trainer.at), course)
            self._enter("training")
            self._keep_early()
        for item in self._learning():
            self._keep_early()
            yield item
        self._dense_accuracy = self._trainer.tested.accuracy
        yield self._settle("trained")

    def _keep_early(self) -> None:
        """Keep the weights of this step of dense training if they are those to rewind to."""
        epoch, at = self._phase_recipe.early_epoch, self._trainer.at
        if epoch is not None and at.number == epoch * at.per_epoch and not self._pruned.early:
            self._pruned.keep_early()

    def _check_early(self) -> None:
        if self.recipe.rewind == "weights" and not self._pruned.early:
            raise SessionError(
                f"rewind = 'weights': dense training was left before epoch {self.recipe.rewind_epoch} was over, whose "
                "weights are needed; take rewind='rate', or train again"
            )

    def _retraining(self) -> Iterator[Snapshot | None]:
        if self.phase != "retraining":
            recipe, goes_on = self.recipe, self._goes_on
            if recipe.rewind == "weights":
                self._check_early()
                tested = yield from self._pruner.rewind(recipe)
                self._trainer.leave()
                self._trainer.note(tested)
            start = courses.retraining(recipe, self._trainer.at, self.round)
            name = f"retraining, round {self.round}"
            course = Course(
                courses.retraining_rate(recipe), name, courses.goes_on(recipe, self.round), recipe.distill,
                courses.constant_rate(recipe),
            )  # fmt: skip
            self._trainer.begin(start, course, goes_on=goes_on)
            self._enter("retraining")
        yield from self._learning()
        yield self._settle("retrained")

    @property
    def _goes_on(self) -> bool:
        """Whether the next cut or retraining is within the learning-rate cycle of the one before."""
        return self.recipe.gradual and self._phase_recipe.gradual and self.round > 0

    def _enter(self, phase: Phase) -> None:
        self.phase, self._phase_recipe = phase, self.recipe

    def _learning(self) -> Iterator[Snapshot | None]:
        pace = SnapshotRate()
        with self._going_back():
            self._follow_masks()
            for _ in self._trainer.advance():
                snapshot = None
                if pace.due():
                    self._trainer.check()
                    snapshot = pace.take(self._record)
                yield snapshot
                self._follow_masks()

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
            TypeError: it is no recipe, such as a dict of what is to change.
        """
        if not isinstance(recipe, Recipe):
            raise TypeError(f"recipe is a {type(recipe).__name__}: must be a Recipe, session.recipe.changed(...)")
        fixed = self.recipe.training_differences(recipe)
        if fixed:
            raise SessionError(f"{', '.join(fixed)}: dense training depends on it; start a new session")
        planning.check(self.masks, recipe)
        loss_checks.check_distillation(recipe, self.objective)
        if recipe.distill and self.round > 0 and not self._pruned.dense:
            raise SessionError(
                f"distill = {recipe.distill:g}: the dense network was not kept at the first cut, and is gone; "
                "go back to it, or start a new session"
            )
        self.recipe = recipe

    # Pruning

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
            Diverged: what is left would give outputs that are not finite. Nothing was cut.
        """
        self._streams.end()
        with torch_state.threads(self._threads):
            *_, snapshot = self._pruning(Target.given(quality, density))
        assert snapshot is not None
        return snapshot

    def _pruning(self, manual: Target | None) -> Iterator[Snapshot | None]:
        phases.check("prune", self.phase)
        outcome = yield from self._pruner.prune(self.recipe, self._upcoming, manual, first=self.round == 0)
        self._trainer.leave(goes_on=self._goes_on)
        self._phase_recipe, self._target = self.recipe, outcome.target
        if self.phase != "pruned":
            self.round += 1
        self._trainer.note(outcome.tested)
        self._revision = self.masks.revision
        yield self._settle("pruned")
