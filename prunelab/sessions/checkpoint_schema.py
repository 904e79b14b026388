"""Checks of saved values, from which each part of a session builds its SCHEMA (beside the part's class).

A file that was edited or damaged raises an error when it is read, not in the middle of a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

LARGEST = 2**53  # above this JSON's numbers are no longer exact

Check = Callable[[Any], bool]
Schema = Mapping[str, Check]


def count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def share(value: Any) -> bool:
    return number(value) and 0 <= value <= 1


def text(value: Any) -> bool:
    return isinstance(value, str)


def flag(value: Any) -> bool:
    return isinstance(value, bool)


def one_of(*values: str) -> Check:
    return lambda value: value in values


def either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


def row(*checks: Check) -> Check:
    return lambda value: (
        isinstance(value, list | tuple)
        and len(value) == len(checks)
        and all(check(part) for check, part in zip(checks, value, strict=True))
    )


def fields(**checks: Check) -> Check:
    return lambda value: (
        isinstance(value, dict) and value.keys() == checks.keys() and all(checks[name](value[name]) for name in checks)
    )


def each(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(check(part) for part in value.values())


def tensors(value: Any) -> bool:
    """A group of tensors. Their shapes are checked by ``restore``, which knows the model."""
    return isinstance(value, dict)


def check_keys(part: str, state: Any, keys: Collection[str]) -> None:
    """Raise ValueError, with the missing and unknown names, unless ``state`` has exactly these keys."""
    odd = sorted(state.keys() ^ keys) if isinstance(state, dict) else [part]
    if odd:
        raise ValueError(f"{part}: {', '.join(odd)}: missing, or not of a session")


def check_part(part: str, state: Any, schema: Schema) -> None:
    """Raise ValueError, with name and value, unless ``state`` has the keys of ``schema`` and passes its checks."""
    check_keys(part, state, schema.keys())
    for name, allowed in schema.items():
        if not allowed(state[name]):
            raise ValueError(f"{name} = {str(state[name])[:80]} cannot be")
