"""Opens the lab's sessions, new ones by a recipe or the saved one, and saves them as they go."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from filelock import BaseFileLock
from torch import nn

from prunelab import data as data_module
from prunelab.data import Data
from prunelab.disk import claim
from prunelab.errors import StorageError, collected
from prunelab.lab.worker.run_state import RunState
from prunelab.lab.worker.visit import Visit
from prunelab.pruning.copies import copied
from prunelab.pruning.masks import Masks
from prunelab.recipe import DEPENDENT, TRAINING_FIELDS, Recipe
from prunelab.sessions import checkpoint
from prunelab.sessions.checkpoint import INDEX
from prunelab.sessions.dense_cache import DenseCache
from prunelab.sessions.session import Session
from prunelab.sessions.session_state import read_state
from prunelab.training.objective import LossLike, MetricLike

DENSE = "dense"  # subfolder of a session's folder: the session at the end of dense training


class SessionSource(Protocol):
    """Opens sessions; the methods are explained in ``SessionOpener``."""

    cache: DenseCache | None

    def saved(self) -> Session | None: ...

    def dense(self, recipe: Recipe) -> dict[str, Any] | None: ...

    def keep_dense(self, state: Mapping[str, Any], recipe: Recipe, *, compared: bool = False) -> None: ...

    def new(self, recipe: Recipe, *, cached: bool = False) -> Session: ...

    def aside(self, recipe: Recipe) -> Session: ...

    def enter(self, visit: Visit) -> None: ...

    def keep(self, session: Session, run: RunState, *, ended: bool) -> None: ...

    def notice(self) -> str | None: ...

    def close(self) -> None: ...


class SessionOpener:
    """Opens new and saved sessions, and locks their folder against other processes.

    model, data, loss, metric: custom ones, or None. trained: the custom model is trained already. masks: of it, or
    None. directory: where to save after every phase and to continue from; None: nothing is saved.

    A saved session is never overwritten by another one: a new network goes into a new folder beside it. A visit (see
    ``enter``) is a page rather than a session: there a new network takes the place of the old one.

    cache: dense networks that were trained before; None: all are trained anew.
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
        masks: Masks | None = None,
    ) -> None:
        self._model, self._masks = model, masks
        self._said: list[str] = []  # warnings about the latest session
        self._loss, self._metric = loss, metric
        self._trained = trained
        self._data = data
        self.directory = self._requested = directory
        self.cache: DenseCache | None = None
        self._visit: Visit | None = None
        self._lock: BaseFileLock | None = None
        self._loaded: tuple[tuple[str, int], Data] | None = None

    def saved(self) -> Session | None:
        """The session in the folder, None if there is none. StorageError if it cannot be read or is in use.

        A training that other processes may wait for is given up.
        """
        if self.cache is not None:
            self.cache.give_up()
        if self._visit is not None:
            source = self._visit.source
        else:
            source = self.directory
            if source is not None:
                self._claim(source)
        if source is None or not (source / INDEX).exists():
            return None
        model, masks = self._copies()
        with collected() as self._said:
            session = Session.load(
                source, model=model, data=self._data, loss=self._loss, metric=self._metric, masks=masks
            )
        session.directory = self.directory  # a visit is saved by ``keep``
        return session

    def dense(self, recipe: Recipe) -> dict[str, Any] | None:
        """The saved state at the end of dense training by ``recipe``; None if it was not saved."""
        source = self._visit.source if self._visit is not None else self.directory
        if source is None or not (source / DENSE / INDEX).exists():
            return None
        state, made_by = read_state(source / DENSE)
        return state if recipe.trains_like(made_by) else None

    def keep_dense(self, state: Mapping[str, Any], recipe: Recipe, *, compared: bool = False) -> None:
        """Save a session's state at the end of dense training. StorageError if that fails.

        compared: it is of a comparison, whose runs do not take the place of the network that is saved.
        """
        if self.cache is not None:
            self.cache.keep(state, recipe)
        if compared:
            return
        folder = self._visit.folder if self._visit is not None else self.directory
        if folder is not None:
            checkpoint.write(folder / DENSE, state, recipe)

    def enter(self, visit: Visit) -> None:
        """From now on all is saved in this visit."""
        self._visit = visit

    def keep(self, session: Session, run: RunState, *, ended: bool) -> None:
        """Save the session as it is, and in a visit what else is under way. Raises StorageError if that fails.

        ended: a phase has ended, at which a session with a folder of its own is saved by itself.
        """
        if self._visit is not None:
            session.save(self._visit.folder)
            self._visit.keep_run(run)
        elif session.directory is not None and not ended:
            session.save(session.directory)

    def new(self, recipe: Recipe, *, cached: bool = False) -> Session:
        """A new session by ``recipe``, on a copy of the custom model if there is one.

        cached: if its dense network was trained before, the session begins at the end of that training.
        """
        with collected() as self._said:
            session = self._opened(recipe)
        if self.cache is not None:
            known = self.cache.find(session.recipe) if cached else None
            if known is not None:
                session.restore(known)
            else:
                with suppress(StorageError):  # a full disk: no other process is told, and the network is trained
                    self.cache.take_turn(session.recipe)
        if self.directory is not None:
            taken = (self.directory / INDEX).exists()
            self._claim(_beside(self.directory) if taken else self.directory)
            session.directory = self.directory
        return session

    def aside(self, recipe: Recipe) -> Session:
        """A new session by ``recipe`` beside the page's. Nothing of it is saved, and what it warns of is known."""
        with collected():
            return self._opened(recipe)

    def _opened(self, recipe: Recipe) -> Session:
        data = self._data
        if data is None:
            key = (recipe.data, recipe.seed)
            if self._loaded is None or self._loaded[0] != key:
                self._loaded = (key, data_module.load(recipe.data, seed=recipe.seed))
            data = self._loaded[1]
        model, masks = self._copies()
        return Session(
            recipe, model=model, data=data, loss=self._loss, metric=self._metric, trained=self._trained, masks=masks
        )

    def _copies(self) -> tuple[nn.Module | None, Masks | None]:
        """Copies of the custom model and of its masks, which belong together."""
        model, masks = copied((self._model, self._masks))
        return model, masks

    def notice(self) -> str | None:
        """What the user should know about the session's network, and about where it is saved; None: nothing."""
        said = [f"{text[:1].upper()}{text[1:]}." for text in self._said]
        if self._visit is not None:
            said += [self._visit.notice] if self._visit.notice else []
        elif self.directory != self._requested:
            said.append(
                f"This network is saved in {self.directory}: {self._requested} holds another one, which stays as it is."
            )
        return "\n".join(said) or None

    def close(self) -> None:
        """Release the locks on all folders."""
        self._release()
        if self._visit is not None:
            self._visit.close()
        if self.cache is not None:
            self.cache.give_up()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _claim(self, directory: Path) -> None:
        if self._lock is not None and directory == self.directory:
            return
        lock = claim(directory)
        self._release()
        self.directory, self._lock = directory, lock


def _beside(directory: Path) -> Path:
    """The first of name-2, name-3, ... that holds no session."""
    stem, _, number = directory.name.rpartition("-")
    base, first = (stem, int(number) + 1) if stem and number.isdecimal() else (directory.name, 2)
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
    possible = recipe.early_epoch in (None, session.recipe.early_epoch) and recipe.rewind_epoch < values["epochs"]
    if recipe.rewind != "none" and not possible:  # the session's network was not trained for it
        values |= {"rewind": session.recipe.rewind, "rewind_epoch": session.recipe.rewind_epoch}
    # Whether a value was left to the usual, the recipe says that it comes from; if it is that of both, ``recipe``.
    usual = [n for n in DEPENDENT if n in (recipe if values[n] == getattr(recipe, n) else session.recipe).usual]
    return Recipe.from_dict({**values, "usual": usual}), unknown
