"""``check``, ``hint`` and ``solution``: one attribute for each exercise."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

from prunelab.errors import LessonError
from prunelab.formatting import did_you_mean
from prunelab.lessons import examination, guesses, progress_file, readings, sandbox
from prunelab.lessons.checks import EXERCISES
from prunelab.lessons.exercise import Exercise
from prunelab.lessons.result import Note, Result


class _Namespace:
    """One attribute for each exercise; a LessonError for a name that is none."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what Python and IPython ask for of any object
            raise AttributeError(name)
        if name not in EXERCISES:
            raise LessonError(f"there is no exercise {name!r}; {did_you_mean(name, list(EXERCISES))}")
        bound = self._bound(EXERCISES[name])
        bound.__name__ = name
        return bound

    def __dir__(self) -> list[str]:
        return [*EXERCISES, *(name for name in type(self).__dict__ if not name.startswith("_"))]

    def _bound(self, exercise: Exercise) -> Callable[..., Any]:
        raise NotImplementedError


class Checks(_Namespace):
    """``check.threshold(threshold)`` checks your function and returns a Result. It never raises and never prints."""

    guess = staticmethod(guesses.guess)

    def _bound(self, exercise: Exercise) -> Callable[..., Result]:
        def checked(*given: object, seconds: float = sandbox.SECONDS, **named: object) -> Result:
            if list(named) == ["function"] and not given:
                given, named = (named["function"],), {}
            if len(given) != 1 or named:
                return _stopped(exercise, f"Your function alone is checked: call it as {_call(exercise)}.")
            if not isinstance(seconds, int | float) or not 0 < seconds <= threading.TIMEOUT_MAX:
                words = f"`seconds` is {readings.named(seconds)}, and a number above 0 is asked for"
                return _stopped(exercise, f"{words}: call it as {_call(exercise)}, or with `seconds=10`.")
            result = examination.check(exercise, given[0], seconds=seconds)
            words = progress_file.checked(exercise, result.outcome)
            return dataclasses.replace(result, says=f"{result.says} {words}") if words else result

        checked.__doc__ = f"Check your `{exercise.signature}`. seconds: the longest that one call of it may take."
        return checked


def _call(exercise: Exercise) -> str:
    return f"`check.{exercise.name}({exercise.name})`"


def _stopped(exercise: Exercise, says: str) -> Result:
    return Result("stopped", says, function=exercise.reference)


class Hints(_Namespace):
    """``hint.threshold()`` gives the next hint each time, ``hint.threshold(1)`` the first again."""

    def __init__(self) -> None:
        self._given: dict[str, int] = {}

    def _bound(self, exercise: Exercise) -> Callable[..., Note]:
        def hinted(step: int | None = None) -> Note:
            last = len(exercise.hints)
            if step is None:
                step = self._given.get(exercise.name, 0) + 1
            if isinstance(step, bool) or not isinstance(step, int) or step < 1:
                return Note(
                    "Hint", f"`hint.{exercise.name}` takes a number from 1 to {last}, or nothing for the next hint."
                )
            self._given[exercise.name] = min(max(step, self._given.get(exercise.name, 0)), last)
            if step > last:
                return Note("No more hints", f"There are {last}. `solution.{exercise.name}()` shows ours.")
            words = progress_file.hinted(exercise, step)
            more = f"`hint.{exercise.name}()` again gives the next" if step < last else "This was the last"
            return Note(f"Hint {step} of {last}", f"{exercise.hints[step - 1]} ({more}.) {words}".rstrip())

        hinted.__doc__ = f"The next hint for `{exercise.signature}`, or the one with this number."
        return hinted


class Solutions(_Namespace):
    """``solution.threshold()`` shows our function, folded away."""

    def _bound(self, exercise: Exercise) -> Callable[..., Note]:
        def solved(*given: object) -> Note:  # a function is given to checks, and so to this, too
            words = progress_file.shown(exercise)
            return Note(f"Our `{exercise.name}`", words, code=exercise.solution, folded=True)

        solved.__doc__ = f"Our `{exercise.signature}`."
        return solved


check = Checks()
hint = Hints()
solution = Solutions()
