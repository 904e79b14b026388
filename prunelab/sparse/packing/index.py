"""The index of a packed file: a record for each sparse tensor, and its bytes as a section."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunelab.sparse.packing import mask_coding

Bits = NDArray[Any]  # values as integers of equal width: exact for any bit pattern

# Types that can be stored sparsely, by safetensors' names: the type, and an integer type of the same width.
DTYPES = {
    "F16": (torch.float16, torch.int16),
    "BF16": (torch.bfloat16, torch.int16),
    "F32": (torch.float32, torch.int32),
    "F64": (torch.float64, torch.int64),
}
NAMES = {dtype: name for name, (dtype, _) in DTYPES.items()}
WIDTHS = {name: dtype.itemsize for name, (dtype, _) in DTYPES.items()}
TIED = "is "  # prefix in the index, before the name that a tied tensor is stored under
MAX_WEIGHTS = 2**48  # in one tensor, so that no product overflows before it is compared
MAX_LEVELS, LEVELS_SAMPLE = 256, 4096  # distinct values that a byte can number; survivors checked first
MAX_INDEX = 4 * 2**20  # bytes of the unpacked index: about 50,000 tensors
COUNT = r"\d{1,15}"
WORDS = re.compile(
    rf"(?P<dtype>F16|BF16|F32|F64) (?P<shape>{COUNT}(x{COUNT})+) (?P<kept>{COUNT}) "
    rf"(?P<form>[a-z0-9 ]+) (?P<head>{COUNT})"
    rf"( as ((?P<levels>[1-9]\d{{0,2}}) )?(?P<stored>F16|F32)(?(levels) (?P<codes>{COUNT})))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Record:
    """Description of a sparse tensor in the index, such as "F32 300x784 18816 live bytes 9120".

    dtype: of the tensor, by safetensors' names; stored: of its values in the file, "" if the same. kept: number of
    survivors. form: coding of the mask; head: its size in bytes. levels: number of shared values, 0 if survivors do not
    share them; codes: size in bytes of the stream of level numbers.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    kept: int
    form: str
    head: int
    stored: str = ""
    levels: int = 0
    codes: int = 0

    @property
    def matrix(self) -> tuple[int, int]:
        """Rows and columns: the first dimension, and the product of all others."""
        return self.shape[0], math.prod(self.shape[1:])

    @property
    def nbytes(self) -> int:
        """Bytes of the dense tensor."""
        return math.prod(self.shape) * WIDTHS[self.dtype]

    @property
    def work(self) -> int:
        """Upper bound of temporary bytes during unpacking, beside the dense tensor.

        The mask, positions as int64 with intermediates, values; the low bits of a Rice code, which rows and columns are
        alive, and what follows the end of a stream.
        """
        form = mask_coding.FORM.fullmatch(self.form)
        bits = int(form["k"] or 0) if form else 0
        lines = sum(self.matrix) if form and form["live"] else 0
        return 2 * math.prod(self.shape) + (48 + bits) * self.kept + 10 * lines + self.length

    @property
    def length(self) -> int:
        """Size of the section in bytes."""
        return self.head + (self.levels or self.kept) * WIDTHS[self.stored or self.dtype] + self.codes

    def __str__(self) -> str:
        """The text in the index; defaults are left out."""
        words = f"{self.dtype} {'x'.join(map(str, self.shape))} {self.kept} {self.form} {self.head}"
        if self.levels:
            return f"{words} as {self.levels} {self.stored} {self.codes}"
        return f"{words} as {self.stored}" if self.stored else words

    @classmethod
    def parse(cls, name: str, words: str) -> Record:
        """The inverse of ``str``; ValueError for invalid text."""
        match = WORDS.fullmatch(words)
        if not match:
            raise ValueError(f"its index does not say what {name!r:.80} is: {words!r:.80}")
        numbers = {key: int(match[key] or 0) for key in ("kept", "head", "levels", "codes")}
        shape = tuple(map(int, match["shape"].split("x")))
        record = cls(name, match["dtype"], shape, form=match["form"], stored=match["stored"] or "", **numbers)
        if not 0 < math.prod(shape) < MAX_WEIGHTS or len(shape) > 64 or record.kept > math.prod(shape):
            raise ValueError(f"{name!r:.80} can't have {record.kept} survivors in shape {shape!r:.80}")
        if record.levels > MAX_LEVELS or (record.stored and record.dtype != "F32"):
            raise ValueError(f"{name!r:.80} can't have {words!r:.80}")
        return record


def write_index(records: Iterable[Record], ties: Mapping[str, str]) -> bytes:
    """The start of the content: the length of the index, then its deflated text."""
    index = {record.name: str(record) for record in records} | {alias: TIED + ties[alias] for alias in sorted(ties)}
    text = json.dumps(index, separators=(",", ":")).encode()
    if len(text) > MAX_INDEX:
        raise ValueError(f"{len(index)} sparse and tied tensors are too many for a packed file")
    stream = mask_coding.deflate(text, zlib.Z_DEFAULT_STRATEGY)
    return len(stream).to_bytes(4, "little") + stream


