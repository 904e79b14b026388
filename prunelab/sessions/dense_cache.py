"""Dense networks that were trained before, so that nobody waits twice for the same training.

A network is found by all that its bits depend on: the recipe's fields for dense training, the versions of prunelab,
torch and the format, and how this machine computes. What is kept is the session's whole state at the end of training.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from filelock import BaseFileLock

from prunelab._version import __version__
from prunelab.disk import claim, private_folder, remove_oldest
from prunelab.errors import ClaimedError, StorageError
from prunelab.recipe import OWN, TRAINING_FIELDS, Recipe
from prunelab.sessions import checkpoint
from prunelab.sessions.session_state import read_state

SWITCH = "PRUNELAB_DENSE_CACHE"  # environment variable: "off" turns the cache off
LARGEST = 500 * 2**20  # bytes of all networks together
OLDEST = 30 * 86400.0  # seconds after its last use that a network is kept
LOOK_EVERY = 0.25  # seconds between two looks whether another process has finished a training


class DenseCache:
    """The networks in ``folder``, by default in the user's cache. Thread-safe."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = private_folder("dense") if folder is None else folder
        self._turn: tuple[str, BaseFileLock] | None = None  # (key, lock) of the network that this process trains

    @classmethod
    def if_wanted(cls) -> DenseCache | None:
        """The user's cache; None if it is switched off."""
        return None if os.environ.get(SWITCH, "").lower() == "off" else cls()

    def find(self, recipe: Recipe) -> dict[str, Any] | None:
        """The state of a session by ``recipe`` at the end of dense training, for ``Session.restore``; None if there is
        none. One that cannot be read is removed.
        """
        path = self.folder / key(recipe)
        if not cacheable(recipe) or not (path / checkpoint.INDEX).exists():
            return None
        try:
            state, made_by = read_state(path)
        except StorageError:  # damaged, or removed by another process meanwhile: trained anew
            shutil.rmtree(path, ignore_errors=True)
            return None
        with suppress(OSError):  # removed by another process since it was read
            os.utime(path / checkpoint.INDEX)  # used now: the cap removes what was not used for longest
        if made_by != recipe:  # the same network, but to be pruned otherwise
            state["history"] = [replace(s, recipe=recipe, rounds=recipe.rounds) for s in state["history"]]
        return state

    def keep(self, state: Mapping[str, Any], recipe: Recipe) -> None:
        """Keep a session's state at the end of dense training. Raises StorageError if that fails."""
        if state["session"]["phase"] == "trained" and cacheable(recipe) and _whole(state, recipe):
            path = self.folder / key(recipe)
            if not (path / checkpoint.INDEX).exists():
                checkpoint.write(path, state, recipe)
                remove_oldest(self.folder, age=OLDEST, size=LARGEST, now=time.time())
        self.give_up()

    def take_turn(self, recipe: Recipe) -> bool:
        """Tell other processes that this one trains this network; False if another one does already."""
        self.give_up()
        if not cacheable(recipe):
            return True
        try:
            self._turn = key(recipe), claim(self.folder / f"{key(recipe)}.turn", patience=0.0)
        except ClaimedError:
            return False
        return True

    def give_up(self) -> None:
        """This process trains no network for the cache any more."""
        if self._turn is not None:
            self._turn[1].release()
            self._turn = None

    def wait(self, recipe: Recipe, needed: threading.Event) -> None:
        """Block until the network is there or no other process trains it any more, or ``needed`` is set."""
        while not (self.folder / key(recipe) / checkpoint.INDEX).exists() and not self.take_turn(recipe):
            if needed.wait(LOOK_EVERY):
                return


def cacheable(recipe: Recipe) -> bool:
    """Whether the recipe alone determines the network: nothing in it is somebody's own."""
    return OWN not in (recipe.data, recipe.model)


def key(recipe: Recipe) -> str:
    """32 hexadecimal digits that identify a dense network and all that its bits depend on."""
    early = {} if recipe.early_epoch is None else {"early": recipe.early_epoch}
    parts = {
        "recipe": {name: getattr(recipe, name) for name in TRAINING_FIELDS} | early,
        "versions": [__version__, torch.__version__, checkpoint.FORMAT],
        "machine": [platform.machine(), torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _whole(state: Mapping[str, Any], recipe: Recipe) -> bool:
    """Whether the training was done as the recipe says, to its end."""
    at = state["trainer"]["at"]
    return bool(at["number"] == at["total"] > 0 and at["total"] % recipe.epochs == 0)
