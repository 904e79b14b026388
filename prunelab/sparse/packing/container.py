"""The container of a packed file: safetensors with one extra entry that holds a digest of the whole file.

Nothing but the header is used before the digest has been verified. Memory does not depend on sizes that the header
claims: reads never exceed the length of the file.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import safetensors.torch
import torch
from torch import Tensor

from prunelab.errors import PackedError
from prunelab.sparse.packing.place import Place, name_of, opened

FORMAT = 1
MARK = "prunelab"  # key in the file's metadata; its value is the format version
ENTRY = "_"  # name of the extra entry: not a parameter name, and short, as the header matters in small files
MARKED = f'"{MARK}"'.encode()  # found near the start of the file, because safetensors writes metadata first
DIGEST = 32  # bytes at the start of the entry: SHA-256 of the file without them


def damaged(place: str, words: object) -> PackedError:
    """The error for a packed file that is not as it was written."""
    return PackedError(f"{place} is damaged: {words}. Copy or pack it again from its origin")


def pack(tensors: Mapping[str, Tensor], content: bytes) -> bytes:
    """The whole file: ``tensors`` (dense, contiguous) by name, and ``content`` in the extra entry."""
    entry = torch.frombuffer(bytearray(DIGEST) + content, dtype=torch.uint8)
    blob = bytearray(safetensors.torch.save({**tensors, ENTRY: entry}, {MARK: str(FORMAT)}))
    begin, _ = _Header.of(blob).entry
    blob[begin : begin + DIGEST] = _digest(blob, begin)
    return bytes(blob)


@dataclass(frozen=True)
class Contents:
    """A packed file whose digest is right, in memory. names: of the dense tensors."""

    name: str
    blob: bytes
    names: frozenset[str]
    entry: tuple[int, int]  # begin and end of the extra entry
    dense: int  # bytes of the dense tensors

    @property
    def content(self) -> memoryview:
        """What ``pack`` put into the extra entry; not copied."""
        return memoryview(self.blob)[self.entry[0] + DIGEST : self.entry[1]]

    def tensors(self) -> dict[str, Tensor]:
        """The dense tensors, copied out of the file, as is the entry meanwhile. PackedError if they are invalid."""
        try:
            tensors: dict[str, Tensor] = safetensors.torch.load(self.blob)
        except (safetensors.SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise damaged(self.name, f"safetensors refuses it ({error})") from error
        del tensors[ENTRY]
        return tensors


def unpack(place: Place, limit: int) -> Contents:
    """The inverse of ``pack``. limit: bytes of the longest file that is read. PackedError for an invalid file."""
    name = name_of(place)
    with opened(place) as file:
        blob, header = _read(name, file, limit)
    begin, end = header.entry
    if _digest(blob, begin) != blob[begin : begin + DIGEST]:
        raise damaged(name, "it is not what was written, its digest differs")
    return Contents(name, blob, header.names, header.entry, header.size - header.start - (end - begin))


@dataclass(frozen=True)
class _Header:
    """metadata: text by name. names: of the entries but the extra one. start: of the data. size: of the whole file.

    entry: begin and end of the extra entry, (0, 0) if missing.
    """

    metadata: Mapping[str, Any]
    names: frozenset[str]
    start: int
    size: int
    entry: tuple[int, int]

    @classmethod
    def of(cls, blob: bytes | bytearray) -> _Header:
        """The header of a file that begins with ``blob``; ValueError if it is not a safetensors header."""
        length = int.from_bytes(blob[:8], "little")
        try:
            header = json.loads(blob[8 : 8 + length])
            metadata = header.pop("__metadata__", {})
            metadata.get(MARK)
            offsets = {name: (int(b), int(e)) for name, value in header.items() for b, e in [value["data_offsets"]]}
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        start = 8 + length
        begin, end = offsets.get(ENTRY, (-start, -start))
        size = start + max((e for _, e in offsets.values()), default=0)
        return cls(metadata, frozenset(offsets) - {ENTRY}, start, size, (start + begin, start + end))


def _read(name: str, file: BinaryIO, limit: int) -> tuple[bytes, _Header]:
    """Bytes and header of the file, after a check that it is a packed file and as long as its header says."""
    origin = file.tell()
    size = file.seek(0, io.SEEK_END) - origin
    file.seek(origin)
    if size == 0:
        raise PackedError(f"{name} is empty. Pack it again from its origin")
    start = file.read(64)
    length = int.from_bytes(start[:8], "little")
    if length > size - 8:
        if MARKED in start:
            raise damaged(name, f"it is truncated, {size} bytes are not even its header")
        raise _foreign(name, "it is not a safetensors file")
    try:
        header = _Header.of(start + file.read(8 + length - len(start)))
    except ValueError as error:
        if MARKED in start:
            raise damaged(name, f"its header can't be read ({error})") from error
        raise _foreign(name, "it is not a safetensors file") from error
    version = header.metadata.get(MARK)
    if version is None:
        raise _foreign(name, "it is a safetensors file of something else; try safetensors.torch.load_file")
    if version != str(FORMAT):
        raise PackedError(
            f"{name} is of format {version!r:.20}, this version of prunelab reads format {FORMAT}. Update prunelab"
        )
    if header.size != size:
        how = "truncated" if size < header.size else "longer than it should be"
        raise damaged(name, f"it is {how}, {size} bytes where its header says {header.size}")
    begin, end = header.entry
    if not 8 + length <= begin <= end - DIGEST <= size - DIGEST:
        raise damaged(name, f"its header has no entry {ENTRY!r} of at least {DIGEST} bytes")
    if size > limit:
        raise PackedError(f"{name} has {size:,} bytes; the limit is {limit:,}. Give limit= more if there is more")
    file.seek(origin)
    blob = file.read(size)
    if len(blob) != size:
        raise PackedError(f"{name} was changed while it was read. Try again")
    return blob, header


def _digest(blob: bytes | bytearray, begin: int) -> bytes:
    """SHA-256 of ``blob`` without the DIGEST bytes that start at ``begin``."""
    view = memoryview(blob)
    digest = hashlib.sha256(view[:begin])
    digest.update(view[begin + DIGEST :])
    return digest.digest()


def _foreign(name: str, words: str) -> PackedError:
    return PackedError(f"{name} is not a packed file of prunelab's: {words}. Packed files come from sparse.save")
