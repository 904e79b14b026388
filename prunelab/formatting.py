"""Formats numbers and names for people: percentages, sizes, times, layer names, near names, round ends of axes."""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

Class = TypeVar("Class", bound=type)

STEPS = (1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)  # half of each has at most two digits

AS_LARGE = "as large"  # as the dense network, as far as can be seen
MOST_DIGITS = 8  # of a percentage


def round_up(value: float, steps: Sequence[float] = STEPS) -> float:
    """The smallest of ``steps`` (from 1 to 10) times a power of ten that is at least ``value`` (> 0)."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in steps if step * power >= value)


def percent(fraction: float, digits: int = 1) -> str:
    """0.0834 as "8.3 %"; at least two digits below one percent.

    More digits where these would show a little as nothing, or all but a little as everything.
    """
    value = 100 * fraction
    digits = max(digits, 2) if 0 < value < 1 else digits
    while 0 < value < 100 and digits < MOST_DIGITS and round(value, digits) in (0, 100):
        digits += 1
    return f"{value:.{digits}f} %"


def kilobytes(size: int) -> str:
    """Bytes as "98.2 KB" (1 KB = 1,000 bytes), or as MB from 1,000 KB on."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} KB"


def times(ratio: float) -> str:
    """A ratio as "12.3x": of connections, sizes or speeds, wherever it stands."""
    return f"{ratio:.1f}x"


def compared(size: float, dense: float) -> str:
    """A size against the dense network's: "10.9x smaller", "1.2x larger" or, where that would be 1.0x, "as large"."""
    ratio = max(dense / size, size / dense)
    if times(ratio) == times(1):
        return AS_LARGE
    return f"{times(ratio)} {'smaller' if size < dense else 'larger'}"


def count(number: int) -> str:
    return f"{number:,}"


def latency(seconds: float) -> str:
    """The time of one batch, in microseconds or milliseconds."""
    return f"{1e6 * seconds:,.0f} µs" if seconds < 1e-3 else f"{1e3 * seconds:,.1f} ms"


def time_left(seconds: float) -> str:
    """The time that a run still takes, in seconds or minutes."""
    if seconds < 1:
        return "under 1 s"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def did_you_mean(name: str, known: Collection[str]) -> str:
    """A hint for a name that is not ``known``: the nearest one, or all there are."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else "there are " + (", ".join(known) or "none")


def suggesting(cls: Class) -> Class:
    """Class decorator: an argument that the constructor does not know is a TypeError that names the nearest one.

    It stays a TypeError, as for any function: the mistake is in a program, not in somebody's input.
    """
    construct = cls.__init__  # type: ignore[misc]
    known = list(inspect.signature(construct).parameters)[1:]

    @functools.wraps(construct)
    def checked(self: Any, *args: Any, **values: Any) -> None:
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
                raise TypeError(f"{cls.__name__}() has no argument {name}; {hint}")
        construct(self, *args, **values)

    cls.__init__ = checked  # type: ignore[misc]
    return cls


def as_list(names: str | Iterable[str]) -> list[str]:
    """Names as a list; a string is one name, not its letters."""
    return [names] if isinstance(names, str) else list(names)


def file_part(text: str, longest: int = 60) -> str:
    """Text as a part of a file name that is safe on every system; "" if nothing of it is."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:longest].strip(".-")


def layer_of(parameter_name: str) -> str:
    """The layer name for a parameter name: "fc1" for "fc1.weight"."""
    return parameter_name.removesuffix(".weight")


def module_of(parameter_name: str) -> str:
    """The name of the module that a parameter is of, "lstm" for "lstm.weight_hh_l0"; "" for the model itself."""
    return parameter_name.rpartition(".")[0]
