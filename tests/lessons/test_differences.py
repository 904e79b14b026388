"""Differences seed by seed, and when they are called clear."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunelab.lessons.differences import paired

SENTENCES = "better", "equal", "worse"
PERCENTS = st.floats(0, 100)


@given(st.lists(st.tuples(PERCENTS, PERCENTS), min_size=1, max_size=20))
def test_against_the_statistics_module(pairs):
    first, second = zip(*pairs, strict=True)
    found = paired(first, second)
    assert found.mean == pytest.approx(statistics.fmean(second) - statistics.fmean(first), abs=1e-9)
    assert found.wins + found.losses <= len(pairs)
    back = paired(second, first)
    assert (back.wins, back.losses, back.clear) == (found.losses, found.wins, found.clear)


@pytest.mark.parametrize(
    "first, second, expected",
    [
        ([96, 95], [97, 96], "better"),
        ([97, 96], [96, 95], "worse"),
        ([96, 95], [97, 94.9], "equal"),  # the seeds do not agree
        ([96, 95], [96.2, 95.2], "equal"),  # they do, by less than a digit
        ([96, 95], [98, 95], "equal"),  # a tie is no win
    ],
)
def test_clear_is_what_all_seeds_say_by_more_than_a_digit(first, second, expected):
    assert paired(first, second).verdict(*SENTENCES) == expected


def test_the_number_of_test_samples_says_what_a_digit_is_worth():
    assert paired([90], [90.2]).digit == pytest.approx(100 / 359)
    assert not paired([90], [90.2]).clear and paired([90], [90.2], samples=10_000).clear


def test_in_words():
    assert str(paired([90, 92], [91, 94])) == "+1.5 points on average (+1.0 to +2.0), better with 2 of 2 seeds"
    assert str(paired([90, 92, 95], [91, 92, 94.5])) == (
        "+0.2 points on average (-0.5 to +1.0), better with 1 of 3 seeds, worse with 1"
    )


@pytest.mark.parametrize("first, second", [([], []), ([1], [1, 2])])
def test_what_is_no_pair_is_refused(first, second):
    with pytest.raises(ValueError, match="pairs need one of each"):
        paired(first, second)


def test_accuracies_may_be_arrays() -> None:
    assert paired(np.array([97.0, 96.5]), np.array([97.5, 97.0])) == paired([97.0, 96.5], [97.5, 97.0])
    with pytest.raises(ValueError, match="0 and 0 accuracies"):
        paired(np.array([]), np.array([]))
