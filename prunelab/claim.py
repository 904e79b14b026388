"""Claim: one process at a time writes a saved session. Two pages on one folder would undo each other's work."""

from __future__ import annotations

from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from prunelab.storage import StorageError

LOCK = ".lock"
PATIENCE = 10.0  # seconds: a page that was just closed may still be on its way out


class ClaimedError(StorageError):
    """A saved session that is open elsewhere."""


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
