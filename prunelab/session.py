"""Session: dense training, then rounds of prune and retrain, as a stream of Snapshots.

The same code runs in a script and behind the dashboard. A session is always at a batch boundary: leave the stream at
any snapshot, or stop pulling ``ticks`` after any batch, and everything is consistent, can be saved, looked at, pruned
by hand, and continued. No random stream is kept: shuffling and dropout follow from seed and step alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from prunelab import inputs, models, storage, training
from prunelab.data import Data
from prunelab.inputs import SessionError
from prunelab.masks import Masks
from prunelab.network import Network
from prunelab.recipe import OWN, TRAINING_FIELDS, Recipe
from prunelab.rules import Plan
from prunelab.snapshot import History, Phase, Snapshot, classes
from prunelab.training import Tested

INTERVAL = 0.08  # seconds between snapshots inside a phase: at least ten a second, with room for one batch
SMOOTHING = 0.95  # of the moving averages over batches


class Diverged(SessionError):
    """The loss stopped being a number. The network is back at its last good state."""


class Session:
    """Train, prune, retrain by a recipe.

    model: your own module instead of the recipe's (it is trained in place); data: your own, as a ``Data`` or as
    (train, test), each a pair of tensors or a map-style dataset. directory: where to save after every phase.
    owners: {dropout: layer} where the forward order does not tell which layer a dropout belongs to.
    Raises SessionError for a model that does not fit the data; ValueError for a model with nothing to prune.
    """

    def __init__(
        self,
        recipe: Recipe | None = None,
        *,
        model: nn.Module | None = None,
        data: Data | tuple[Any, Any] | None = None,
        directory: str | Path | None = None,
        owners: Mapping[str, str] | None = None,
    ) -> None:
        recipe = recipe or Recipe()
        self.recipe = inputs.recipe_of(recipe, model, data)
        self.data = inputs.data_of(recipe, data)
        self.directory = None if directory is None else Path(directory)
        self.model = model if model is not None else self._build()
        device = next((p.device for p in self.model.parameters()), torch.device("cpu"))
        self._train = self.data.train_x.to(device), self.data.train_y.to(device)
        self._test = self.data.test_x.to(device), self.data.test_y.to(device)
        inputs.check(self.model, self.data, self._test[0][:2])
        self._network = Network(self.model, self._train[0][:2], owners)
        self._threads = training.threads_for(self.masks.total, self.recipe.batch_size)
        self._layer_quality = {self.masks.resolve(name): q for name, q in self.recipe.layer_quality}

        self.phase: Phase = "new"
        self.round = 0
        self.step = 0
        self.clock = 0
        self.history = History()
        self._start = 0  # the clock when this phase began: epochs of all phases shuffle differently
        self._optimizer: Optimizer | None = None
        self._averages: tuple[float, float] | None = None
        self._tested: Tested | None = None
        self._dense_accuracy: float | None = None
        self._quality: float | None = None
        self._good: dict[str, Any] | None = None

    def _build(self) -> nn.Module:
        r, data = self.recipe, self.data
        return models.build(
            r.model,
            data.input_shape,
            data.classes,
            dropout=r.dropout,
            batch_norm=r.batch_norm,
            seed=r.seed,
        )

    @property
    def masks(self) -> Masks:
        """The masks of ``model``."""
        return self._network.masks

    # The stream

    def __iter__(self) -> Iterator[Snapshot]:
        return self.run()

    def run(self) -> Iterator[Snapshot]:
        """All that the recipe still has to do: train, then prune and retrain round after round."""
        return self._snapshots(self.ticks("run"))

    def train(self) -> Iterator[Snapshot]:
        """Dense training, from the start or from where it was left."""
        return self._snapshots(self.ticks("train"))

    def retrain(self) -> Iterator[Snapshot]:
        """Retraining of the survivors: of this round, from where it was left, or once more."""
        return self._snapshots(self.ticks("retrain"))

    def ticks(self, what: str) -> Iterator[Snapshot | None]:
        """The stream of "train", "retrain" or "run", one item a batch: a Snapshot every 80 ms, else None.

        For whoever wants to be asked after every batch whether to go on: stop pulling, and the session is paused.
        """
        if what == "train":
            if self.phase not in ("new", "training"):
                raise SessionError(f"dense training is over (phase {self.phase}): prune, or start a new session")
            return self._training()
        if what == "retrain":
            if self.phase not in ("pruned", "retraining", "retrained"):
                raise SessionError(f"nothing has been pruned yet (phase {self.phase}): prune first, then retrain")
            return self._retraining()
        if what == "run":
            return self._everything()
        raise ValueError(f"{what!r}: must be train, retrain or run")

    def _snapshots(self, ticks: Iterator[Snapshot | None]) -> Iterator[Snapshot]:
        return (snapshot for snapshot in ticks if snapshot is not None)

    def _everything(self) -> Iterator[Snapshot | None]:
        if self.phase in ("new", "training"):
            yield from self._training()
        while True:
            if self.phase in ("pruned", "retraining"):
                yield from self._retraining()
            if self.round >= self.recipe.rounds:
                return
            yield self.prune()

    def _training(self) -> Iterator[Snapshot | None]:
        yield from self._epochs("training", "trained", self.recipe.epochs, self.recipe.learning_rate)

    def _retraining(self) -> Iterator[Snapshot | None]:
        rate = self.recipe.learning_rate * self.recipe.retrain_rate
        yield from self._epochs("retraining", "retrained", self.recipe.retrain_epochs, rate)

    def _epochs(self, phase: Phase, end: Phase, epochs: int, rate: float) -> Iterator[Snapshot | None]:
        if self.phase != phase:
            self.phase, self.step, self._start = phase, 0, self.clock
            self._optimizer = None
        if self._optimizer is None:
            self._optimizer = self._network.optimizer(self.recipe, rate)
        if self._tested is None:
            self._tested = training.evaluate(self.model, *self._test)
        self._good = self.state()
        steps = epochs * self._steps_per_epoch
        # Often enough to follow, seldom enough to cost less than a tenth: a test pass against the steps between two.
        every = max(1, 10 * len(self._test[1]) // (3 * self.recipe.batch_size))
        emitted = -math.inf
        order, ordered = torch.empty(0), -1
        with training.threads(self._threads):
            while self.step < steps:
                epoch, index = divmod(self.step, self._steps_per_epoch)
                if epoch != ordered:
                    order, ordered = self._order(epoch), epoch
                self._batch(self._optimizer, order, index, training.cosine(rate, self.step, steps))
                if self.step % every == 0 or self.step == steps:
                    self._tested = training.evaluate(self.model, *self._test)
                    self._good = self.state()
                if self.step == steps:
                    break
                snapshot = None
                if time.monotonic() - emitted >= INTERVAL:
                    snapshot, emitted = self._record(), time.monotonic()
                yield snapshot
        self.phase, self._optimizer, self._good = end, None, None
        if end == "trained":
            assert self._tested is not None
            self._dense_accuracy = self._tested.accuracy
        snapshot = self._record()
        self._autosave()
        yield snapshot

    def _batch(self, optimizer: Optimizer, order: Tensor, index: int, rate: float) -> None:
        last = index == self._steps_per_epoch - 1
        start = index * self.recipe.batch_size
        chosen = order[start:] if last else order[start : start + self.recipe.batch_size]
        for group in optimizer.param_groups:
            group["lr"] = rate
        l1 = self.recipe.strength if self.recipe.regularizer == "l1" else 0.0
        x, y = self._train
        with training.seeded(training.mix(self.recipe.seed, self.clock, 2)):
            loss, right = training.training_step(
                self.model, optimizer, x[chosen], y[chosen], l1=l1, weights=self._network.weights
            )
        if not math.isfinite(loss):
            raise self._diverged(loss, rate)
        accuracy = right / len(chosen)
        old = self._averages or (loss, accuracy)
        self._averages = (
            SMOOTHING * old[0] + (1 - SMOOTHING) * loss,
            SMOOTHING * old[1] + (1 - SMOOTHING) * accuracy,
        )
        self.step += 1
        self.clock += 1

    def _diverged(self, loss: float, rate: float) -> Diverged:
        when = f"{self.phase}, round {self.round}, step {self.step}"
        assert self._good is not None
        self.restore(self._good)
        return Diverged(
            f"the loss became {loss} in {when} (learning rate {rate:.3g}): the run stopped and the network is back at "
            f"step {self.step}, its last good state. Start again with a lower learning_rate."
        )

    def _order(self, epoch: int) -> Tensor:
        return training.shuffled(len(self._train[1]), training.mix(self.recipe.seed, self._start, epoch))

    @property
    def _steps_per_epoch(self) -> int:
        samples, batch = len(self._train[1]), self.recipe.batch_size
        # A single left-over sample joins the batch before it: batch norm cannot learn from one.
        return max(1, math.ceil(samples / batch) - (samples % batch == 1))

    def change(self, recipe: Recipe) -> None:
        """Go on by another recipe from here. It may differ in how to prune and retrain.

        Raises SessionError if it differs in what dense training depends on: that takes a new session.
        """
        values, now = recipe.to_dict(), self.recipe.to_dict()
        fixed = [name for name in TRAINING_FIELDS if values[name] != now[name]]
        if fixed:
            raise SessionError(f"{', '.join(fixed)}: dense training depends on it; start a new session")
        self._layer_quality = {self.masks.resolve(name): q for name, q in recipe.layer_quality}
        self.recipe = recipe

    def steps_left(self, what: str) -> int:
        """Training steps that "train", "retrain" or "run" still has to take from here."""
        train, retrain = (e * self._steps_per_epoch for e in (self.recipe.epochs, self.recipe.retrain_epochs))
        left = {
            "new": train,
            "training": train - self.step,
            "pruned": retrain,
            "retraining": retrain - self.step,
        }
        here = left.get(self.phase, retrain if what == "retrain" else 0)
        return here + (max(self.recipe.rounds - self.round, 0) * retrain if what == "run" else 0)

    # Pruning

    def plan(self, quality: float | None = None) -> Plan:
        """What the next ``prune`` with the same argument would cut, nothing changed."""
        upcoming = self.round if self.phase == "pruned" else self.round + 1
        if quality is None and self.recipe.rule == "density":
            density = self.recipe.density_of_round(upcoming)
            return self.masks.plan(density=density, scope=self.recipe.scope, unit=self.recipe.unit)  # type: ignore[arg-type]
        part = 1.0
        if quality is None:
            quality = self.recipe.quality_of_round(upcoming)
            part = quality / self.recipe.quality if self.recipe.quality else 1.0
        by_layer = dict.fromkeys(self.masks, quality)
        by_layer |= {name: part * own_quality for name, own_quality in self._layer_quality.items()}
        return self.masks.plan(quality=by_layer, std=self.recipe.std)  # type: ignore[arg-type]

    def prune(self, quality: float | None = None) -> Snapshot:
        """Cut: by the recipe's rule for the next round, or below ``quality`` x deviation.

        Adjusts dropout and measures batch norm's statistics again, as the recipe says. Pruning twice without
        retraining in between cuts deeper in the same round. Raises SessionError before any training.
        """
        if self.phase == "new":
            raise SessionError(
                "the network is untrained: pruning by magnitude needs weights that mean something; train"
            )
        self._network.cut(self.plan(quality))
        self._quality = self._asked(quality)
        if self.phase != "pruned":
            self.round += 1
        self.phase, self.step, self._optimizer = "pruned", 0, None
        if self.recipe.adjust_dropout:
            self._network.adjust_dropout()
        with training.threads(self._threads):
            if self.recipe.recalibrate:
                training.recalibrate(self.model, self._train[0])
            self._tested = training.evaluate(self.model, *self._test)
        snapshot = self._record()
        self._autosave()
        return snapshot

    def preview(self, quality: float | None = None, *, samples: int | None = None) -> Snapshot:
        """The snapshot that ``prune`` would lead to, with the phase "preview"; nothing is changed.

        samples: measure accuracy on the first so many test samples only (then ``exact`` is False).
        """
        plan = self.plan(quality)
        twin = self._network.twin(plan)
        x, y = (part[:samples] for part in self._test)
        with training.threads(self._threads):
            if self.recipe.recalibrate:
                training.recalibrate(twin, self._train[0])
            tested = training.evaluate(twin, x, y)
        return self._snapshot("preview", plan, tested, self._asked(quality), exact=len(y) == len(self._test[1]))

    def _asked(self, quality: float | None) -> float | None:
        if quality is not None:
            return quality
        upcoming = self.round if self.phase == "pruned" else self.round + 1
        return self.recipe.quality_of_round(upcoming) if self.recipe.rule == "quality" else None

    # Looking

    def snapshot(self) -> Snapshot:
        """The session as it is now."""
        if self._tested is None:
            self._tested = training.evaluate(self.model, *self._test)
        return self._snapshot(self.phase, None, self._tested, self._quality, exact=True)

    def _record(self) -> Snapshot:
        snapshot = self.snapshot()
        self.history.append(snapshot)
        return snapshot

    def _snapshot(
        self,
        phase: Phase,
        plan: Plan | None,
        tested: Tested,
        quality: float | None,
        *,
        exact: bool,
    ) -> Snapshot:
        epochs = self.recipe.epochs if self.phase in ("new", "training", "trained") else self.recipe.retrain_epochs
        loss, accuracy = self._averages or (None, None)
        return Snapshot(
            phase=phase,
            round=self.round,
            rounds=self.recipe.rounds,
            step=self.step,
            steps=epochs * self._steps_per_epoch,
            clock=self.clock,
            quality=quality,
            train_loss=loss,
            train_accuracy=accuracy,
            test_loss=tested.loss,
            test_accuracy=tested.accuracy,
            dense_accuracy=self._dense_accuracy,
            zeros_hold=self.masks.zeros_hold(),
            exact=exact,
            input_shape=self.data.input_shape,
            layers=self._network.layers(plan),
            dropouts=tuple(self._network.dropouts(plan, adjusted=self.recipe.adjust_dropout)),
            predicted=classes(tested.predicted),
        )

    # Saving

    def save(self, directory: str | Path) -> None:
        """Write everything needed to go on, bit for bit, into ``directory``. Atomic: old or new, never half.

        Raises storage.StorageError when it cannot be written; what was saved before is intact.
        """
        storage.write(Path(directory), self.state(), self.recipe)

    @classmethod
    def load(
        cls,
        directory: str | Path,
        *,
        model: nn.Module | None = None,
        data: Data | tuple[Any, Any] | None = None,
    ) -> Self:
        """Read what ``save`` wrote. model, data: needed where the session had its own. Saves on into ``directory``.

        Raises storage.StorageError for a directory that is damaged, foreign or of a newer version.
        """
        state, recipe = storage.read(Path(directory))
        for what, given in (("model", model), ("data", data)):
            if getattr(recipe, what) == OWN and given is None:
                raise SessionError(f"this session was made with a {what} of your own: give it again, {what}=...")
        session = cls(recipe, model=model, data=data, directory=directory)
        try:
            session.restore(state)
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise storage.StorageError(f"{directory} does not fit this model and data: {error}") from error
        return session

    def _autosave(self) -> None:
        if self.directory is not None:
            self.save(self.directory)

    def state(self) -> dict[str, Any]:
        """A copy of all that changes, to ``restore`` later: nested dicts of tensors, JSON types and snapshots."""
        return {
            "position": [self.phase, self.round, self.step, self.clock, self._start],
            "averages": self._averages,
            "tested": self._tested and [self._tested.loss, self._tested.accuracy],
            "predicted": {} if self._tested is None else {"tested": self._tested.predicted},
            "dense_accuracy": self._dense_accuracy,
            "quality": self._quality,
            "samples": self._samples,
            "history": list(self.history),
            "optimizer": None if self._optimizer is None else storage.optimizer_state(self._optimizer),
            **self._network.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back (or on) to what ``state`` gave. KeyError, RuntimeError or ValueError if it is another session's."""
        if state["samples"] != self._samples:
            raise ValueError(f"made with {state['samples']} training and test samples; these are {self._samples}")
        self._network.restore(state)
        self.phase, self.round, self.step, self.clock, self._start = state["position"]
        self._averages = None if state["averages"] is None else (state["averages"][0], state["averages"][1])
        self._tested = state["tested"] and Tested(*state["tested"], state["predicted"]["tested"])
        self._dense_accuracy, self._quality = state["dense_accuracy"], state["quality"]
        self.history = History(state["history"])
        self._optimizer = None
        if state["optimizer"] is not None:
            self._optimizer = self._network.optimizer(self.recipe, self.recipe.learning_rate)
            storage.restore_optimizer(self._optimizer, state["optimizer"])

    @property
    def _samples(self) -> list[int]:
        return [len(self._train[1]), len(self._test[1])]
