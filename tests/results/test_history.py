"""A history keeps the whole run: every end of a phase, and of each phase's inside an equal, evenly spread share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunelab.recipe import Recipe
from prunelab.results.history import LONGEST_HISTORY, History
from prunelab.results.snapshot import LayerSnapshot, Phase, Snapshot

RECIPE = Recipe()


def taken(phase: Phase, number: int, clock: int) -> Snapshot:
    return Snapshot(
        phase=phase, round=number, rounds=3, step=0, steps=0, clock=clock, recipe=RECIPE, target=None, train_loss=None,
        train_accuracy=None, test_loss=None, test_accuracy=None, dense_accuracy=None, zeros_hold=True, exact=True,
        input_shape=(1,), layers=(), dropouts=(), predicted=np.empty(0, np.uint8),
    )  # fmt: skip


def course(phases: list[list[int]]) -> list[Snapshot]:
    """A run with these numbers of training steps between the snapshots of each phase: dense, round 1, round 2, ..."""
    made, clock = [], 0
    for number, steps in enumerate(phases):
        if number:
            made.append(taken("pruned", number, clock))
        for step in steps:
            made.append(taken("retraining" if number else "training", number, clock))
            clock += step
        made.append(taken("retrained" if number else "trained", number, clock))
    return made


def recorded(run: list[Snapshot], longest: int) -> History:
    history = History(longest=longest)
    for snapshot in run:
        history.append(snapshot)
    return history


def inside(snapshots: object, number: int) -> list[Snapshot]:
    """The snapshots of a round that are not the end of a phase."""
    return [s for s in snapshots if s.round == number and not s.settled]  # type: ignore[attr-defined]


def gaps(snapshots: list[Snapshot]) -> list[int]:
    return [b.clock - a.clock for a, b in itertools.pairwise(snapshots)]


lengths = st.one_of(st.integers(0, 8), st.integers(0, 300))
even = st.lists(lengths.map(lambda n: [1] * n), min_size=1, max_size=6)
uneven = st.lists(st.lists(st.integers(0, 9), max_size=120), min_size=1, max_size=5)
runs = st.one_of(even, uneven).map(course)


@given(runs, st.integers(4, 60))
def test_ends_of_phases_the_first_and_the_newest_stay_and_the_length_is_bounded(run: list[Snapshot], longest: int):
    history = History(longest=longest)
    for number, snapshot in enumerate(run, 1):
        history.append(snapshot)
        ends = [s for s in run[:number] if s.settled]
        assert history[0] is run[0] and history[-1] is snapshot
        assert [s for s in history if s.settled] == ends
        assert len(history) <= max(longest, len(ends) + 2)
        assert len(history) >= min(longest, number), "no room is left unused"
    clocks = [run.index(s) for s in history]
    assert clocks == sorted(clocks)


@given(runs, st.integers(4, 60))
def test_phases_share_the_room_equally(run: list[Snapshot], longest: int):
    history = recorded(run, longest)
    rounds = range(run[-1].round + 1)
    counts = [len(inside(history, number)) for number in rounds]
    thinned = [count for number, count in enumerate(counts) if count < len(inside(run, number))]
    assert not thinned or max(counts) - min(thinned) <= 1


@given(runs, st.integers(4, 60))
def test_within_a_phase_no_gap_is_longer_than_any_two_neighbouring_ones(run: list[Snapshot], longest: int):
    history = recorded(run, longest)
    for number in range(run[-1].round + 1):
        before = gaps([s for s in run if s.round == number])
        now = gaps([s for s in history if s.round == number])
        pairs = [a + b for a, b in itertools.pairwise(now)]
        made = [gap for gap in now if gap > max(before)]  # by dropping what was between
        assert not pairs or max(made, default=0) <= min(pairs)


@given(runs, st.integers(4, 60), st.data())
def test_a_saved_history_goes_on_as_one_that_was_not(run: list[Snapshot], longest: int, data: st.DataObject):
    cut = data.draw(st.integers(0, len(run)))
    resumed = History(list(recorded(run[:cut], longest)), longest=longest)
    for snapshot in run[cut:]:
        resumed.append(snapshot)
    assert list(resumed) == list(recorded(run, longest))


def test_a_long_run_keeps_its_beginning():
    """By hand: of 500 places 9 are for ends of phases, 491 for five phases of equal length."""
    run = course([[1] * 1000] * 5)
    history = recorded(run, LONGEST_HISTORY)
    assert len(history) == LONGEST_HISTORY
    assert [len(inside(history, number)) for number in range(5)] == [99, 98, 98, 98, 98]
    for number in range(5):
        kept = gaps([s for s in history if s.round == number])
        assert max(kept) <= 2 * 1000 / 98 and sum(kept) == 1000


@pytest.mark.parametrize("longest", [500, 100, 3])
def test_a_history_saved_by_an_earlier_version_is_thinned_when_it_is_opened(longest: int):
    old = [*course([[1] * 16, [1] * 250]), *(taken("retraining", 1, 300 + i) for i in range(250))]
    history = History(old, longest=longest)
    assert len(history) == max(longest, 5) and history[0] is old[0] and history[-1] is old[-1]
    assert [s for s in history if s.settled] == [s for s in old if s.settled]


MASKS = 1000  # bytes of a mask


def masked(run: list[Snapshot]) -> Iterator[Snapshot]:
    """The run, with a mask for each round that the snapshots of the round share, and predictions of each one's own."""
    none = np.empty(0, np.int32)
    masks = {}
    for snapshot in run:
        packed = masks.setdefault(snapshot.round, bytes([snapshot.round]) * MASKS)
        layer = LayerSnapshot(
            "fc.weight", (8, MASKS), 1, 8 * MASKS, None, None, None, False, None, None, 1.0,
            none, none, packed, none, np.empty(0, np.float32),
        )  # fmt: skip
        yield replace(snapshot, layers=(layer,), predicted=np.zeros(10, np.uint8))


@given(st.lists(st.lists(st.integers(1, 9), max_size=9), min_size=1, max_size=12), st.integers(0, 14 * MASKS))
def test_all_arrays_together_take_no_more_memory_than_there_is(phases, most):
    run = list(masked(course(phases)))
    history = History(most=most)
    for snapshot in run:
        before = [s for s in [*history, snapshot] if s.settled]
        history.append(snapshot)
        arrays = {id(a): len(a) for s in history for a in (s.layers[0].packed, s.predicted)}
        assert history.bytes == sum(arrays.values())
        assert history.bytes <= most or len(history) <= 2
        assert history[0] is run[0] and history[-1] is snapshot
        if sum(s.settled for s in history) < len(before):
            assert all(s.settled for s in list(history)[1:-1]), "all others go first"
    assert [id(s) for s in History(run, most=10**9)] == [id(s) for s in run]


def test_a_run_of_a_large_network_with_many_rounds_keeps_what_memory_allows():
    run = list(masked(course([[5, 5]] + [[5, 5]] * 30)))
    history = History(most=10 * MASKS + 500)
    for snapshot in run:
        history.append(snapshot)
    assert history.bytes <= 10 * MASKS + 500 and len({s.round for s in history}) == 10
    gaps = np.diff([s.clock for s in history])
    assert gaps.max() <= 6 * 10, "what is left is spread over the whole run"
