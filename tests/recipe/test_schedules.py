"""Each schedule alone, against its formula."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunelab.recipe.schedules import Constant, Cubic, Linear, gradual_cut

SHARE = st.floats(0, 1)


@given(st.floats(0, 10), SHARE)
def test_constant_and_linear(end, progress):
    assert Constant(end).at(progress) == end
    assert Linear(0.0, end).at(progress) == pytest.approx(end * progress)
    assert Linear(2.0, end).at(0.0) == 2.0


@given(SHARE, SHARE)
def test_cubic_is_zhu_and_guptas(density, progress):
    sparsity = (1 - density) + (0 - (1 - density)) * (1 - progress) ** 3  # their formula, from sparsity 0
    assert Cubic(1.0, density).at(progress) == pytest.approx(1 - sparsity)


@given(SHARE)
def test_beyond_the_end_the_end_stays(density):
    for schedule in (Linear(1.0, density), Cubic(1.0, density)):
        assert schedule.at(7.0) == schedule.at(1.0) == pytest.approx(density)


def test_gradual_cuts_begin_at_once_and_end_at_three_quarters():
    assert [gradual_cut(round, 4) for round in (1, 2, 3, 4, 5)] == [0.0, 0.25, 0.5, 0.75, 0.75]
    assert gradual_cut(1, 1) == 0.0 and gradual_cut(2, 2) == 0.75
