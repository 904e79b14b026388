"""Predictions: a guess beside what came out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor

from prunelab.lessons import readings
from prunelab.lessons.readings import Unreadable
from prunelab.lessons.result import Result

CALL = "call it as `check.guess(guess, actual)`"


def guess(guess: Any = ..., actual: Any = ..., *more: Any, within: float = 0.0, unit: str = "") -> Result:
    """Compare a prediction with what came out.

    Args:
        guess: A number, a word, or True or False. None or ``...``: not made yet.
        actual: What came out, of the same kind.
        more: Nothing: how far off a guess may be has a name, ``within=2``.
        within: How far a number may be off and still be right; 0 or more, in the unit of both.
        unit: Said after the numbers, such as "%".

    Returns:
        A Result without a function: right, wrong, not begun, or stopped if something is of another kind. It
        never raises.
    """
    guess, actual = _plain(guess), _plain(actual)
    if guess is None or guess is ... or (isinstance(guess, str) and not guess):
        return Result("not begun", "There is no guess yet: set `guess`, and run this cell again. A guess can't fail.")
    if more:
        return Result("stopped", f"A guess and what came out are compared: {CALL}, and say `within=2` by its name.")
    try:
        within = readings.number(within)
        possible = 0 <= within < math.inf
    except (Unreadable, OverflowError):
        possible = False
    if not possible:
        return Result("stopped", f"`within` is {readings.named(within)}, and a number from 0 on is asked for.")
    if isinstance(actual, str | bool):
        return _word(guess, actual)
    try:
        yours = readings.number(guess)
    except (Unreadable, OverflowError):
        comma = isinstance(guess, tuple) or (isinstance(guess, str) and "," in guess)
        such = "`guess = 97.5`, with a point for the comma" if comma else "`guess = 50`"
        return Result("stopped", f"The guess is {readings.named(guess)}, and a number is asked for, such as {such}.")
    if not math.isfinite(yours):
        return Result("stopped", f"The guess is {readings.shown(yours)}: guess a finite number.")
    try:
        came = readings.number(actual)
    except (Unreadable, OverflowError):
        what = "missing" if actual is ... else readings.named(actual)
        return Result("stopped", f"What came out is {what}, and a number is asked for: {CALL}.")
    if not math.isfinite(came):
        return Result("stopped", f"What came out is {readings.shown(came)}: there is no finite number to compare with.")
    said = f" {unit}" if unit else ""
    words = f"You guessed {readings.shown(yours)}{said}, and it is {_rounded(came, within)}{said}"
    if abs(yours - came) <= within + 1e-9 * abs(came):
        return Result("right", f"{words}." if yours == came else f"{words}: close enough (within {within:g}{said}).")
    off = _rounded(abs(yours - came), within) + (" points" if unit == "%" else said)
    return Result("wrong", f"{words}: {off} too {'high' if yours > came else 'low'}.", guess=True)


def _plain(value: Any) -> Any:
    """A word, a yes or a no of NumPy's or torch's as Python's own; all else as it is."""
    if isinstance(value, str):
        return str(value).strip()
    one = isinstance(value, Tensor | np.ndarray | np.generic) and math.prod(value.shape) == 1
    return value.item() if one and str(value.dtype).endswith("bool") else value


def _rounded(value: float, within: float) -> str:
    """A number to a tenth of what a guess may be off by: more digits say nothing about it."""
    return readings.shown(round(value, 1 - math.floor(math.log10(within))) if within else value)


def _word(guess: Any, actual: str | bool) -> Result:
    if type(guess) is not type(actual):
        kind = "a word" if isinstance(actual, str) else "`True` or `False`"
        return Result("stopped", f"The guess is {readings.named(guess)}, and {kind} is asked for.")
    if str(guess).casefold() == str(actual).casefold():
        return Result("right", f"You guessed {guess!s:.60}, and so it is.")
    return Result("wrong", f"You guessed {guess!s:.60}, and it is {actual!s:.60}.", guess=True)
