"""Where a packed file lies: at a path, or in a binary file object such as io.BytesIO."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from prunelab.disk import write_atomically
from prunelab.errors import PackedError

Place = str | os.PathLike[str] | IO[bytes]


def name_of(place: Place) -> str:
    """What errors call this place."""
    return str(Path(place)) if isinstance(place, str | os.PathLike) else f"this {type(place).__name__}"


def write(place: Place, blob: bytes) -> None:
    """Write ``blob``: to a path completely or not at all, into a file object at its position.

    Raises PackedError if that fails, TypeError for a file object that takes no bytes.
    """
    if isinstance(place, str | os.PathLike):
        try:
            write_atomically(Path(place), blob)
        except (OSError, ValueError) as error:  # ValueError: a path without a name, or with a null byte
            raise PackedError(
                f"{name_of(place)} cannot be written: {_reason(error)}. Nothing was changed; "
                "free space, or choose a file in a directory that exists and is yours"
            ) from error
        return
    _check_binary(place, "write")
    try:
        written = place.write(blob)
    except (OSError, ValueError) as error:  # not opened for writing, or closed
        raise PackedError(f"{name_of(place)} cannot be written: {error}. Open it with mode 'wb'") from error
    if written is not None and written != len(blob):
        raise PackedError(f"{name_of(place)} took {written:,} of {len(blob):,} bytes. Give a buffered file")


@contextlib.contextmanager
def opened(place: Place) -> Iterator[BinaryIO]:
    """The place as a file to read, at the position where the packed file begins.

    Raises PackedError if it cannot be read, TypeError for a file object that gives no bytes.
    """
    if isinstance(place, str | os.PathLike):
        path = Path(place)
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):  # reading a pipe could block, reading a device might never end
                raise PackedError(f"{path} is not a file but a {'directory' if path.is_dir() else 'device'}")
            with open(path, "rb") as file:
                yield file
        except (OSError, ValueError) as error:
            raise PackedError(f"{path} cannot be read: {_reason(error)}. Check the name and its rights") from error
        return
    _check_binary(place, "read")
    try:
        position = place.seek(place.tell())  # fails for what cannot seek, such as a response from a server
    except (OSError, ValueError, AttributeError) as error:
        raise PackedError(
            f"{name_of(place)} cannot be read from a position: {error}. Read it into an io.BytesIO first"
        ) from error
    if position and position == place.seek(0, io.SEEK_END):
        raise PackedError(f"{name_of(place)} is at its end, behind byte {position:,}: go to the start with seek(0)")
    place.seek(position)
    yield place  # type: ignore[misc]  # IO[bytes] is all that is needed of it


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _check_binary(place: object, method: str) -> None:
    if isinstance(place, io.TextIOBase) or not callable(getattr(place, method, None)):
        raise TypeError(
            f"{type(place).__name__} is no place for a packed file: give a path, or a file opened in binary mode "
            f"('{method[0]}b') or an io.BytesIO"
        )
