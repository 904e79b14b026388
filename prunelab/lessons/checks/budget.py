"""Lesson 12: the smallest network that loses no more than is allowed."""

from __future__ import annotations

from prunelab.lessons import readings
from prunelab.lessons.exercise import Exercise, Mistake, Trial

Rows = list[tuple[float, float]]


def within_budget(rows, loss):
    """The smallest density whose accuracy lies at most `loss` below that of the dense
    network.

    rows: a list of pairs (density, accuracy), all fractions from 0 to 1, in any order; the
    dense network is the one with density 1. loss: the accuracy that may be lost, a fraction.
    Returns a density out of the rows.
    """
    dense = dict(rows)[1.0]
    return min(density for density, accuracy in rows if accuracy >= dense - loss)


# Accuracies as parts of 256, and losses too, so that a row can lie exactly at the limit.
FALLING: Rows = [(1.0, 250 / 256), (0.5, 250 / 256), (0.3, 249 / 256), (0.2, 246 / 256), (0.1, 240 / 256), (0.05, 0.8)]
BETTER: Rows = [(0.05, 0.5), (0.1, 230 / 256), (0.2, 245 / 256), (0.3, 250 / 256), (0.5, 252 / 256), (1.0, 248 / 256)]
LOW: Rows = [(0.3, 0.5), (1.0, 0.5625), (0.1, 0.4375), (0.2, 0.5)]
UNEVEN: Rows = [(1.0, 250 / 256), (0.5, 247 / 256), (0.3, 249 / 256), (0.2, 240 / 256)]
SHUFFLED: Rows = [(0.2, 246 / 256), (0.05, 0.25), (1.0, 250 / 256), (0.1, 242 / 256)]


def _dense(rows: Rows) -> float:
    return dict(rows)[1.0]


EXERCISES = (
    Exercise(
        lesson=12,
        reference=within_budget,
        trials=(
            Trial("accuracies that fall with the density, and a loss of 5/256", lambda: (list(FALLING), 5 / 256)),
            Trial("a row that lies exactly at the limit", lambda: (list(FALLING), 4 / 256)),
            Trial("a pruned network that is better than the dense one", lambda: (list(BETTER), 3 / 256)),
            Trial("accuracies that go up and down", lambda: (list(UNEVEN), 4 / 256)),
            Trial("rows in no order", lambda: (list(SHUFFLED), 8 / 256)),
            Trial("a network of low accuracy, and a loss of 1/16", lambda: (list(LOW), 1 / 16)),
            Trial("a loss of 0", lambda: (list(FALLING), 0.0)),
            Trial("the dense network alone", lambda: ([(1.0, 0.9)], 0.01)),
            Trial("a loss of which all rows are within", lambda: (list(BETTER), 1.0)),
        ),
        reads=lambda value, arguments: readings.number(value, "a density out of the rows"),
        form=readings.number,
        same=readings.close,
        shows=readings.shown,
        hints=(
            "What is the accuracy of the dense network? It is the one with density 1, wherever it stands.",
            "Which rows have an accuracy of `dense - loss` or more? Of these take the smallest density.",
            "`min(density for density, accuracy in rows if ...)` goes through all rows.",
        ),
        mistakes=(
            Mistake(
                lambda rows, loss: min(d for d, a in rows if a >= max(a for _, a in rows) - loss),
                "This measures from the best accuracy of all rows. The budget counts from the dense network's, which "
                "a pruned one may beat.",
            ),
            Mistake(
                lambda rows, loss: max(d for d, a in rows if a >= _dense(rows) - loss),
                "This is the largest density that keeps the budget, and that is the dense network. The smallest is "
                "asked for.",
            ),
            Mistake(
                lambda rows, loss: min(d for d, a in rows if d == 1 or a > _dense(rows) - loss),
                "A network that loses exactly `loss` is within the budget: `>=`.",
            ),
            Mistake(
                lambda rows, loss: min(d for d, a in rows if a >= _dense(rows) * (1 - loss)),
                "The loss is taken as a share of the dense accuracy. It is meant as a difference: `dense - loss`.",
            ),
            Mistake(
                lambda rows, loss: min(d for d, a in rows if a >= rows[0][1] - loss),
                "The first row is taken for the dense network. Rows come in any order: look for density 1.",
            ),
            Mistake(
                lambda rows, loss: min((a, d) for d, a in rows if a >= _dense(rows) - loss)[0],
                "This is an accuracy. The density of that row is asked for.",
            ),
            Mistake(
                lambda rows, loss: min((a, d) for d, a in rows if a >= _dense(rows) - loss)[1],
                "This is the row with the lowest accuracy that is allowed. A smaller density may be more accurate: "
                "compare densities.",
            ),
            Mistake(
                lambda rows, loss: min(d for d, a in rows if a >= _dense(rows) - loss / 100),
                "The loss is divided by 100. It is a fraction already, as the accuracies are.",
            ),
            Mistake(
                lambda rows, loss: min((d for d, a in rows if a >= 1 - loss), default=1.0),
                "This measures from an accuracy of 1. The dense network's is lower.",
            ),
            Mistake(
                lambda rows, loss: min(d for d, _ in rows),
                "This is the smallest density of all, whatever it loses.",
            ),
        ),
    ),
)
