"""Atomic writes of files, and locks on folders.

A file is written completely or not at all. One process at a time writes a saved session: two pages on one folder would
overwrite each other's work.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from prunelab.errors import ClaimedError, StorageError


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, completely or not at all; OSError if that fails."""
    # Not tempfile: its files are readable by their owner only, and the result would be too.
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
LOCK_TIMEOUT = 10.0  # seconds: a page that was just closed may still be shutting down


def claim(directory: Path, *, patience: float = LOCK_TIMEOUT) -> BaseFileLock:
    """Lock ``directory`` for this process until ``release()`` or process exit; creates it if missing.

    Raises ClaimedError if another process (or another lab in this one) still holds it after ``patience`` seconds,
    StorageError if the folder cannot be created or written.
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
