"""One mask, or the codes of shared values, as few bytes; pure NumPy, described in docs/packed-file.md.

A mask is coded as the distances between its survivors. Where connections were cut independently of each other these
are geometrically distributed, and a Rice code comes within 1 % of the entropy without a table. Real masks have dead
rows, dead columns and bands: there it pays to leave out what is dead, to read by columns, and to let deflate's
Huffman tables learn the distances. So a few candidates are tried and the smallest is kept.
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

FORM = re.compile(r"(?P<live>live )?(?P<columns>columns )?(?:(?P<simple>all|bytes)|rice(?P<k>\d{1,2}))", re.ASCII)
LONG = 255  # in a coding by bytes: this many cut connections, and the distance goes on in the next byte
CROWDED = 0.5  # a density from which on a bit each is taken: less than 1/16 of float32 values, and far quicker
ROUNDS = 100  # of k-means; with one dimension and a start over the range it settles long before


class Candidate(NamedTuple):
    """A coding of a mask. reading: words of the form before the coding's own; head: bytes before the distances."""

    reading: str
    coding: str
    data: bytes
    head: bytes
    mask: Bits


def encode_mask(mask: Bits) -> tuple[str, bytes]:
    """The form, as ``FORM`` has it, and the bytes of the smallest coding of ``mask``, bool (rows, columns)."""
    rows, columns = mask.any(axis=1), mask.any(axis=0)
    candidates = list(_candidates(mask, "", b""))
    if not (rows.all() and columns.all()):
        alive = np.packbits(rows).tobytes() + np.packbits(columns).tobytes()
        candidates += _candidates(mask[np.ix_(rows, columns)], "live ", alive)
    best = min(candidates, key=lambda c: len(c.data) + len(c.reading))  # its words take room in the index
    if best.mask.mean() < CROWDED:
        # Matches are rare in independent masks but long in patterned ones, such as blocks. They are slow to look for.
        matched = best.head + deflate(_to_bytes(_distances(best.mask)), zlib.Z_DEFAULT_STRATEGY)
        if len(matched) < len(best.data):
            best = best._replace(coding="bytes", data=matched)
    return best.reading + best.coding, best.data


def _candidates(mask: Bits, reading: str, head: bytes) -> Iterator[Candidate]:
    """Codings of a mask, or of its live part, in both orders."""
    if mask.all():
        yield Candidate(reading, "all", head, head, mask)
    elif mask.mean() >= CROWDED:
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
    """How many cut connections lie before each survivor, since the one before it, row by row."""
    distances: Ints = np.diff(np.flatnonzero(mask), prepend=-1) - 1
    return distances


def decode_mask(form: str, data: bytes, shape: tuple[int, int], kept: int) -> Bits:
    """The mask of ``shape`` with ``kept`` survivors that ``encode_mask`` gave. ValueError if it can't be that.

    What ``data`` claims beyond ``shape`` and ``kept`` is not unpacked.
    """
    found = FORM.fullmatch(form)
    if not found:
        raise ValueError(f"its mask has the unknown form {form!r}")
    alive = [np.ones(length, bool) for length in shape]
    if found["live"]:
        for axis, length in enumerate(shape):
            size = -(-length // 8)
            alive[axis] = _unpacked(data[:size], length).astype(bool)
            data = data[size:]
    inner = (int(alive[0].sum()), int(alive[1].sum()))
    size = inner[0] * inner[1]
    if found["simple"] == "all":
        if data or kept != size:
            raise ValueError(f"its mask is full, {size} survivors, but should have {kept}")
        return np.logical_and.outer(alive[0], alive[1])
    places = _from_bytes(data, kept, size) if found["simple"] else _from_rice(data, int(found["k"]), kept, size)
    part = np.zeros(size, bool)
    part[places] = True
    part = part.reshape(inner[::-1]).T if found["columns"] else part.reshape(inner)
    if not found["live"]:
        return part
    mask = np.zeros(shape, bool)
    mask[np.ix_(alive[0], alive[1])] = part
    return mask


def _to_bytes(distances: Ints) -> bytes:
    """Each distance as a byte below LONG, after as many bytes LONG as it holds times."""
    long, rest = np.divmod(distances, LONG)
    coded = np.full(len(distances) + int(long.sum()), LONG, np.uint8)
    coded[np.cumsum(long + 1) - 1] = rest
    return coded.tobytes()


def _from_bytes(data: bytes, kept: int, size: int) -> Ints:
    """Places of the survivors among ``size``."""
    coded = np.frombuffer(inflate(data, kept + size // LONG), np.uint8)
    ends = coded != LONG
    places: Ints = (np.cumsum(coded, dtype=np.int64) + np.cumsum(ends))[ends] - 1
    if len(places) != kept or (kept and places[-1] >= size) or not ends[-1:].all():
        raise ValueError(f"its mask does not have {kept} survivors among {size}")
    return places


def _to_rice(distances: Ints) -> tuple[int, bytes]:
    """The best k, and the Rice code: the low k bits of all distances, then what is left of each in unary."""
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


def _from_rice(data: bytes, k: int, kept: int, size: int) -> Ints:
    """Places of the survivors among ``size``."""
    split = -(-kept * k // 8)
    if split + -(-kept // 8) > len(data) or kept > size or 2**k > max(size, 1):
        raise ValueError(f"its mask of {len(data)} bytes can't hold {kept} survivors among {size}")
    high = np.diff(np.flatnonzero(np.unpackbits(np.frombuffer(data[split:], np.uint8))), prepend=-1) - 1
    low = np.zeros(kept, np.int64)
    planes = _unpacked(data[:split], kept * k).reshape(kept, k)
    for i in range(k):
        low = (low << 1) | planes[:, i]
    # As floating point first: a made-up file could make the integers overflow.
    if len(high) != kept or kept + float(high.sum()) * 2**k + low.sum(dtype=np.float64) > size:
        raise ValueError(f"its mask does not have {kept} survivors among {size}")
    places: Ints = np.cumsum((high << k) + low + 1) - 1
    return places


def _unpacked(data: bytes, count: int) -> NDArray[np.uint8]:
    if len(data) * 8 < count:
        raise ValueError(f"its mask ends after {len(data)} of {-(-count // 8)} bytes")
    return np.unpackbits(np.frombuffer(data, np.uint8), count=count)


def share(values: NDArray[np.float32], bits: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """k-means of ``values`` (n,), finite, into at most 2 ** bits levels: levels ascending, and the level of each value.

    Starts evenly over the range, so that the few large weights keep levels of their own, and depends on nothing but the
    values. Exact if there are no more distinct values than levels. Source: Han et al. 2016 (Deep Compression), section
    3.1 and 3.2.
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
    """Where the nearest level changes."""
    middle: NDArray[Any] = (levels[1:] + levels[:-1]) / 2
    return middle


def deflate(data: bytes, strategy: int = zlib.Z_HUFFMAN_ONLY) -> bytes:
    """``data`` as a raw deflate stream (RFC 1951)."""
    packer = zlib.compressobj(9 if strategy else 6, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
    return packer.compress(data) + packer.flush()


def inflate(data: bytes, most: int) -> bytes:
    """The inverse; ValueError if ``data`` is no such stream or holds more than ``most`` bytes, which stay packed."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(f"it holds a stream that does not unpack ({error})") from error
    if len(content) > most or not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"it holds a stream that is not one of at most {most} bytes")
    return content
