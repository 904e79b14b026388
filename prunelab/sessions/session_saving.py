"""Saving a session, and going on from what was saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from torch import nn

from prunelab import errors
from prunelab.data import Data
from prunelab.errors import SessionError
from prunelab.pruning.masks import DEVIATION, Masks
from prunelab.recipe import OWN, Target
from prunelab.results.history import History
from prunelab.results.objective import CLASSIFYING
from prunelab.sessions import checkpoint
from prunelab.sessions.session_core import SessionCore
from prunelab.sessions.session_state import read_state
from prunelab.sessions.validation import provenance
from prunelab.training.objective import LossLike, MetricLike


class SessionSaving(SessionCore):
    """The state of a session as a value, and on disk."""

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
        loss, metric = provenance.again(state["session"], loss, metric)
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
        self._follow_masks()
        return {
            "session": {
                "phase": self.phase,
                "round": self.round,
                "dense_accuracy": self._dense_accuracy,
                "target": None if self._target is None else self._target.to_dict(),
                **provenance.identity(self.data),
                **({} if self.objective == CLASSIFYING else {"objective": self.objective.to_dict()}),
                **({"zeros_learn": True} if self._zeros_learn else {}),
            },
            "trainer": self._trainer.state(),
            "model": self._pruned.state(),
            "history": list(self.history),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set the session to what ``state`` returned.

        Raises:
            KeyError, RuntimeError, ValueError: it is the state of a session with another model or other data. Session
                and model are then as they were.
        """
        values = state["session"]
        provenance.check_same(self.data, values)
        provenance.check_objective(self.objective, values)
        self._streams.end()
        before = self.state()
        try:
            self._take(state)
        except Exception:  # torch sets all weights that fit before it names one that does not
            self._take(before)
            raise

    def _take(self, state: Mapping[str, Any]) -> None:
        values = state["session"]
        self._pruned.restore(state["model"])
        self._revision = self.masks.revision
        self._trainer.restore(state["trainer"])
        self.phase, self.round, self._dense_accuracy = values["phase"], values["round"], values["dense_accuracy"]
        self._zeros_learn = values.get("zeros_learn", False)
        self._target = None if values["target"] is None else Target(**values["target"])
        self.history = History(state["history"])
        self._phase_recipe = self.history[-1].recipe if len(self.history) else self.recipe
