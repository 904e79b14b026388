"""An exercise: what is asked for, ours, hints, calls that tell mistakes apart, and the mistakes that people make.

A mistake is a function that makes it. Whoever gives the same wrong answers in every call has made the same mistake, and
gets its sentence. So nothing has to be guessed from a single number, and each mistake can be tested as a whole.
"""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prunelab.lessons.picture import Picture
from prunelab.lessons.readings import Unreadable

Function = Callable[..., Any]


@dataclass(frozen=True)
class Trial:
    """One call of the student's function. what: its arguments in words. arguments: fresh values, always equal."""

    what: str
    arguments: Callable[[], tuple[Any, ...]]


@dataclass(frozen=True)
class Mistake:
    """A function that is wrong in the way that ``says`` names."""

    function: Function
    says: str


@dataclass(frozen=True)
class Complaint:
    """Seen in place of an answer: what was returned cannot be read, and why."""

    words: str


NOTHING = object()  # seen in place of an answer: nothing was returned
Seen = Any  # what was read of an answer, a Complaint, or NOTHING


def returned_nothing(value: Any, _arguments: tuple[Any, ...]) -> bool:
    return value is None or value is ...


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """An exercise of a lesson, named like its reference.

    Args:
        lesson: Its number.
        reference: Ours; its source is the solution that is shown, its docstring says what is asked for.
        trials: The calls; simple ones first, as the first that goes wrong is told.
        reads: (value, arguments) to a plain value, or Unreadable; runs in the sandbox.
        same: Whether two plain values are the same answer.
        shows: A plain value in words.
        mistakes: At least five.
        hints: From a nudge to nearly the solution.
        also: Other functions that are as right.
        calls: (function, arguments) to a value, where one call is not enough.
        blank: (value, arguments): whether nothing was done, where that is not a matter of what is returned.
        may_change: Names of arguments that the function is to change.
        form: A right answer as lessons go on with it, where checks take others, too; None: they go on with any.
        remark: (seen) to a word for an answer that is right, or "".
        picture: (arguments, seen, expected) to a picture of a wrong answer, where one says more.
        seed: Of the trials' data; said, so that a failure can be repeated.
    """

    lesson: int
    reference: Function
    trials: Sequence[Trial]
    reads: Callable[[Any, tuple[Any, ...]], Any]
    same: Callable[[Any, Any], bool]
    shows: Callable[[Any], str]
    mistakes: Sequence[Mistake]
    hints: Sequence[str]
    also: Sequence[Function] = ()
    calls: Callable[[Function, tuple[Any, ...]], Any] = lambda function, arguments: function(*arguments)
    blank: Callable[[Any, tuple[Any, ...]], bool] = returned_nothing
    may_change: Sequence[str] = ()
    form: Callable[[Any], Any] | None = None
    remark: Callable[[Sequence[Any]], str] = lambda seen: ""
    picture: Callable[[tuple[Any, ...], Any, Any], Picture | None] = lambda arguments, seen, expected: None
    seed: int = 0

    @property
    def name(self) -> str:
        return self.reference.__name__

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.reference).parameters)

    @property
    def signature(self) -> str:
        """As it is called: "threshold(weights, quality)"."""
        return f"{self.name}({', '.join(self.parameters)})"

    @property
    def stub(self) -> str:
        """What a lesson begins with: the function with its docstring and nothing in it."""
        text = inspect.getdoc(self.reference) or ""
        lines = [f"def {self.signature}:", *textwrap.indent(f'"""{text}"""', "    ").splitlines(), "    ..."]
        return "\n".join(lines)

    @property
    def solution(self) -> str:
        """Ours as source."""
        return textwrap.dedent(inspect.getsource(self.reference)).rstrip()

    def answers(self, trial: Trial) -> tuple[Seen, ...]:
        """What is right in this trial: the reference's answer, then that of others that are as right."""
        return tuple(self.see(function, trial) for function in (self.reference, *self.also))

    def see(self, function: Function, trial: Trial) -> Seen:
        """What is seen of one of our functions in a trial; raises what it raises, but for Unreadable."""
        with torch.random.fork_rng(devices=[]):
            return self._seen(function, trial.arguments())

    def _seen(self, function: Function, arguments: tuple[Any, ...]) -> Seen:
        value = self.calls(function, arguments)
        if self.blank(value, arguments):
            return NOTHING
        try:
            return self.reads(value, arguments)
        except Unreadable as error:
            return Complaint(str(error))

    def look(self, function: Function, arguments: tuple[Any, ...], before: tuple[Any, ...]) -> tuple[Seen, list[str]]:
        """What is seen of a student's function, and the names of arguments that it changed but should not.

        before: what equals the arguments before the call.
        """
        seen = self._seen(function, arguments)
        named = zip(self.parameters, arguments, before, strict=True)
        return seen, [name for name, now, then in named if name not in self.may_change and not equal(now, then)]

    def formed(self, function: Function) -> Function:
        """A right function, with its answers in the form that lessons go on with."""
        form = self.form
        if form is None:
            return function

        @functools.wraps(function)
        def answers(*arguments: Any, **named: Any) -> Any:
            return form(function(*arguments, **named))

        return answers

    def agree(self, a: Seen, b: Seen) -> bool:
        """Whether the same was seen."""
        if a is NOTHING or b is NOTHING or isinstance(a, Complaint) or isinstance(b, Complaint):
            return a is b or (isinstance(a, Complaint) and a == b)
        return self.same(a, b)


def equal(a: Any, b: Any) -> bool:
    """Whether two arguments are the same, in all of their values; NaN equals NaN."""
    if isinstance(a, nn.Module) and isinstance(b, nn.Module):
        return equal(dict(a.state_dict()), dict(b.state_dict()))
    if isinstance(a, torch.optim.Optimizer) and isinstance(b, torch.optim.Optimizer):
        return equal(a.state_dict(), b.state_dict())
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        a, b = a.detach(), b.detach()
        nan = a.isnan()
        same = a.shape == b.shape and a.dtype == b.dtype and torch.equal(nan, b.isnan())
        return same and torch.equal(a[~nan], b[~nan])
    if isinstance(a, torch.Generator) and isinstance(b, torch.Generator):
        return True  # drawing from it is what it is for
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if callable(a) and callable(b):
        return type(a) is type(b)
    return type(a) is type(b) and bool(a == b or (a != a and b != b))
