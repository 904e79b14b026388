"""The saved lab of one page, under an id that only its browser knows: reload, and a new kernel goes on from there.

Beside the session (``sessions.checkpoint``) lie ``page.json``, what the controls are set to and what is shown;
``run.json`` with ``runs-<digest>.safetensors``, what was under way, and the runs kept for comparison;
``tradeoff.json``, the trade-off curve; and ``scan.json``, the scan of the network's layers. A folder belongs to one
process at a time. One whose page is gone hands it over to the next that asks; else the next gets a copy.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from filelock import BaseFileLock

from prunelab.disk import LOCK, claim, private_folder, remove_oldest, write_atomically
from prunelab.errors import ClaimedError, RecipeError, StorageError
from prunelab.lab.runs import Run
from prunelab.lab.worker.page_settings import PageSettings
from prunelab.lab.worker.run_state import RunState, Scan
from prunelab.recipe import Recipe
from prunelab.results.tradeoff import Tradeoff
from prunelab.sessions.checkpoint import group, history_in, history_out

KEY = "session"  # of the id, in the visitor's address
ID = re.compile(r"[A-Za-z0-9_-]{32}")
ID_BYTES = 24  # of randomness in an id
PAGE, RUN, CURVE, SCAN, WANTED = "page.json", "run.json", "tradeoff.json", "scan.json", ".wanted"
FORMAT = 1
PATIENCE = 8.0  # seconds for the kernel of a page that was just closed or has vanished to save and let go
OLDEST = 7 * 86400.0  # seconds that a saved lab is kept
SHARED = "shared"  # group of the arrays that several kept runs may have
LARGEST = 2 * 2**30  # bytes of all saved labs together

GONE = "What this address had saved is no longer here: labs are kept for a week. This is a new one."
COPY = "This lab is open in another tab or window. This is a copy of it: what is done here stays here."


class Visit:
    """A claimed folder. source: the folder to go on from, another one for a copy; None if there is nothing saved.

    notice: what the reader should know about it; None if there is nothing.
    """

    def __init__(self, folder: Path, lock: BaseFileLock, source: Path | None, notice: str | None = None) -> None:
        self.folder, self.source, self.notice = folder, source, notice
        self._lock = lock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prunelab-visit")
        self._written: Future[None] | None = None
        self._runs: tuple[Run, ...] | None = None  # those that were written last
        self._described: dict[str, Any] | None = None  # what the index says of them
        self._curve: Tradeoff | None = None  # the one that was written last
        self._scan: Scan | None = None  # the one that was written last

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def wanted(self) -> bool:
        """Whether another process asks for this folder."""
        return (self.folder / WANTED).exists()

    def page(self) -> PageSettings | None:
        """The saved settings of the page; None if there are none. Raises StorageError if they cannot be read."""
        values = _read(self.source, PAGE)
        if values is None:
            return None
        with _damage_told(PAGE):
            return PageSettings.from_dict(values)

    def keep_page(self, page: PageSettings, *, last: bool = False) -> None:
        """Save the settings of the page, on a thread of its own; a save that fails leaves the old ones.

        last: it is written when this returns, and none will follow.
        """
        content = json.dumps({"prunelab_page": FORMAT, **page.to_dict()}).encode()
        if self._written is not None:
            self._written.cancel()  # the latest is enough
        if last:  # threads are not to be had when the interpreter ends
            self._thread.shutdown()
            with contextlib.suppress(OSError):
                self._write(PAGE, content)
            return
        with contextlib.suppress(RuntimeError):  # closed
            self._written = self._thread.submit(self._write, PAGE, content)

    def run(self) -> RunState:
        """What was under way, without kept runs, curve and scan. Raises StorageError if it cannot be read."""
        values = _read(self.source, RUN)
        if values is None:
            return RunState()
        with _damage_told(RUN):
            return RunState.from_dict(values)

    def kept_runs(self) -> tuple[Run, ...]:
        """The runs kept for comparison. They may be saved anew meanwhile, by the lab that this is a copy of: then the
        later ones. Raises StorageError if they cannot be read.
        """
        values = _read(self.source, RUN)
        while True:
            try:
                with _damage_told(RUN):
                    kept = None if values is None else values["runs"]
                    return () if kept is None else _runs_in(self.source, kept["file"], kept["sha256"], kept["runs"])
            except StorageError as error:
                before, values = values, _read(self.source, RUN)
                if not isinstance(error.__cause__, FileNotFoundError) or values == before:
                    raise

    def tradeoff(self) -> Tradeoff | None:
        """The trade-off curve; None if there is none. Raises StorageError if it cannot be read."""
        values = _read(self.source, CURVE)
        with _damage_told(CURVE):
            return None if values is None else Tradeoff.from_dict(values)

    def scan(self) -> Scan | None:
        """The scan of the network's layers; None if there is none. Raises StorageError if it cannot be read."""
        values = _read(self.source, SCAN)
        with _damage_told(SCAN):
            return None if values is None else Scan.from_dict(values)

    def keep_run(self, run: RunState) -> None:
        """Save what is under way. Raises StorageError if that fails; what was saved before is intact."""
        try:
            if run.runs != self._runs:
                self._described = self._write_runs(run.runs) if run.runs else None
                self._runs = run.runs
            values = {"prunelab_run": FORMAT, **run.to_dict(), "runs": self._described}
            self._write(RUN, json.dumps(values).encode())
            if run.tradeoff is not None and run.tradeoff is not self._curve:
                self._write(CURVE, json.dumps(run.tradeoff.to_dict()).encode())
                self._curve = run.tradeoff
            if run.scan is None:
                (self.folder / SCAN).unlink(missing_ok=True)
            elif run.scan != self._scan:
                self._write(SCAN, json.dumps(run.scan.to_dict()).encode())
            self._scan = run.scan
            for old in self.folder.glob("runs-*.safetensors"):
                if self._described is None or old.name != self._described["file"]:
                    old.unlink()
        except OSError as error:
            raise StorageError(
                f"this page could not be saved in {self.folder}: {error.strerror or error}. "
                "It goes on in memory: do not reload it before there is space again."
            ) from error

    def close(self) -> None:
        """Let the folder go."""
        self._thread.shutdown()
        self._lock.release()

    def _write(self, name: str, content: bytes) -> None:
        write_atomically(self.folder / name, content)

    def _write_runs(self, runs: Sequence[Run]) -> dict[str, Any]:
        """Write the arrays of the kept runs; what else is known of them, as JSON types."""
        tensors: dict[str, torch.Tensor] = {}
        described = []
        for run in runs:
            arrays, history = history_out(run.snapshots)
            # All but the counts are named by their content; runs from one dense network have many in common.
            counts = arrays.pop("counts", None)
            if counts is not None:
                tensors[f"{run.number}/counts"] = torch.from_numpy(counts)
            tensors |= {f"{SHARED}/{name}": torch.from_numpy(array) for name, array in arrays.items()}
            described.append({
                "number": run.number, "recipe": run.recipe.to_dict(usual=True), "label": run.label,
                "pinned": run.pinned, "history": history,
            })  # fmt: skip
        blob = safetensors.torch.save({name: t.contiguous() for name, t in tensors.items()})
        digest = hashlib.sha256(blob).hexdigest()
        file = f"runs-{digest[:16]}.safetensors"
        self._write(file, blob)
        return {"file": file, "sha256": digest, "runs": described}


