"""Reads what a student's function returned into plain values, or says what is wrong with its type, shape or dtype.

This runs within the sandbox: what was returned may be anything, and even ``isinstance`` may run code of its own.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

MOST_SHOWN = 8  # values of a list in a sentence
LARGE = 1e12  # numbers from here on are shown with a power of ten


class Unreadable(Exception):
    """What was returned is not what was asked for; says what it is, and what is needed."""


def number(value: Any, needed: str = "a number") -> float:
    """A Python, NumPy or torch number, or an array of one number, as a float."""
    if isinstance(value, Tensor | np.ndarray | np.generic):
        if math.prod(value.shape) != 1:
            raise Unreadable(f"it returns {named(value)}; needed is {needed}")
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise Unreadable(f"it returns {named(value)}; needed is {needed}")
    return float(value)


def sequence(value: Any, needed: str = "a list of numbers") -> tuple[float, ...]:
    """A list, tuple, array or tensor of numbers in one dimension."""
    if isinstance(value, Tensor | np.ndarray):
        if value.ndim != 1:
            raise Unreadable(f"it returns {named(value)}; needed is {needed}")
        value = value.tolist()
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        raise Unreadable(f"it returns {named(value)}; needed is {needed}")
    return tuple(_item(each, needed) for each in list(value))


def _item(value: Any, needed: str) -> float:
    try:
        return number(value)
    except Unreadable:
        raise Unreadable(f"one of the items that it returns is {named(value)}; needed is {needed}") from None


def indices(value: Any, needed: str = "a list of whole numbers") -> tuple[int, ...]:
    """A list, tuple, set, array or tensor of whole numbers; sorted, as an order is not asked for.

    Also as torch's and NumPy's ``nonzero``, ``where`` and ``argwhere`` give them: in a column, or alone in a tuple.
    """
    if isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], Tensor | np.ndarray):
        value = value[0]
    if isinstance(value, list) and value and all(isinstance(each, list) and len(each) == 1 for each in value):
        value = [each[0] for each in value]
    if isinstance(value, list) and value and all(type(each) is bool for each in value):
        value = np.array(value)
    if isinstance(value, Tensor | np.ndarray):
        if str(value.dtype).endswith("bool"):
            raise Unreadable(
                "it returns a mask (True where a neuron is dead); needed are the numbers of these neurons, as "
                "`mask.nonzero().flatten()` gives them"
            )
        if value.ndim == 2 and value.shape[1] == 1:
            value = value.flatten()
    if isinstance(value, set | frozenset):
        value = list(value)
    found = sequence(value, needed)
    for each in found:
        if each != each or each in (math.inf, -math.inf) or each != int(each):
            raise Unreadable(f"one of the numbers that it returns is {each:g}; needed is {needed}")
    return tuple(sorted(int(each) for each in found))


def mask(value: Any, like: Tensor) -> Tensor:
    """A mask with the shape of ``like``: a bool tensor, or a bool array."""
    if isinstance(value, np.ndarray) and value.dtype == np.bool_:
        value = torch.from_numpy(value.copy())
    if not isinstance(value, Tensor):
        raise Unreadable(f"it returns {named(value)}; needed is a tensor of bools, True where a connection is kept")
    if value.dtype != torch.bool:
        raise Unreadable(
            f"it returns a tensor of {value.dtype}; needed is a tensor of bools (a comparison such as `a >= b` gives "
            "one), True where a connection is kept"
        )
    shaped(value, like)
    return value.detach().cpu().clone()


def tensor(value: Any, like: Tensor) -> Tensor:
    """A tensor of numbers with the shape of ``like``, in double precision."""
    if isinstance(value, list | tuple) and like.ndim == 1:
        value = torch.tensor(sequence(value, f"{like.numel()} numbers"), dtype=torch.float64)
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        value = torch.from_numpy(value.copy())
    if not isinstance(value, Tensor) or value.dtype == torch.bool or value.is_complex():
        raise Unreadable(f"it returns {named(value)}; needed is a tensor of numbers of shape {shape(like)}")
    shaped(value, like)
    return value.detach().cpu().double().clone()


def shaped(value: Tensor, like: Tensor) -> None:
    if value.shape != like.shape:
        raise Unreadable(f"it returns a tensor of shape {shape(value)}; needed is shape {shape(like)}")


def named(value: Any) -> str:
    """What a value is, in words that run none of its code: "a list", "a tensor of shape (3, 4)"."""
    kind = type(value)
    if kind is Tensor:
        return f"a tensor of shape {shape(value)}, {value.dtype}"
    if kind is np.ndarray:
        return f"an array of shape {value.shape}, {value.dtype}"
    if kind in (bool, int, float):
        return repr(value)
    if kind is str:
        return f"the text {value[:40]!r}"
    name = str(type.__dict__["__name__"].__get__(kind))
    if name == "coroutine":
        return "a coroutine (write `def`, not `async def`)"
    if name == "generator":
        return "a generator (write `return`, not `yield`, and `[... for ...]`, not `(... for ...)`)"
    if name in ("map", "filter", "zip", "list_iterator", "dict_keys", "dict_values"):
        return f"a {name} (`list(...)` makes a list of it)"
    if name in ("function", "builtin_function_or_method", "method"):
        return "a function (are its brackets missing?)"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def shape(value: Tensor) -> str:
    return str(tuple(value.shape))


def shown(value: float) -> str:
    """A number in a sentence: five digits, NaN as such; of large numbers all digits before the point."""
    if math.isnan(value):
        return "NaN"
    return f"{value:.0f}" if 1e5 <= abs(value) < LARGE else f"{value:.5g}"


def listed(values: Collection[float]) -> str:
    """Numbers in a sentence: the first few."""
    words = [shown(float(value)) for value in list(values)[:MOST_SHOWN]]
    rest = len(values) - len(words)
    return "[" + ", ".join(words) + (f", ... {rest} more" if rest else "") + "]"


def close(a: float, b: float, tolerance: float = 1e-4) -> bool:
    """Whether two numbers agree as far as single precision lets them; NaN agrees with NaN."""
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-7)


def all_close(a: Sequence[float], b: Sequence[float], tolerance: float = 1e-4) -> bool:
    return len(a) == len(b) and all(close(x, y, tolerance) for x, y in zip(a, b, strict=True))
