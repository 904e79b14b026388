"""The check of an exercise: all of its calls, and what is said of them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from types import FunctionType

from prunelab.lessons import readings, sandbox
from prunelab.lessons.exercise import NOTHING, Complaint, Exercise, Function, Mistake, Seen, Trial
from prunelab.lessons.picture import Picture
from prunelab.lessons.result import Outcome, Result

# What torch's errors mean to someone who has not met them, by a part of their words.
ADVICE = {
    "a leaf Variable that requires grad": "A network's parameters are changed within `with torch.no_grad():`, or torch "
    "takes the change for a part of what is differentiated.",
    "Can't call numpy() on Tensor that requires grad": "`tensor.detach()` gives the numbers without their history.",
    "Boolean value of Tensor with more than one value": "Of a whole tensor, say whether `.any()` or `.all()` is meant; "
    "`&` and `|` work on each element, `and` and `or` do not.",
}


def check(exercise: Exercise, function: object, *, seconds: float = sandbox.SECONDS) -> Result:
    """Check a student's function. seconds: that one call of it may take.

    Nothing that the function does or returns makes this raise; an interrupt of the kernel does.
    """
    refusal = _refusal(exercise, function)
    if refusal is not None:
        return Result(*refusal, function=exercise.reference)
    assert callable(function)
    return _Examination(exercise, function, seconds).result()


def _refusal(exercise: Exercise, function: object) -> tuple[Outcome, str] | None:
    """What is said of something that is no function of the student's, or has other arguments."""
    name, parameters = exercise.name, ", ".join(exercise.parameters)
    if function is None or function is ...:
        return ("not begun", f"There is no function yet: write `def {exercise.signature}:` and run its cell.")
    if function is exercise.reference:
        return (
            "not begun",
            f"This is ours: it stands in for yours until yours is right. Run the cell with your `def {name}` "
            "again, then this one.",
        )
    if not callable(function):
        return (
            "stopped",
            f"`check.{name}` takes your function, and was given {readings.named(function)}. Write "
            f"`check.{name}({name})`, without brackets behind the second `{name}`.",
        )
    if isinstance(function, FunctionType):  # of other callables, asking for the signature may run their code
        found = inspect.Signature.from_callable(function, follow_wrapped=False)
        try:
            found.bind(*exercise.parameters)
        except TypeError:
            theirs = ", ".join(found.parameters) or "nothing"
            return ("wrong", f"`{name}` is called with ({parameters}); yours takes ({theirs}).")
    return None


