"""Lesson 1: what a difference of accuracy is in test digits."""

from __future__ import annotations

from prunelab.lessons import readings
from prunelab.lessons.exercise import Exercise, Mistake, Trial

DIGITS = 359


def digit_points(accuracy_a, accuracy_b, digits):
    """How many test digits more network b reads right than network a; negative if it reads
    fewer.

    accuracy_a, accuracy_b: fractions from 0 to 1. digits: how many test digits there are.
    Returns a number.
    """
    return round((accuracy_b - accuracy_a) * digits)


def _unrounded(accuracy_a, accuracy_b, digits):
    return (accuracy_b - accuracy_a) * digits


def _pair(right_a: int, right_b: int, digits: int) -> tuple[float, float, int]:
    return right_a / digits, right_b / digits, digits


EXERCISES = (
    Exercise(
        lesson=1,
        reference=digit_points,
        trials=(
            Trial("346 and 351 of 359 digits right", lambda: _pair(346, 351, DIGITS)),
            Trial("351 and 346 of 359 digits right", lambda: _pair(351, 346, DIGITS)),
            Trial("347 and 350 of 359 digits right", lambda: _pair(347, 350, DIGITS)),
            Trial("twice the same accuracy", lambda: _pair(350, 350, DIGITS)),
            Trial("9,800 and 9,801 of 10,000 digits right", lambda: _pair(9800, 9801, 10_000)),
            Trial("none and all of 359 digits right", lambda: _pair(0, DIGITS, DIGITS)),
            Trial("a single digit, which b reads right", lambda: _pair(0, 1, 1)),
        ),
        reads=lambda value, arguments: readings.number(value, "a number of digits"),
        same=lambda a, b: readings.close(a, b, 1e-3),  # unrounded in single precision, too
        shows=readings.shown,
        also=(_unrounded,),
        hints=(
            "An accuracy is right digits / all digits. How do you get from it to the right digits?",
            "Times `digits`. Both networks have read the same ones.",
            "`(accuracy_b - accuracy_a) * digits`, and `round` takes away what dividing has left behind the point.",
        ),
        mistakes=(
            Mistake(
                lambda accuracy_a, accuracy_b, digits: (accuracy_a - accuracy_b) * digits,
                "It is the other way round: count what b reads more than a, so that it is positive where b is better.",
            ),
            Mistake(
                lambda accuracy_a, accuracy_b, digits: abs(accuracy_b - accuracy_a) * digits,
                "The sign is lost: whether b is better or worse is half of the answer. Leave out `abs`.",
            ),
            Mistake(
                lambda accuracy_a, accuracy_b, digits: (accuracy_b - accuracy_a) * 100,
                "These are points, hundredths. Digits are asked for: multiply by how many there are.",
            ),
            Mistake(
                lambda accuracy_a, accuracy_b, digits: round((accuracy_b - accuracy_a) * 100),
                "These are whole points, hundredths. Digits are asked for: multiply by how many there are.",
            ),
            Mistake(
                lambda accuracy_a, accuracy_b, digits: (accuracy_b - accuracy_a) * digits * 100,
                "This is a hundred times too many: the accuracies are fractions from 0 to 1, no percentages.",
            ),
            Mistake(
                lambda accuracy_a, accuracy_b, digits: (accuracy_b - accuracy_a) * digits / 100,
                "This is a hundredth of it. The accuracies are fractions from 0 to 1, no percentages.",
            ),
            Mistake(
                lambda accuracy_a, accuracy_b, digits: (accuracy_b - accuracy_a) / digits,
                "It is divided by the digits: a fraction times all digits is the number of those that it stands for.",
            ),
            Mistake(
                lambda accuracy_a, accuracy_b, digits: accuracy_b - accuracy_a,
                "This is the difference of the accuracies. How many digits is that?",
            ),
            Mistake(
                lambda accuracy_a, accuracy_b, digits: int((accuracy_b - accuracy_a) * digits),
                "`int` cuts off: 2.9999 becomes 2, and dividing leaves such numbers behind. `round` gives 3.",
            ),
            Mistake(
                lambda accuracy_a, accuracy_b, digits: accuracy_b * digits,
                "These are all digits that b reads right. Subtract those that a does.",
            ),
        ),
    ),
)
