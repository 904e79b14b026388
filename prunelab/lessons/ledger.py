"""A small JSON file in the working folder that several kernels may write: progress, the leader board.

It is read and replaced under a lock, as a whole. A damaged file is kept aside and a new one begun; one of a newer
version of prunelab is left alone. Both are said.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from prunelab.disk import write_atomically
from prunelab.errors import ProgressError

VERSION = "version"
LARGEST = 1_000_000  # bytes: such a file has a few thousand
PATIENCE = 5.0  # seconds for another kernel to finish writing, which takes milliseconds

Content = dict[str, Any]


def working_folder(folder: str | os.PathLike[str] | None) -> Path:
    """``folder``; None: the working folder. Raises ProgressError where that is gone, or for what no folder can be."""
    try:
        path = Path.cwd() if folder is None else Path(folder)
    except FileNotFoundError as error:
        raise ProgressError("the working folder is gone") from error
    if "\0" in str(path):
        raise ProgressError(f"{str(path)!r} cannot be a folder: its name has a null byte")
    return path


class DamagedError(ProgressError):
    """The file is not what was written."""


@dataclass(frozen=True)
class Ledger:
    """The file ``name`` in ``folder``. valid: whether a content of the current version is what it should be."""

    folder: Path
    name: str
    version: int
    empty: Callable[[], Content]
    valid: Callable[[Content], bool]

    @property
    def path(self) -> Path:
        return self.folder / self.name

    def read(self) -> Content:
        """The content; empty if there is no file. Raises ProgressError for one that is damaged, newer or unreadable."""
        try:
            if self.path.stat().st_size > LARGEST:
                raise DamagedError(f"{self.name} is damaged: it is larger than such a file can be")
            blob = self.path.read_bytes()
        except FileNotFoundError:
            return self.empty()
        except OSError as error:
            raise ProgressError(f"{self.path} cannot be read: {error.strerror or error}") from error
        content = self._parsed(blob)
        if content is None:
            raise DamagedError(f"{self.name} is damaged")
        if content[VERSION] > self.version:
            raise ProgressError(
                f"{self.name} was written by a newer prunelab: it is left as it is, and nothing is added to it. Update "
                "prunelab, or rename the file"
            )
        return content

    def _parsed(self, blob: bytes) -> Content | None:
        """The content of a file, valid or of a newer version; None for anything else."""
        try:
            content = json.loads(blob)
        except (ValueError, RecursionError):
            return None
        version = content.get(VERSION) if isinstance(content, dict) else None
        if isinstance(version, bool) or not isinstance(version, int):
            return None
        return content if version > self.version or self.valid(content) else None

    def change(self, change: Callable[[Content], None]) -> str:
        """Read, ``change`` in place, and write, as one step for all kernels.

        Returns words about a damaged file that was kept aside, or "". Raises ProgressError where nothing was written.
        """
        words = ""
        try:
            with FileLock(self.folder / f".{self.name}.lock", timeout=PATIENCE, is_singleton=False):
                try:
                    content = self.read()
                except DamagedError as error:
                    aside = self._set_aside()
                    words = f"{error}. It is kept as {aside.name}, and a new one has begun"
                    content = self.empty()
                change(content)
                write_atomically(self.path, json.dumps(content, indent=1, sort_keys=True).encode() + b"\n")
        except Timeout:
            raise ProgressError(f"{self.name} is in use by another kernel: this was not written") from None
        except OSError as error:
            raise ProgressError(f"{self.path} cannot be written: {error.strerror or error}") from error
        return words

    def _set_aside(self) -> Path:
        """Rename the file to a name that is free."""
        stem, suffix = self.path.stem, self.path.suffix
        free = next(path for i in count(1) if not (path := self.folder / f"{stem}.damaged-{i}{suffix}").exists())
        os.replace(self.path, free)
        return free
