"""Where results go: stdout, and the files that options name."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from prunelab.cli.errors import BAD_INPUT, CommandError

if TYPE_CHECKING:
    from rich.console import Console

NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EIO)  # of files that commands write, they make errors of their own


def write_any_text() -> None:
    """Let stdout take every text: what its encoding lacks is escaped, as on stderr, rather than an error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def written(stdout: Console, kept: str = "") -> Iterator[None]:
    """The block writes a result to ``stdout``. CommandError if it cannot be written; ``kept``: what is not lost then.

    A reader that has left, as ``head`` does, is no error to speak of: its BrokenPipeError goes on.
    """
    try:
        yield
        stdout.file.flush()  # now, as Python itself would do it when nobody can say more
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise CommandError(f"the result cannot be written: {error.strerror or error}. {kept}".rstrip()) from error


def make_folder(option: str, folder: Path) -> None:
    """Make the folder of an option if it is missing: now, so that it cannot fail later. CommandError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        words = f"{option} {folder}: this folder can't be made: {error.strerror or error}"
        raise CommandError(words, BAD_INPUT) from error


def check_writable(option: str, file: Path) -> None:
    """Raise CommandError if the file of an option cannot be written: before minutes of work, not after.

    Its folder is made; the file itself, where there is none yet, is not.
    """
    from prunelab import disk  # here, as --help writes no files

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        disk.check_writable(file)
    except OSError as error:
        raise CommandError(f"{option} {file} cannot be written: {error.strerror or error}", BAD_INPUT) from error


def unwritten(end: BaseException) -> str | None:
    """Why stdout has not taken all that was written to it, by the error ``end`` or a last try; None if it has.

    What is left is dropped: Python would try again as it ends, and exit with a code of its own.
    """
    reason = end.strerror if isinstance(end, OSError) and end.errno in NO_ROOM else None
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return reason or error.strerror or str(error)
    return reason
