"""Allowed values of recipe fields, parsing from links, and error messages."""

from __future__ import annotations

import difflib
import numbers
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prunelab.errors import RecipeError

DEPENDENT = ("learning_rate", "epochs", "retrain_epochs", "scope")  # the fields that have a usual value
USUAL = "usual"  # in links and options: leave a field to its usual value, a layer to the common quality
LONGEST_NUMBER = 256  # bits of the longest whole number that is quoted in full


@dataclass(frozen=True)
class Number:
    """Allowed values of a numeric field: ``low`` to ``high``, both included; ``low`` excluded if ``above``."""

    low: float
    high: float
    integer: bool = False
    above: bool = False

    def __str__(self) -> str:
        kind = "a whole number" if self.integer else "a number"
        high = f"{self.high:,.0f}" if self.integer else f"{self.high:g}"
        return f"{kind} above {self.low:g} and at most {high}" if self.above else f"{kind} from {self.low:g} to {high}"

    def check(self, value: Any) -> bool:
        kind: Any = numbers.Integral if self.integer else numbers.Real
        if isinstance(value, bool) or not isinstance(value, kind):
            return False
        # Compared before conversion: an int may be too large for a float. NaN fails both comparisons.
        return bool((value > self.low if self.above else value >= self.low) and value <= self.high)

    def kept(self, value: Any) -> Any:
        """An allowed ``value`` (NumPy numbers too) as a Python int or float."""
        return int(value) if self.integer else float(value)

    def parse(self, text: str) -> Any:
        return int(text) if self.integer else float(text)


@dataclass(frozen=True)
class Choice:
    """Allowed values of a field with a fixed list of names."""

    options: tuple[str, ...]

    def __str__(self) -> str:
        return "one of " + ", ".join(self.options)

    def check(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.options

    def parse(self, text: str) -> Any:
        return text


@dataclass(frozen=True)
class Flag:
    """Allowed values of a yes-or-no field."""

    def __str__(self) -> str:
        return "true or false"

    def check(self, value: Any) -> bool:
        return isinstance(value, bool)

    def parse(self, text: str) -> Any:
        return {"true": True, "false": False}.get(text, text)


Allowed = Number | Choice | Flag


def setting(default: Any, allowed: Allowed, text: str) -> Any:
    """A dataclass field with its allowed values and its meaning in one sentence."""
    return field(default=default, metadata={"allowed": allowed, "help": text})


def refusal(name: str, value: Any, allowed: Allowed) -> RecipeError:
    """The error for a ``value`` that field ``name`` does not allow."""
    near = difflib.get_close_matches(quoted(value), allowed.options, n=1) if isinstance(allowed, Choice) else []
    hint = f"; did you mean {near[0]}?" if near else ""
    return RecipeError(f"{quoted(name)} = {quoted(value)}: must be {allowed}{hint}")


def known(key: str, table: Mapping[str, Allowed]) -> Allowed:
    """The allowed values of the field ``key``. Raises RecipeError, with the nearest name, for another key."""
    if key not in table:
        near = difflib.get_close_matches(key, table, n=1)
        hint = f"did you mean {near[0]}?" if near else "known: " + ", ".join(table)
        raise RecipeError(f"{quoted(key)} is not a field of a recipe; {hint}")
    return table[key]


def parsed(name: str, text: str, rule: Allowed) -> Any:
    """The value of field ``name`` in a link or an option: None where it is left to the usual.

    Raises ValueError for a text that is no such value.
    """
    return None if name in DEPENDENT and text == USUAL else rule.parse(text)


def layer_pairs(pairs: Any, rule: Allowed) -> tuple[tuple[str, float], ...]:
    """Qualities by layer as sorted pairs, each checked. Raises RecipeError for anything else."""
    if not isinstance(pairs, Iterable) or isinstance(pairs, str):
        raise RecipeError(f"layer_quality = {quoted(pairs)}: must be a mapping from layer to quality")
    qualities = {}
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str) or not pair[0]:
            raise RecipeError(f"layer_quality: {quoted(pair)} is not a pair of layer and quality")
        if not rule.check(pair[1]):
            raise RecipeError(f"layer_quality of {quoted(pair[0])} = {quoted(pair[1])}: must be {rule}")
        qualities[pair[0]] = float(pair[1])
    return tuple(sorted(qualities.items()))


def quoted(value: Any) -> str:
    """A value for a message: quoted, and at most 80 characters long, as links can be hostile."""
    plain = isinstance(value, str) and value.replace(".", "").replace("_", "").isalnum()
    text = value if plain else _Quoted().repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def link_text(value: Any) -> str:
    """A value as text for a link; the inverse of ``parse``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


class _Quoted(reprlib.Repr):
    """Python's repr, limited in depth and digits (repr of an int beyond 4,300 digits raises)."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 76

    def repr_int(self, x: int, level: int) -> str:
        long = x.bit_length() > LONGEST_NUMBER
        return f"a number of about {round(x.bit_length() * 0.30103)} digits" if long else repr(x)
