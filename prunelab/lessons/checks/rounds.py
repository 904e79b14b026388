"""Lesson 4: which densities lie between the dense network and the last cut."""

from __future__ import annotations

from typing import Any

from prunelab.lessons import picture, readings
from prunelab.lessons.exercise import Exercise, Mistake, Trial
from prunelab.lessons.picture import Picture


def density_of_rounds(final, rounds):
    """Densities after each of the rounds, if each keeps the same share of what is left; the
    last one is `final`.

    final: above 0, at most 1. rounds: a whole number, 1 or more. Returns a list of `rounds`
    numbers.
    """
    return [final ** (k / rounds) for k in range(1, rounds + 1)]


def _curves(arguments: tuple[Any, ...], seen: tuple[float, ...], expected: tuple[float, ...]) -> Picture:
    alt = f"Density round by round: yours {readings.listed(seen)}, ours {readings.listed(expected)}."
    return picture.steps(seen, expected, alt)


def _numbers(value: Any, arguments: tuple[Any, ...]) -> tuple[float, ...]:
    found = readings.sequence(value, "a list of densities, one a round")
    if len(found) != arguments[1] and not (found and found[0] == 1 and len(found) == arguments[1] + 1):
        rounds = "a single round" if arguments[1] == 1 else f"{arguments[1]} rounds"
        raise readings.Unreadable(f"for {rounds} it returns {readings.listed(found)}; needed is one density a round")
    return found


EXERCISES = (
    Exercise(
        lesson=4,
        reference=density_of_rounds,
        trials=(
            Trial("`final` = 0.25 and 2 rounds", lambda: (0.25, 2)),
            Trial("`final` = 0.001 and 3 rounds", lambda: (0.001, 3)),
            Trial("`final` = 0.012 and 5 rounds", lambda: (0.012, 5)),
            Trial("`final` = 0.5 and 10 rounds", lambda: (0.5, 10)),
            Trial("`final` = 0.1 and a single round", lambda: (0.1, 1)),
            Trial("`final` = 1, where nothing is cut, and 4 rounds", lambda: (1.0, 4)),
        ),
        reads=_numbers,
        form=lambda value: list(readings.sequence(value)),
        same=readings.all_close,
        shows=readings.listed,
        picture=_curves,
        hints=(
            "Each round keeps the same share s of what is left. After two rounds s x s is left. After all of them?",
            "After `rounds` rounds it is s to the power of `rounds`, and that is to be `final`. So what is s?",
            "s = `final ** (1 / rounds)`, and after k rounds `s ** k` is left.",
        ),
        mistakes=(
            Mistake(
                lambda final, rounds: [1 - (1 - final) * k / rounds for k in range(1, rounds + 1)],
                "This cuts the same number of connections in each round. The last rounds then take most of what is "
                "left: each round is to keep the same share of it.",
            ),
            Mistake(
                lambda final, rounds: [1 - (1 - final) * k / max(1, rounds - 1) for k in range(rounds)],
                "This begins with the dense network, and cuts the same number of connections each time. The first "
                "round cuts already, and each is to keep the same share of what is left.",
            ),
            Mistake(
                lambda final, rounds: [1 - (1 - final) * k / rounds for k in range(rounds)],
                "This begins with the dense network, never comes to `final`, and cuts the same number each time: each "
                "round is to keep the same share of what is left.",
            ),
            Mistake(
                lambda final, rounds: [final ** (k / max(1, rounds - 1)) for k in range(rounds)],
                "This begins with the dense network: its 1 is no density after a round, and the cuts are one too few.",
            ),
            Mistake(
                lambda final, rounds: [final] * rounds,
                "This cuts down to the last density in the first round, and nothing after it.",
            ),
            Mistake(
                lambda final, rounds: [final**k for k in range(1, rounds + 1)],
                "This keeps the share `final` in each round, and ends far below it. Each round keeps less: the root.",
            ),
            Mistake(
                lambda final, rounds: [final ** (k / rounds) for k in range(rounds)],
                "This begins with the dense network and stops before the last cut: count the rounds from 1.",
            ),
            Mistake(
                lambda final, rounds: [final ** (k / rounds) for k in range(rounds + 1)],
                "The 1 of the dense network stands before the rounds: it is no density after a round, leave it out.",
            ),
            Mistake(
                lambda final, rounds: [final ** (k / rounds) for k in range(rounds, 0, -1)],
                "This is back to front: the first round leaves most.",
            ),
            Mistake(
                lambda final, rounds: [final ** (1 / rounds)] * rounds,
                "This is the share that each round keeps of what is left, again and again. Multiply them up.",
            ),
            Mistake(
                lambda final, rounds: [(1 - final) ** (k / rounds) for k in range(1, rounds + 1)],
                "This goes by the share that is cut, `1 - final`. Densities are what is kept.",
            ),
            Mistake(
                lambda final, rounds: [1 / rounds * final * k for k in range(1, rounds + 1)],
                "This grows from nothing to `final`. It begins at 1, the dense network, and falls.",
            ),
        ),
    ),
)
