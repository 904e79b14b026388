"""Lesson 11: a mask as distances, and how few bits they could take."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from prunelab.lessons import readings
from prunelab.lessons.exercise import Exercise, Mistake, Trial
from prunelab.lessons.readings import Unreadable

SEED = 11
BYTE = 255  # largest distance that a byte holds, as in the packed file


def relative_distances(mask, largest):
    """A mask as distances: how many cut connections lie between each survivor and the one
    before it.

    Rows are read one after another. A number can't exceed `largest`: a distance of `largest`
    or more is written as `largest` (a filler: skip so many, and no survivor yet), then the
    rest, and so on. What follows the last survivor is not written. mask: a tensor of bools.
    largest: a whole number, 1 or more. Returns a list of whole numbers.
    """
    distances, gap = [], 0
    for kept in mask.flatten().tolist():
        if kept:
            distances += [largest] * (gap // largest) + [gap % largest]
            gap = 0
        else:
            gap += 1
    return distances


def entropy(counts):
    """Bits that a symbol takes at least, on average: the sum of p log2(1 / p) over all
    symbols.

    counts: how often each symbol occurs, whole numbers; one that never occurs takes no bits.
    Returns a number.
    """
    total = sum(counts)
    return sum(count / total * math.log2(total / count) for count in counts if count > 0)


def _mask(shape: tuple[int, ...], density: float, seed: int = SEED) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < density


def _at(positions: list[int], size: int) -> Tensor:
    mask = torch.zeros(size, dtype=torch.bool)
    mask[positions] = True
    return mask


def _gaps(mask: Tensor) -> list[int]:
    """Cut connections before each survivor."""
    positions = [int(p) for p in mask.flatten().nonzero().flatten()]
    return [p - before - 1 for before, p in zip([-1, *positions], positions, strict=False)]


def _written(gaps: list[int], largest: int) -> list[int]:
    return [part for gap in gaps for part in (*[largest] * (gap // largest), gap % largest)]


def _without_rest(gaps: list[int], largest: int) -> list[int]:
    """A gap of exactly ``largest`` is not told from a filler."""
    parts = []
    for gap in gaps:
        while gap > largest:
            parts.append(largest)
            gap -= largest
        parts.append(gap)
    return parts


def _trailing(mask: Tensor) -> int:
    positions = mask.flatten().nonzero()
    return mask.numel() - 1 - int(positions.max()) if len(positions) else mask.numel()


def _whole(value: Any, arguments: tuple[Any, ...]) -> tuple[int, ...]:
    found = readings.sequence(value, "a list of whole numbers")
    for each in found:
        if not math.isfinite(each) or each != int(each):
            raise Unreadable(f"one of the distances that it returns is {each:g}; needed are whole numbers")
    return tuple(int(each) for each in found)


def _bits(counts: Any, log: Any = math.log2) -> float:
    total = sum(counts)
    return float(sum(c / total * log(total / c) for c in counts if c))


DISTANCES = Exercise(
    lesson=11,
    seed=SEED,
    reference=relative_distances,
    trials=(
        Trial("survivors at 2, 3 and 7 of 10 and `largest` = 255", lambda: (_at([2, 3, 7], 10), BYTE)),
        Trial("a layer of 6 x 8 that keeps a fifth and `largest` = 255", lambda: (_mask((6, 8), 0.2), BYTE)),
        Trial("survivors at 5 and 12 of 14 and `largest` = 3", lambda: (_at([5, 12], 14), 3)),
        Trial("gaps of exactly `largest` = 3", lambda: (_at([3, 7], 12), 3)),
        Trial("a layer of 9 x 9 that keeps a tenth and `largest` = 7", lambda: (_mask((9, 9), 0.1), 7)),
        Trial("survivors at both ends", lambda: (_at([0, 9], 10), 4)),
        Trial("a mask that keeps all", lambda: (torch.ones(3, 4, dtype=torch.bool), 5)),
        Trial("a single connection that is kept", lambda: (torch.ones(1, 1, dtype=torch.bool), 5)),
        Trial("a layer of which nothing is kept", lambda: (torch.zeros(3, 4, dtype=torch.bool), 5)),
    ),
    reads=_whole,
    form=lambda value: [int(each) for each in readings.sequence(value)],
    same=lambda a, b: a == b,
    shows=readings.listed,
    hints=(
        "Walk along `mask.flatten()` and count what is cut; at a survivor write the count down and begin again at 0.",
        "Larger than `largest`? `gap // largest` fillers, then `gap % largest`.",
        "A gap of exactly `largest` is one filler and a 0: else a reader could not tell it from a filler.",
    ),
    mistakes=(
        Mistake(
            lambda mask, largest: [gap + 1 for gap in _written(_gaps(mask), largest)],
            "Neighbours get 1 here: the steps from one survivor to the next. Count the cut connections between them, "
            "0 for neighbours.",
        ),
        Mistake(
            lambda mask, largest: [int(p) for p in mask.flatten().nonzero().flatten()],
            "These are positions, counted from the beginning. They grow and grow; distances stay small.",
        ),
        Mistake(
            lambda mask, largest: _gaps(mask),
            "There are no fillers: distances above `largest` do not fit. Write `largest` as often as it goes in, then "
            "the rest.",
        ),
        Mistake(
            lambda mask, largest: [min(gap, largest) for gap in _gaps(mask)],
            "Long distances are clipped at `largest`, and everything behind is read at the wrong place. Write fillers, "
            "then the rest.",
        ),
        Mistake(
            lambda mask, largest: _without_rest(_gaps(mask), largest),
            "A distance of exactly `largest` looks like a filler here, so that a reader misses a survivor. Write the "
            "filler, then 0.",
        ),
        Mistake(
            lambda mask, largest: _written(_gaps(mask), largest)[1:],
            "The first survivor is missing: its distance counts from the beginning of the mask.",
        ),
        Mistake(
            lambda mask, largest: _written([*_gaps(mask), _trailing(mask)], largest),
            "What follows the last survivor is written too: a reader would look for a survivor there.",
        ),
        Mistake(
            lambda mask, largest: _written(_gaps(mask.T if mask.ndim == 2 else mask), largest),
            "The mask is read by columns. Rows come one after another: `mask.flatten()`.",
        ),
        Mistake(
            lambda mask, largest: [part for row in torch.atleast_2d(mask) for part in _written(_gaps(row), largest)],
            "The count begins anew in each row. It goes on: the file knows only one long row.",
        ),
        Mistake(
            lambda mask, largest: _written(_gaps(~mask), largest),
            "This measures from one cut connection to the next. Survivors are far fewer: measure between them.",
        ),
    ),
)

ENTROPY = Exercise(
    lesson=11,
    seed=SEED,
    reference=entropy,
    trials=(
        Trial("counts of 1 and 1", lambda: ([1, 1],)),
        Trial("counts of 1, 1 and 2", lambda: ([1, 1, 2],)),
        Trial("counts of 900 and 100", lambda: ([900, 100],)),
        Trial("counts of 50, 20, 7 and 1", lambda: ([50, 20, 7, 1],)),
        Trial("a symbol that never occurs", lambda: ([3, 0, 5],)),
        Trial("counts of 64 symbols", lambda: ([1 + i % 5 for i in range(64)],)),
        Trial("a single symbol", lambda: ([12],)),
    ),
    reads=lambda value, arguments: readings.number(value, "a number of bits"),
    form=readings.number,
    same=lambda a, b: math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-6),
    shows=readings.shown,
    hints=(
        "p is a symbol's share of all: its count / the sum of the counts. A rare one takes more bits: log2(1 / p).",
        "Add up p x log2(1 / p). `math.log2` is the logarithm that counts bits.",
        "Leave out counts of 0: there 1 / p does not exist, and nothing has to be written.",
    ),
    mistakes=(
        Mistake(lambda counts: _bits(counts, math.log), "This is the natural logarithm. Bits go by `log2`."),
        Mistake(lambda counts: _bits(counts, math.log10), "This is the logarithm to base 10. Bits go by `log2`."),
        Mistake(
            lambda counts: -_bits(counts),
            "The sign is missing: log2(p) of a share is negative. Take `-p * log2(p)`, or log2(1 / p).",
        ),
        Mistake(
            lambda counts: _bits(counts) * sum(counts),
            "These are the bits of all symbols together. Bits per symbol are asked for: counts become shares first.",
        ),
        Mistake(
            lambda counts: math.log2(len(counts)),
            "This is what equally frequent symbols would take. Frequent ones take less than rare ones.",
        ),
        Mistake(
            lambda counts: -sum(c * math.log2(c) for c in counts if c),
            "The counts are not turned into shares: divide each by their sum.",
        ),
        Mistake(
            lambda counts: sum(math.log2(sum(counts) / c) for c in counts if c),
            "The bits of all symbols are added up as if each occurred once: weight them with p.",
        ),
        Mistake(
            lambda counts: math.ceil(_bits(counts)),
            "It is rounded up to whole bits. A good code spends fractions of a bit, on average.",
        ),
        Mistake(
            lambda counts: _bits(counts) / 8,
            "These are bytes. Bits are asked for.",
        ),
    ),
)

EXERCISES = (DISTANCES, ENTROPY)
