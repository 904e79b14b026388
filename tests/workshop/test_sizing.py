"""How many visitors a machine has room for, by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunelab.errors import WorkshopError
from prunelab.workshop.sizing import PER_CORE, SERVER, VISITOR, Size, size

GB = 10**9


@pytest.mark.parametrize(
    ("memory", "cores", "asked", "expected"),
    [
        (23 * GB, 2, {}, Size(30, 3)),  # the cores are the limit
        (4 * GB, 8, {}, Size(7, 3)),  # ten labs fit
        (None, 4, {}, Size(60, 3)),  # memory unknown
        (4 * GB, 8, {"places": 10}, Size(10, 0)),
        (4 * GB, 8, {"pool": 0}, Size(10, 0)),
        (4 * GB, 8, {"places": 5, "pool": 5}, Size(5, 5)),
        (1_300_000_000, 1, {}, Size(1, 0)),
    ],
)
def test_by_hand(memory, cores, asked, expected):
    assert size(memory, cores, **asked) == expected


@pytest.mark.parametrize(
    ("memory", "asked", "words"),
    [
        (1_200_000_000, {}, "1.2 GB of memory are free, and a workshop of one needs 1.3 GB"),
        (4 * GB, {"places": 11}, "11 labs at once .* need 4.3 GB of memory, and 4.0 GB are free: 10 fit"),
        (4 * GB, {"pool": 10_000}, "10001 labs at once"),
        (4 * GB, {"places": 6, "pool": 5}, "11 labs at once"),
        (4 * GB, {"places": 0}, "--max-visitors 0: must be at least 1"),
        (4 * GB, {"pool": -1}, "--pool -1: must be at least 0"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(memory, asked, words):
    with pytest.raises(WorkshopError, match=words):
        size(memory, 2, **asked)


@given(st.integers(SERVER + VISITOR, 10**13), st.integers(1, 256))
def test_what_is_chosen_fits_and_asking_for_it_gives_it(memory, cores):
    chosen = size(memory, cores)
    assert 1 <= chosen.places <= PER_CORE * cores
    assert SERVER + (chosen.places + chosen.pool) * VISITOR <= memory
    assert size(memory, cores, places=chosen.places, pool=chosen.pool) == chosen
