"""Means and their intervals, against values computed by hand and SciPy's t distribution."""

import math

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from prunelab.results.estimate import Estimate, estimate

values = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("numbers", "mean", "half"),
    [
        ([1, 2, 3], 2, 4.302653 * 1 / math.sqrt(3)),  # t(0.975, 2) = 4.302653, s = 1
        ([0.9, 0.94], 0.92, 12.706205 * math.sqrt(0.0008) / math.sqrt(2)),  # t(0.975, 1) = 12.706205
        ([2, 4, 4, 4, 5, 5, 7, 9], 5, 2.364624 * math.sqrt(32 / 7) / math.sqrt(8)),  # t(0.975, 7) = 2.364624
        ([0.5, 0.5, 0.5], 0.5, 0),
    ],
)
def test_by_hand(numbers, mean, half):
    result = estimate(numbers)
    assert (result.mean, result.half, result.count) == (pytest.approx(mean), pytest.approx(half, 1e-6), len(numbers))
    assert result.low == pytest.approx(mean - half) and result.high == pytest.approx(mean + half)


def test_one_value_has_no_interval():
    assert estimate([0.97]) == Estimate(0.97, None, 1)
    assert estimate([0.97]).to_dict() == {"mean": 0.97, "low": None, "high": None, "count": 1}


@given(st.lists(values, min_size=2, max_size=12).filter(lambda x: max(x) - min(x) > 1e-3))
def test_as_scipy_says(numbers):
    spread = scipy.stats.sem(numbers)
    low, high = scipy.stats.t.interval(0.95, len(numbers) - 1, loc=sum(numbers) / len(numbers), scale=spread)
    result = estimate(numbers)
    assert (result.low, result.high) == (pytest.approx(low, 1e-6, 1e-6), pytest.approx(high, 1e-6, 1e-6))


@pytest.mark.parametrize("numbers", [[], [1.0, math.nan], [math.inf]])
def test_nothing_to_average_is_an_error(numbers):
    with pytest.raises(ValueError, match="at least one"):
        estimate(numbers)
