"""The scrubber without a browser: what its state allows."""

from __future__ import annotations

from typing import Any

import pytest
import traitlets
from hypothesis import given
from hypothesis import strategies as st

from prunelab.lab.widgets.scrubber import Scrubber, followed


def moments(*labels: str) -> list[dict[str, Any]]:
    return [{"label": label, "mark": "settled" if "ed" in label else ""} for label in labels]


def test_a_position_out_of_range_becomes_the_nearest_moment() -> None:
    scrubber = Scrubber(moments=moments("a", "b", "c"))
    assert scrubber.position is None
    scrubber.position = 7
    assert scrubber.position == 2
    scrubber.position = -7
    assert scrubber.position == 0


def test_without_moments_the_scrubber_is_live() -> None:
    scrubber = Scrubber(moments=moments("a", "b"), position=1)
    scrubber.moments = []
    assert scrubber.position is None
    scrubber.position = 0
    assert scrubber.position is None


def test_growing_moments_leave_the_position_where_it_is() -> None:
    scrubber = Scrubber(moments=moments("a", "b", "c"), position=1)
    scrubber.update(moments("a", "b", "c", "d"))
    assert scrubber.position == 1
    scrubber.position = None
    scrubber.update(moments("a", "b", "c", "d", "e"))
    assert scrubber.position is None


def test_moments_thinned_out_leave_the_position_on_the_same_moment() -> None:
    scrubber = Scrubber(moments=moments("a", "b", "c", "d", "e"), position=4)
    scrubber.update(moments("a", "c", "e"))
    assert scrubber.position == 2


def test_an_id_tells_moments_of_one_label_apart() -> None:
    old = [{"label": "training", "id": i} for i in range(10)]
    assert followed(old, old[::3], 6) == 2
    assert followed(old, old[::3], 8) == 2  # gone: the one before it
    assert followed(old, [{"label": "training", "id": 99}], 5) == 0
    assert followed(old, [], 5) is None
    assert followed(old, old[::3], None) is None


@given(st.sets(st.integers(0, 60)), st.integers(0, 60))
def test_a_followed_moment_is_the_last_kept_one_up_to_it(kept: set[int], position: int) -> None:
    old = [{"label": "step", "id": i} for i in range(61)]
    new = [old[i] for i in sorted(kept)]
    place = followed(old, new, position)
    earlier = [i for i in sorted(kept) if i <= position]
    expected = None if not kept else sorted(kept).index(earlier[-1]) if earlier else 0
    assert place == expected


@pytest.mark.parametrize("bad", [[{"mark": ""}], [{"label": 3}], [{"label": "a", "mark": "sett led"}]])
def test_moments_that_are_none_are_named(bad: list[dict[str, Any]]) -> None:
    with pytest.raises(traitlets.TraitError, match=r"moments\[0\]"):
        Scrubber(moments=bad)


@pytest.mark.parametrize(
    "places",
    [[0.0, 0.5, None], [0.0, 0.5, 0.5], [0.0, 0.6, 0.5], [-0.1, 0.5, 1.0], [0.0, 0.5, 1.1], [0.0, "half", 1.0]],
)
def test_places_that_are_none_are_refused_with_the_value(places: list[Any]) -> None:
    labelled = [{"label": "a", "place": place} for place in places]
    with pytest.raises(traitlets.TraitError, match=r"moments\[\d\]\['place'\] = .* every moment, or to none"):
        Scrubber(moments=labelled)


def test_moments_stand_at_their_places() -> None:
    labelled = [{"label": label, "place": place} for label, place in (("a", 0), ("b", 0.25), ("c", 1.0))]
    assert Scrubber(moments=labelled).moments == labelled


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf"), 61.0])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(traitlets.TraitError, match="speed"):
        Scrubber(speed=speed)
