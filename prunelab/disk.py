"""Atomic writes of files, locks on folders, and prunelab's own folders in the user's cache.

A file is written completely or not at all. One process at a time writes a saved session: two pages on one folder would
overwrite each other's work.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from prunelab.errors import ClaimedError, StorageError


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, completely or not at all; OSError if that fails.

    A device or a pipe, such as /dev/null, is written into: replaced by a file, it would be gone for all programs.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        with path.open("wb") as device:
            device.write(content)
        return
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


CACHE = "PRUNELAB_CACHE"  # environment variable: a folder instead of prunelab's in the system's cache


def private_folder(name: str) -> Path:
    """The folder ``name`` in prunelab's cache, made if it is missing; only the user can look into it.

    Raises StorageError if it cannot be made, or belongs to somebody else.
    """
    import pooch

    folder = Path(os.environ.get(CACHE) or pooch.os_cache("prunelab")) / name
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)  # also one that was there before; OSError if it is somebody else's
    except OSError as error:
        raise StorageError(f"{folder} cannot be used: {error.strerror or error}. {CACHE} names another one.") from error
    return folder


def remove_oldest(folder: Path, *, age: float, size: int, now: float) -> None:
    """Remove subfolders of ``folder`` that nobody uses: those older than ``age`` seconds, then the oldest until all
    together have at most ``size`` bytes. Their age is that of the latest file. Folders in use stay (see ``claim``).
    """
    found = []
    for each in folder.iterdir():
        try:
            files = [path.stat() for path in each.rglob("*") if path.is_file()]
        except FileNotFoundError:  # another process is at work in it: it is in use
            continue
        if files:
            found.append((max(file.st_mtime for file in files), sum(file.st_size for file in files), each))
    total = sum(bytes_used for _, bytes_used, _ in found)
    for changed, bytes_used, each in sorted(found):
        if now - changed > age or total > size:
            try:
                lock = claim(each, patience=0.0)
            except StorageError:  # in use, or not ours to remove
                continue
            shutil.rmtree(each, ignore_errors=True)
            lock.release()
            total -= bytes_used


LOCK = ".lock"
LOCK_TIMEOUT = 10.0  # seconds: a page that was just closed may still be shutting down


def claim(directory: Path, *, patience: float = LOCK_TIMEOUT) -> BaseFileLock:
    """Lock ``directory`` for this process until ``release()`` or process exit; creates it if missing.

    Raises ClaimedError if another process (or another lab in this one) still holds it after ``patience`` seconds,
    StorageError if the folder cannot be created or written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # Not thread_local: one thread may claim a folder and another let it go.
        lock = FileLock(directory / LOCK, is_singleton=False, thread_local=False)
        lock.acquire(timeout=patience)
    except Timeout:
        raise ClaimedError(
            f"{directory} is in use by another lab or run: close that, or choose another folder. Nothing was changed."
        ) from None
    except OSError as error:
        raise StorageError(f"{directory} cannot be used for saving: {error.strerror or error}") from error
    return lock