def read_index(content: memoryview, dense: Collection[str]) -> tuple[list[Record], dict[str, str], list[memoryview]]:
    """Records, ties and sections; ValueError if they contradict each other or the length of ``content``.

    dense: names of the tensors that are not in the index.
    """
    end = 4 + int.from_bytes(content[:4], "little")
    try:
        index = json.loads(mask_coding.inflate(content[4:end], MAX_INDEX))
    except RecursionError as error:
        raise ValueError("its index is nested too deeply") from error
    if not isinstance(index, dict) or not all(isinstance(words, str) for words in index.values()):
        raise ValueError("its index does not say in words what each tensor is")
    ties = {name: words.removeprefix(TIED) for name, words in index.items() if words.startswith(TIED)}
    records = [Record.parse(name, words) for name, words in index.items() if name not in ties]
    names = {*dense, *index} - ties.keys()
    if index.keys() & set(dense) or not names.issuperset(ties.values()):
        raise ValueError("its index names a tensor that is there already, or ties one that is not there")
    sections = []
    for record in records:
        sections.append(content[end : end + record.length])
        end += record.length
    if end != len(content):
        raise ValueError(f"its index tells of {end} bytes, there are {len(content)}")
    return records, ties, sections


def can_be_sparse(tensor: Tensor) -> bool:
    """Whether a section can hold this contiguous tensor: a floating-point matrix, or more dimensions."""
    return tensor.dtype in NAMES and tensor.ndim >= 2 and tensor.numel() > 0


def _bits(tensor: Tensor) -> Bits:
    """Values of a contiguous tensor as integers (rows, columns): the first dimension, and all others."""
    integers: Bits = tensor.view(DTYPES[NAMES[tensor.dtype]][1]).reshape(tensor.shape[0], -1).numpy()
    return integers


def survivors(name: str, tensor: Tensor, mask: Tensor | None) -> NDArray[np.bool_]:
    """Mask (rows, columns), True where a value must be stored; ValueError for non-zero values outside ``mask``."""
    # Shifted, so that -0.0, which products with masks leave, counts as zero.
    nonzero: NDArray[np.bool_] = (_bits(tensor) << 1) != 0
    if mask is None:
        return nonzero
    kept = mask.reshape(nonzero.shape).numpy()
    check_zeros(name, int((nonzero & ~kept).sum()))
    return kept


def check_zeros(name: str, lost: int) -> None:
    """ValueError if ``lost`` weights outside the mask of a tensor are not zero: packing would lose them."""
    if lost:
        raise ValueError(f"{name}: {lost} weights outside its mask are not zero; apply the mask first (masks.apply())")


def pack(name: str, tensor: Tensor, mask: Tensor | None, stored: str, bits: int | None) -> tuple[Record, bytes] | None:
    """Record and section of a tensor, or None if they are not smaller than the dense tensor.

    The options hold for tensors without zeros, too: who asks for fewer bits gets them, compacted or not.
    """
    if not can_be_sparse(tensor):
        return None
    record, section = _packed(name, tensor, survivors(name, tensor, mask), stored, bits)
    return (record, section) if len(section) < tensor.nbytes else None


def _packed(name: str, tensor: Tensor, kept: NDArray[np.bool_], stored: str, bits: int | None) -> tuple[Record, bytes]:
    form, head = mask_coding.encode_mask(kept)
    values = _bits(tensor)[kept]
    record = Record(name, NAMES[tensor.dtype], tuple(tensor.shape), len(values), form, len(head))
    if tensor.dtype != torch.float32 or len(values) == 0:
        return record, head + values.tobytes()
    if stored == "F32" and bits is None:
        return _exact(record, head, values)
    numbers = values.view(np.float32)
    if bits is None:
        return replace(record, stored=stored), head + _stored(name, numbers, stored)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} holds infinite weights, which can't share values: save it without bits=")
    levels, codes = mask_coding.share(numbers, bits)
    stream = mask_coding.deflate(codes.tobytes())
    record = replace(record, stored=stored, levels=len(levels), codes=len(stream))
    return record, head + _stored(name, levels, stored) + stream


def _exact(record: Record, head: bytes, values: Bits) -> tuple[Record, bytes]:
    """Exact values; if there are few distinct ones (shared before), as a table of levels and a code each."""
    if len(np.unique(values[:LEVELS_SAMPLE])) <= MAX_LEVELS:
        levels, codes = np.unique(values, return_inverse=True)
        if len(levels) <= MAX_LEVELS:
            stream = mask_coding.deflate(codes.astype(np.uint8).tobytes())
            if levels.nbytes + len(stream) < values.nbytes:
                record = replace(record, stored=record.dtype, levels=len(levels), codes=len(stream))
                return record, head + levels.tobytes() + stream
    return record, head + values.tobytes()


def _stored(name: str, numbers: NDArray[Any], stored: str) -> bytes:
    with np.errstate(over="ignore"):
        rounded = numbers.astype("<f2" if stored == "F16" else "<f4")
    if (np.isinf(rounded) & ~np.isinf(numbers)).any():
        raise ValueError(f"{name} holds {np.abs(numbers).max():g}, beyond float16's 65504: save it as float32")
    return rounded.tobytes()


def unpack(record: Record, section: memoryview) -> Tensor:
    """The dense tensor; ValueError if the section does not match the record."""
    mask = mask_coding.decode_mask(record.form, section[: record.head], record.matrix, record.kept)
    stored = record.stored or record.dtype
    end = len(section) - record.codes
    values: Bits = np.frombuffer(section[record.head : end], f"<i{WIDTHS[stored]}")
    if stored != record.dtype:
        values = values.view("<f2").astype(np.float32).view(np.int32)
    if record.levels:
        codes = np.frombuffer(mask_coding.inflate(section[end:], record.kept), np.uint8)
        if len(codes) != record.kept or (codes >= record.levels).any():
            raise ValueError(f"{record.name} does not have {record.kept} values among {record.levels}")
        values = values[codes]
    matrix = np.zeros(record.matrix, f"i{WIDTHS[record.dtype]}")
    matrix[mask] = values
    return torch.from_numpy(matrix).view(DTYPES[record.dtype][0]).reshape(record.shape)
