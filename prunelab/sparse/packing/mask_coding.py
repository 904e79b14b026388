"""Compression of masks and of shared values in pure NumPy; the format is described in docs/explanation/packed-file.md.

A mask is coded as the distances between survivors. For independent cuts these are geometrically distributed, and a Rice
code comes within 1 % of the entropy without a table. Real masks have dead rows, dead columns and bands, where it pays
to skip dead rows and columns, to read by columns, and to use the Huffman tables of deflate. So several candidates are
tried and the smallest is kept.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.bool_]
Ints = NDArray[np.int64]
Bytes = bytes | memoryview

FORM = re.compile(r"(?P<live>live )?(?P<columns>columns )?(?:(?P<simple>all|bytes)|rice(?P<k>\d{1,2}))", re.ASCII)
CONTINUE = 255  # byte that adds 255 cut connections to a distance, which goes on in the next byte
BITMAP_DENSITY = 0.5  # from here on one bit per weight: less than 1/16 of the float32 values, and much faster
ROUNDS = 100  # limit for k-means; in one dimension, started evenly over the range, it converges much earlier


class Candidate(NamedTuple):
    """A coding of a mask. reading: words of the form before the last one; head: bytes before the distances."""

    reading: str
    coding: str
    data: bytes
    head: bytes
    mask: Bits


def encode_mask(mask: Bits) -> tuple[str, bytes]:
    """Form (see ``FORM``) and bytes of the smallest coding of ``mask``, bool (rows, columns)."""
    rows, columns = mask.any(axis=1), mask.any(axis=0)
    candidates = list(_candidates(mask, "", b""))
    if not (rows.all() and columns.all()):
        alive = np.packbits(rows).tobytes() + np.packbits(columns).tobytes()
        candidates += _candidates(mask[np.ix_(rows, columns)], "live ", alive)
    best = min(candidates, key=lambda c: len(c.data) + len(c.reading))  # its words take space in the index
    if best.mask.mean() < BITMAP_DENSITY:
        # Searching for matches is slow: they are rare in independent masks, but long in patterns such as blocks.
        matched = best.head + deflate(_to_bytes(_distances(best.mask)), zlib.Z_DEFAULT_STRATEGY)
        if len(matched) < len(best.data):
            best = best._replace(coding="bytes", data=matched)
    return best.reading + best.coding, best.data


def _candidates(mask: Bits, reading: str, head: bytes) -> Iterator[Candidate]:
    """Codings of a mask, or of its live part, by rows and by columns."""
    if mask.all():
        yield Candidate(reading, "all", head, head, mask)
    elif mask.mean() >= BITMAP_DENSITY:
        bits = mask.reshape(-1)
        last = mask.size - int(bits[::-1].argmax())
        yield Candidate(reading, "rice0", head + np.packbits(bits[:last]).tobytes(), head, mask)
    else:
        for order, matrix in (("", mask), ("columns ", mask.T)):
            distances = _distances(matrix)
            k, rice = _to_rice(distances)
            huffman = deflate(_to_bytes(distances), zlib.Z_HUFFMAN_ONLY)
            yield Candidate(reading + order, f"rice{k}", head + rice, head, matrix)
            yield Candidate(reading + order, "bytes", head + huffman, head, matrix)


def _distances(mask: Bits) -> Ints:
    """Number of cut connections between each survivor and the one before it, row by row."""
    distances: Ints = np.diff(np.flatnonzero(mask), prepend=-1) - 1
    return distances


def decode_mask(form: str, data: Bytes, shape: tuple[int, int], kept: int) -> Bits:
    """The inverse of ``encode_mask``: a mask of ``shape`` with ``kept`` survivors; ValueError for invalid data.

    Never unpacks more than ``shape`` and ``kept`` allow.
    """
    match = FORM.fullmatch(form)
    if not match:
        raise ValueError(f"its mask has the unknown form {form!r}")
    alive = [np.ones(length, bool) for length in shape]
    if match["live"]:
        for axis, length in enumerate(shape):
            size = -(-length // 8)
            alive[axis] = _unpacked(data[:size], length).astype(bool)
            data = data[size:]
    inner = (int(alive[0].sum()), int(alive[1].sum()))
    size = inner[0] * inner[1]
    if match["simple"] == "all":
        if data or kept != size:
            raise ValueError(f"its mask is full, {size} survivors, but should have {kept}")
        return np.logical_and.outer(alive[0], alive[1])
    positions = _from_bytes(data, kept, size) if match["simple"] else _from_rice(data, int(match["k"]), kept, size)
    part = np.zeros(size, bool)
    part[positions] = True
    part = part.reshape(inner[::-1]).T if match["columns"] else part.reshape(inner)
    if not match["live"]:
        return part
    mask = np.zeros(shape, bool)
    mask[np.ix_(alive[0], alive[1])] = part
    return mask


def _to_bytes(distances: Ints) -> bytes:
    """Each distance as distance // CONTINUE bytes CONTINUE, then one byte with the remainder."""
    full, rest = np.divmod(distances, CONTINUE)
    coded = np.full(len(distances) + int(full.sum()), CONTINUE, np.uint8)
    coded[np.cumsum(full + 1) - 1] = rest
    return coded.tobytes()