class _Examination:
    """One check of one function: all trials, then what is said of them."""

    def __init__(self, exercise: Exercise, function: Function, seconds: float) -> None:
        self.exercise, self.function, self.seconds = exercise, function, seconds
        self.seen: list[Seen] = []
        self.changed: list[tuple[Trial, list[str]]] = []
        self.printed = ""
        self.unwritten = ""  # words of a NotImplementedError

    def result(self) -> Result:
        for trial in self.exercise.trials:
            done = self._call(trial)
            self.printed = self.printed or done.printed
            if done.ending == "not implemented":
                self.unwritten = done.words
                self.seen.append(NOTHING)
            elif done.ending == "returned":
                seen, changed = done.value
                self.seen.append(seen)
                if changed:
                    self.changed.append((trial, changed))
            else:
                return self._stopped(trial, done)
        if all(seen is NOTHING for seen in self.seen):
            return self._finish("not begun", f"`{self.exercise.name}` does nothing yet{self._why_nothing()}")
        wrong = self._wrong()
        if wrong is None:
            wrong = self._in_place()
        return self._right() if wrong is None else wrong

    def _why_nothing(self) -> str:
        if self.unwritten:
            return f" ({self.unwritten})."
        if self.exercise.may_change:  # what it returns does not matter
            return "."
        return ". If you have written something, it lacks a `return`."

    def _call(self, trial: Trial) -> sandbox.Call:
        code = self.function.__code__ if isinstance(self.function, FunctionType) else None
        arguments, before = trial.arguments(), trial.arguments()  # made here: the time is the student's alone
        return sandbox.call(
            lambda: self.exercise.look(self.function, arguments, before),
            code=code,
            seconds=self.seconds,
        )

    def _stopped(self, trial: Trial, done: sandbox.Call) -> Result:
        if done.ending == "inside":
            return self._finish("stopped", "A function that is checked can't call a check: take that out of it.")
        if done.ending == "too long":
            words = f"It did not end within {self.seconds:g} s, given {trial.what}. Is there a loop without an end?"
            if done.goes_on:
                words += (
                    " It could not be ended, as it waits in something that Python can't interrupt (`time.sleep`, for "
                    "example), and goes on in the background: restart the kernel if it disturbs."
                )
            return self._finish("stopped", words, trial)
        # Answers before it may be wrong in a way that has a name, and that is the reason.
        wrong = self._wrong(named_only=True)
        if wrong is not None:
            return wrong
        advice = next((f" {words}" for error, words in ADVICE.items() if error in done.words), "")
        words = f"It stops with an error, given {trial.what}. {done.words}{self._seed}{advice}"
        return self._finish("stopped", words, trial)

    def _wrong(self, *, named_only: bool = False) -> Result | None:
        exercise = self.exercise
        pairs = list(zip(exercise.trials, self.seen, strict=False))
        failed = [
            (trial, seen)
            for trial, seen in pairs
            if not any(exercise.agree(seen, answer) for answer in exercise.answers(trial))
        ]
        if not failed:
            return None
        trial, seen = failed[0]
        mistake = next((each for each in exercise.mistakes if all(self._explains(each, *p) for p in pairs)), None)
        if mistake is None and named_only:
            return None
        part = self._partly(failed) if mistake is None else None
        if mistake is not None:
            words = mistake.says
        elif part is not None:
            words = f"{part.says} (That is not all: some calls go wrong in another way.)"
        elif seen is NOTHING:
            words = "It returns nothing here, though it does elsewhere: is there a way through it without a `return`?"
        elif isinstance(seen, Complaint):
            words = seen.words[:1].upper() + seen.words[1:] + "."
        elif self.changed:
            names = " and ".join(f"`{name}`" for name in self.changed[0][1])
            kind = self._kind(*self.changed[0])
            words = f"The answer is not right, and your function changes {names} in place: make a new {kind} instead."
        else:
            words = "The answer is not right."
        picture = None
        place = f" Seen with {trial.what}{self._seed}"
        if seen is not NOTHING and not isinstance(seen, Complaint):
            expected = exercise.answers(trial)[0]
            yours, ours = exercise.shows(seen), exercise.shows(expected)
            if yours != ours:
                place = f" Given {trial.what}, yours is {yours}, ours {ours}{self._seed}"
            picture = exercise.picture(trial.arguments(), seen, expected)
        words += place
        return self._finish("wrong", words, trial, picture)

    def _partly(self, failed: Sequence[tuple[Trial, Seen]]) -> Mistake | None:
        """The mistake that is behind the first wrong answer and most of the others: two were made at once."""
        explained = {
            each: sum(self._explains(each, *pair) for pair in failed)
            for each in self.exercise.mistakes
            if self._explains(each, *failed[0])
        }
        best = max(explained, key=lambda each: explained[each], default=None)
        return best if best is not None and 2 * explained[best] > len(failed) else None

    def _explains(self, mistake: Mistake, trial: Trial, seen: Seen) -> bool:
        """Whether the student's answer in this trial is that of the mistake."""
        try:
            return bool(self.exercise.agree(seen, self.exercise.see(mistake.function, trial)))
        except Exception:  # the mistake raises here; the student's function did not
            return False

    def _in_place(self) -> Result | None:
        if not self.changed:
            return None
        trial, names = self.changed[0]
        words = " and ".join(f"`{name}`" for name in names)
        kind = self._kind(trial, names)
        instead = {"list": "`sorted(a)` instead of `a.sort()`", "tensor": "`a * b` instead of `a *= b` or `a.mul_(b)`"}
        return self._finish(
            "wrong",
            f"The answer is right, but your function changes {words} in place: whoever calls it keeps working with "
            f"something else than before. Make a new {kind} ({instead[kind]}). Seen with {trial.what}{self._seed}",
            trial,
        )

    def _kind(self, trial: Trial, names: Sequence[str]) -> str:
        """What an argument that was changed is, in words."""
        changed = dict(zip(self.exercise.parameters, trial.arguments(), strict=True))[names[0]]
        return "list" if isinstance(changed, list) else "tensor"

    def _right(self) -> Result:
        remark = self.exercise.remark(self.seen)
        calls = f"`{self.exercise.name}` does what it should in all {len(self.seen)} calls."
        function = self.exercise.formed(self.function)
        return Result("right", f"{calls} {remark}".rstrip(), function=function, printed=self.printed)

    @property
    def _seed(self) -> str:
        return f" (seed {self.exercise.seed})."

    def _finish(
        self, outcome: Outcome, says: str, trial: Trial | None = None, picture: Picture | None = None
    ) -> Result:
        arguments = trial.arguments() if trial else None
        return Result(outcome, says, picture, self.exercise.reference, arguments, self.printed)
