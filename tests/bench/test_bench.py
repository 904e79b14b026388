"""The bench's arithmetic against NumPy, and its loops once through. No assertion on time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunelab.bench import engine
from prunelab.bench.statistics import interleave, percentile, ratios, spread
from prunelab.bench.table import Row, rendered

SAMPLES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


@given(SAMPLES, st.floats(0, 1))
def test_percentiles_are_numpys(values, share):
    assert percentile(values, share) == pytest.approx(np.quantile(values, share), rel=1e-9, abs=1e-6)


@given(SAMPLES)
def test_a_spread_is_median_and_quartiles(values):
    found = spread(values)
    expected = np.quantile(values, [0.25, 0.5, 0.75])
    assert [found.low, found.median, found.high] == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-6)


def test_ratios_are_of_pairs():
    assert ratios([2.0, 30.0, 4.0], [1.0, 10.0, 1.0]).median == 3.0
    with pytest.raises(ValueError, match="pairs"):
        ratios([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="not positive"):
        ratios([1.0], [0.0])


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf]])
def test_nothing_is_made_up_for_values_that_are_none(values):
    with pytest.raises(ValueError, match="percentile needs"):
        spread(values)


def test_candidates_take_turns_in_alternating_order():
    order = []
    found = interleave({name: lambda name=name: order.append(name) or 1.0 for name in "ab"}, 3)
    assert {name: len(values) for name, values in found.items()} == {"a": 3, "b": 3}
    assert sorted(order[:2]) == ["a", "b"] and order[2:4] == order[4:6][::-1]


def test_a_row_knows_which_side_of_its_target_is_good():
    assert Row("a", 1.05, "x", target=1.10).met and not Row("a", 1.2, "x", target=1.10).met
    assert Row("b", 1.5, "x", target=1.4, better="at least").met and Row("c", 1.0, "s").met is None
    assert rendered([Row("a", 1.05, "x", target=1.10)]).renderables[0].row_count == 1


def test_the_training_loops_run_and_give_finite_ratios():
    rows = engine.training_rows(steps=2, rounds=2)
    assert len(rows) == 2 and all(math.isfinite(row.figure) and row.figure > 0 for row in rows)