def _from_bytes(data: Bytes, kept: int, size: int) -> Ints:
    """Positions of the survivors among ``size``."""
    coded = np.frombuffer(inflate(data, kept + size // CONTINUE), np.uint8)
    ends = coded != CONTINUE
    positions: Ints = (np.cumsum(coded, dtype=np.int64) + np.cumsum(ends))[ends] - 1
    if len(positions) != kept or (kept and positions[-1] >= size) or not ends[-1:].all():
        raise ValueError(f"its mask does not have {kept} survivors among {size}")
    return positions


def _to_rice(distances: Ints) -> tuple[int, bytes]:
    """The best k, and the Rice code: the low k bits of all distances, then the rest of each in unary."""
    mean = float(distances.mean()) if len(distances) else 0.0
    middle = math.floor(math.log2(max(mean * math.log(2), 1)))
    sizes = {k: len(distances) * k + int((distances >> k).sum()) for k in range(max(middle - 1, 0), middle + 2)}
    k = min(sizes, key=sizes.__getitem__)
    low = np.empty((len(distances), k), np.uint8)
    for i in range(k):
        low[:, i] = (distances >> (k - 1 - i)) & 1
    high = distances >> k
    unary = np.zeros(int(high.sum()) + len(high), np.uint8)
    unary[np.cumsum(high + 1) - 1] = 1
    return k, np.packbits(low).tobytes() + np.packbits(unary).tobytes()


def _from_rice(data: Bytes, k: int, kept: int, size: int) -> Ints:
    """Positions of the survivors among ``size``."""
    split = -(-kept * k // 8)
    if split + -(-kept // 8) > len(data) or kept > size or 2**k > max(size, 1):
        raise ValueError(f"its mask of {len(data)} bytes can't hold {kept} survivors among {size}")
    # The high parts of all distances sum up to no more than that of all that is cut.
    most = kept + ((size - kept) >> k)
    if len(data) - split > -(-most // 8):
        raise ValueError(f"its mask of {len(data)} bytes is longer than {kept} survivors among {size} can need")
    unary = np.unpackbits(np.frombuffer(data[split:], np.uint8))
    if np.count_nonzero(unary) != kept:  # before their positions are taken, 64 times as long as the file
        raise ValueError(f"its mask does not have {kept} survivors among {size}")
    high = np.diff(np.flatnonzero(unary), prepend=-1) - 1
    del unary
    low = np.zeros(kept, np.int64)
    planes = _unpacked(data[:split], kept * k).reshape(kept, k)
    for i in range(k):
        low = (low << 1) | planes[:, i]
    # Checked in floating point first: a malicious file could make the integers overflow.
    if kept + float(high.sum()) * 2**k + low.sum(dtype=np.float64) > size:
        raise ValueError(f"its mask does not have {kept} survivors among {size}")
    positions: Ints = np.cumsum((high << k) + low + 1) - 1
    return positions


def _unpacked(data: Bytes, count: int) -> NDArray[np.uint8]:
    if len(data) * 8 < count:
        raise ValueError(f"its mask ends after {len(data)} of {-(-count // 8)} bytes")
    return np.unpackbits(np.frombuffer(data, np.uint8), count=count)


def share(values: NDArray[np.float32], bits: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """k-means of finite ``values`` (n,) into at most 2 ** bits levels: ascending levels, and the level of each value.

    Starts with levels evenly over the range, so that the few large weights keep separate levels. Deterministic; exact
    if there are no more distinct values than levels. Source: Han et al. 2016 (Deep Compression), sections 3.1 and 3.2.
    """
    ordered = np.sort(values).astype(np.float64)
    levels = np.unique(ordered)
    if len(levels) > 2**bits:
        levels = np.linspace(ordered[0], ordered[-1], 2**bits)
        for _ in range(ROUNDS):
            bounds = np.concatenate([[0], np.searchsorted(ordered, _between(levels)), [len(ordered)]])
            used = bounds[1:] > bounds[:-1]
            moved = levels.copy()
            moved[used] = np.add.reduceat(ordered, bounds[:-1][used]) / np.diff(bounds)[used]
            if np.array_equal(moved, levels):
                break
            levels = moved
    return levels, np.searchsorted(_between(levels), values).astype(np.uint8)


def _between(levels: NDArray[Any]) -> NDArray[Any]:
    """Boundaries at which the nearest level changes."""
    middle: NDArray[Any] = (levels[1:] + levels[:-1]) / 2
    return middle


def deflate(data: bytes, strategy: int = zlib.Z_HUFFMAN_ONLY) -> bytes:
    """``data`` as a raw deflate stream (RFC 1951)."""
    packer = zlib.compressobj(9 if strategy else 6, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
    return packer.compress(data) + packer.flush()


def inflate(data: Bytes, most: int) -> bytes:
    """The inverse of ``deflate``; ValueError for an invalid stream, or one that unpacks to more than ``most`` bytes."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(f"it holds a stream that does not unpack ({error})") from error
    if len(content) > most or not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"it holds a stream that is not one of at most {most} bytes")
    return content
