"""Whole files and locked folders.

A file is written completely or not at all. One process at a time writes a saved session: two pages on one folder would
undo each other's work.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from prunelab.errors import ClaimedError, StorageError


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by a file with ``content``, completely or not at all. OSError if that fails."""
    # Not tempfile: its files can be read by their owner alone, and so would what they become.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


LOCK = ".lock"
PATIENCE = 10.0  # seconds: a page that was just closed may still be on its way out


def claim(directory: Path, *, patience: float = PATIENCE) -> BaseFileLock:
    """Take ``directory`` for this process, until ``release()`` or its end; it is made if it is not there.

    Raises ClaimedError when another process (or another lab of this one) has it and keeps it for ``patience`` seconds,
    StorageError when the folder can't be made or written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory / LOCK, is_singleton=False)
        lock.acquire(timeout=patience)
    except Timeout:
        raise ClaimedError(
            f"{directory} is in use by another lab or run: close that, or choose another folder. Nothing was changed."
        ) from None
    except OSError as error:
        raise StorageError(f"{directory} cannot be used for saving: {error.strerror or error}") from error
    return lock