def enter(name: str | None, folder: Path | None = None, *, patience: float = PATIENCE) -> Visit:
    """The saved lab with this id, claimed; a new one if there is none, which ``Visit.notice`` then says.

    name: an id from an address, from anybody; None: a new visit. folder: of all saved labs, by default in the user's
    cache. patience: seconds to wait for the process that has it open. Raises StorageError if nothing can be saved.
    """
    folder = private_folder("visits") if folder is None else folder
    if name is None:
        return _new(folder)
    path = folder / name if ID.fullmatch(name) else None
    if path is None or not (path / PAGE).exists():
        return _new(folder, notice=GONE)
    wanted = path / WANTED
    try:
        wanted.touch()
        lock = claim(path, patience=patience)
    except ClaimedError:
        return _new(folder, source=path, notice=COPY)
    except OSError as error:
        raise StorageError(f"{path} cannot be used: {error.strerror or error}") from error
    finally:
        wanted.unlink(missing_ok=True)
    if not (path / LOCK).exists():  # cleaned away while we waited
        lock.release()
        return _new(folder, notice=GONE)
    return Visit(path, lock, path)


def clean(folder: Path | None = None) -> None:
    """Remove saved labs that are too old, or too many. Raises StorageError if the folder cannot be used."""
    folder = private_folder("visits") if folder is None else folder
    remove_oldest(folder, age=OLDEST, size=LARGEST, now=time.time())


def _new(folder: Path, *, source: Path | None = None, notice: str | None = None) -> Visit:
    path = folder / secrets.token_urlsafe(ID_BYTES)
    return Visit(path, claim(path), source, notice)


def _read(folder: Path | None, name: str) -> dict[str, Any] | None:
    if folder is None or not (folder / name).exists():
        return None
    try:
        values = json.loads((folder / name).read_bytes())
    except (OSError, ValueError) as error:
        raise StorageError(f"{name} of the saved lab cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise StorageError(f"{name} of the saved lab is damaged: not a JSON object")
    return values


@contextlib.contextmanager
def _damage_told(name: str) -> Iterator[None]:
    """A file with this name is read in the block, whose values may be of a wrong kind."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, RecipeError) as error:
        raise StorageError(f"{name} of the saved lab is damaged: {error}") from error


def _runs_in(folder: Path | None, file: str, digest: str, described: Sequence[Mapping[str, Any]]) -> tuple[Run, ...]:
    assert folder is not None
    path = folder / file
    if path.parent != folder:
        raise ValueError(f"{file!r} points out of the folder")
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(blob).hexdigest() != digest:
        raise StorageError(f"{path} is damaged: it is not the file that was written")
    tensors = safetensors.torch.load(blob)
    runs = []
    for each in described:
        own = group(tensors, SHARED) | group(tensors, str(each["number"]))
        snapshots = tuple(history_in(each["history"], own))
        run = Run(each["number"], Recipe.from_dict(each["recipe"]), snapshots, each["label"])
        runs.append(replace(run, pinned=bool(each["pinned"])))
    return tuple(runs)
