"""Opens the lab's sessions: new ones by a recipe, or the saved one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from filelock import BaseFileLock
from torch import nn

from prunelab import data as data_module
from prunelab.data import Data
from prunelab.disk import claim
from prunelab.recipe import DEPENDENT, TRAINING_FIELDS, Recipe
from prunelab.sessions import checkpoint
from prunelab.sessions.checkpoint import INDEX
from prunelab.sessions.session import Session
from prunelab.sessions.session_state import read_state
from prunelab.training.objective import LossLike, MetricLike

DENSE = "dense"  # subfolder of a session's folder: the session at the end of dense training


class SessionSource(Protocol):
    """Opens sessions; the methods are explained in ``SessionOpener``."""

    def saved(self) -> Session | None: ...

    def dense(self) -> dict[str, Any] | None: ...

    def keep_dense(self, state: Mapping[str, Any], recipe: Recipe) -> None: ...

    def new(self, recipe: Recipe) -> Session: ...

    def notice(self) -> str | None: ...

    def close(self) -> None: ...


class SessionOpener:
    """Opens new and saved sessions, and locks their folder against other processes.

    model, data, loss, metric: custom ones, or None. trained: the custom model is trained already. directory: where to
    save after every phase and to continue from; None: nothing is saved.

    A saved session is never overwritten by another one: a new network goes into a new folder beside it.
    """

    def __init__(
        self,
        model: nn.Module | None,
        data: Data | tuple[Any, Any] | None,
        directory: Path | None,
        *,
        loss: LossLike = None,
        metric: MetricLike = None,
        trained: bool = False,
    ) -> None:
        self._model = model
        self._loss, self._metric = loss, metric
        self._trained = trained
        self._data = data
        self.directory = self._requested = directory
        self._lock: BaseFileLock | None = None
        self._loaded: tuple[tuple[str, int], Data] | None = None

    def saved(self) -> Session | None:
        """The session in the folder, None if there is none. StorageError if it cannot be read or is in use."""
        if self.directory is None:
            return None
        self._claim(self.directory)
        if not (self.directory / INDEX).exists():
            return None
        model = copy.deepcopy(self._model)
        return Session.load(self.directory, model=model, data=self._data, loss=self._loss, metric=self._metric)

    def dense(self) -> dict[str, Any] | None:
        """The saved session's state at the end of dense training; None if it was not saved."""
        if self.directory is None or not (self.directory / DENSE / INDEX).exists():
            return None
        return read_state(self.directory / DENSE)[0]

    def keep_dense(self, state: Mapping[str, Any], recipe: Recipe) -> None:
        """Save a session's state at the end of dense training. StorageError if that fails."""
        if self.directory is not None:
            checkpoint.write(self.directory / DENSE, state, recipe)

    def new(self, recipe: Recipe) -> Session:
        """A new session by ``recipe``, on a copy of the custom model if there is one."""
        data = self._data
        if data is None:
            key = (recipe.data, recipe.seed)
            if self._loaded is None or self._loaded[0] != key:
                self._loaded = (key, data_module.load(recipe.data, seed=recipe.seed))
            data = self._loaded[1]
        session = Session(
            recipe, model=copy.deepcopy(self._model), data=data, loss=self._loss, metric=self._metric,
            trained=self._trained,
        )  # fmt: skip
        if self.directory is not None:
            taken = (self.directory / INDEX).exists()
            self._claim(_beside(self.directory) if taken else self.directory)
            session.directory = self.directory
        return session

    def notice(self) -> str | None:
        """A notice where the session is saved, if that is not the requested folder; else None."""
        if self.directory == self._requested:
            return None
        return f"This network is saved in {self.directory}: {self._requested} holds another one, which stays as it is."

    def close(self) -> None:
        """Release the lock on the folder."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _claim(self, directory: Path) -> None:
        if self._lock is not None and directory == self.directory:
            return
        lock = claim(directory)
        self.close()
        self.directory, self._lock = directory, lock


def _beside(directory: Path) -> Path:
    """The first of name-2, name-3, ... that holds no session."""
    stem, _, number = directory.name.rpartition("-")
    base, first = (stem, int(number) + 1) if stem and number.isdigit() else (directory.name, 2)
    free = (directory.with_name(f"{base}-{n}") for n in count(first))
    return next(path for path in free if not (path / INDEX).exists())


def fitted(session: Session, recipe: Recipe) -> tuple[Recipe, list[str]]:
    """(recipe with the session's training settings, names in ``layer_quality`` that match no layer of the session).

    The qualities of unknown layers are left out: a link may be meant for another network.
    """
    unknown = []
    for name, _ in recipe.layer_quality:
        try:
            session.masks.resolve(name)
        except ValueError:
            unknown.append(name)
    trained = {name: getattr(session.recipe, name) for name in TRAINING_FIELDS}
    known = {name: quality for name, quality in recipe.layer_quality if name not in unknown}
    values = {**recipe.to_dict(), **trained, "layer_quality": known}
    # Whether a value was left to the usual, the recipe says that it comes from; if it is that of both, ``recipe``.
    usual = [n for n in DEPENDENT if n in (recipe if values[n] == getattr(recipe, n) else session.recipe).usual]
    return Recipe.from_dict({**values, "usual": usual}), unknown
