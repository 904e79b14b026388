"""Places of snapshots on a slider: a share for each round, whatever was kept of it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunelab.results.track import places


def test_rounds_have_equal_shares_however_many_snapshots_were_kept():
    """By hand: thirds of the track; five snapshots of the dense training, two of round 1, four of round 2."""
    found = places([0] * 5 + [1] * 2 + [2] * 4)
    thirds = [0, 1, 2, 3, 4, 6, 8, 9, 10, 11, 12]
    assert found == pytest.approx([twelfth / 12 for twelfth in thirds])


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        ([], []),
        ([0], [0.0]),
        ([0, 0], [0.0, 1.0]),
        ([0, 1], [0.0, 1.0]),  # a network that had learned already: its dense training takes no share
        ([0, 1, 1, 2], [0.0, 0.25, 0.5, 1.0]),
        ([0, 0, 1], [0.0, 0.5, 1.0]),
    ],
)
def test_short_runs(rounds: list[int], expected: list[float]):
    assert places(rounds) == expected


@given(st.lists(st.integers(1, 400), min_size=1, max_size=101))
def test_every_round_ends_at_the_end_of_its_share_and_places_rise(sizes: list[int]):
    rounds = [number for number, size in enumerate(sizes) for _ in range(size)]
    found = places(rounds)
    assert len(found) == len(rounds) and all(a < b for a, b in itertools.pairwise(found))
    assert all(0 <= place <= 1 for place in found) and (len(found) < 2 or (found[0], found[-1]) == (0, 1))
    ends = [found[sum(sizes[: number + 1]) - 1] for number in range(len(sizes))]
    shares = [b - a for a, b in itertools.pairwise(ends)]
    assert not shares or max(shares) - min(shares) < 1e-9
