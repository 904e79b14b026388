"""The door of a workshop: against a model that has nothing but a set and a list, and some hours of a class by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunelab.workshop.room import AWAKE, KEEP, LONGEST_QUEUE, PATIENCE, Room

VISITORS = st.sampled_from("abcdefgh")


def full(places: int) -> Room:
    room = Room(places)
    for number in range(places):
        assert room.ask(f"early {number}", 0) == 0
        room.opened(f"early {number}", f"kernel {number}")
    return room


@given(st.integers(1, 4), st.lists(st.tuples(VISITORS, st.sampled_from(["ask", "open", "close", "leave"]))))
def test_never_more_inside_than_places_and_first_come_first_served(places, steps):
    room, inside, queue = Room(places), set(), []
    for second, (visitor, step) in enumerate(steps):
        # All who wait ask all the time, so that nobody is passed over.
        for other in list(queue):
            if room.ask(other, second) == 0:
                assert other == queue[0]
                queue.remove(other)
                inside.add(other)
        if step == "ask":
            number = room.ask(visitor, second)
            if visitor in inside:
                assert number == 0
            elif number == 0:
                assert not queue or queue[0] == visitor
                queue = [other for other in queue if other != visitor]
                inside.add(visitor)
            else:
                queue = queue if visitor in queue else [*queue, visitor]
                assert number == queue.index(visitor) + 1
                assert len(inside) == places, "waits although a place is free"
        elif step == "open" and room.may_open(visitor):
            room.opened(visitor, f"kernel of {visitor}")
        elif step == "close":
            room.closed(f"kernel of {visitor}", second)
        elif step == "leave":
            room.leave(visitor)
            inside.discard(visitor)
            queue = [other for other in queue if other != visitor]
        inside = {other for other in inside if room.visitor_of(f"kernel of {other}") or room.ask(other, second) == 0}
        assert room.inside(second) == len(inside) <= places
        assert room.waiting(second) == len(queue)


def test_the_next_comes_in_when_one_has_left_and_not_before():
    room = full(2)
    assert room.ask("late", 1) == 1
    assert room.ask("later", 1) == 2
    room.closed("kernel 0", 10)
    assert room.ask("late", 10 + KEEP) == 1, "a place is kept for a reload"
    assert room.ask("early 0", 10 + KEEP) == 0
    assert room.ask("late", 10.1 + 2 * KEEP) == 0
    assert room.ask("later", 10.1 + 2 * KEEP) == 1


def test_a_page_that_sleeps_is_passed_over_but_keeps_its_number():
    room = full(1)
    assert room.ask("sleeps", 0) == 1
    assert room.ask("awake", AWAKE + 1) == 2
    room.leave("early 0")
    assert room.ask("awake", AWAKE + 2) == 0
    assert room.ask("third", AWAKE + 3) == 2
    assert room.ask("sleeps", AWAKE + 4) == 1


def test_who_has_not_asked_for_long_no_longer_waits():
    room = full(1)
    room.ask("gone", 0)
    assert room.ask("next", PATIENCE + 1) == 1
    assert room.waiting(PATIENCE + 1) == 1


@pytest.mark.parametrize("after", [0, 2, KEEP])
def test_who_loads_the_door_anew_or_closes_one_of_two_has_his_number_again(after):
    """A page that is loaded anew says its farewell after it has been asked for."""
    room = full(1)
    assert [room.ask(visitor, 1) for visitor in "abc"] == [1, 2, 3]
    assert room.ask("a", 2) == 1
    room.stop_waiting("a", 2)
    assert room.ask("b", 2) == 1 and room.waiting(2) == 2, "those behind move up"
    assert room.ask("a", 2 + after) == 1
    assert [room.ask(visitor, 2 + after) for visitor in "bc"] == [2, 3]


def test_who_has_closed_the_door_goes_in_before_nobody_and_is_forgotten():
    room = full(1)
    assert [room.ask(visitor, 1) for visitor in "ab"] == [1, 2]
    room.stop_waiting("a", 2)
    room.leave("early 0")
    assert room.ask("b", 2) == 0
    room.opened("b", "of b")
    assert room.ask("c", 2 + KEEP + 1) == 1
    assert room.ask("a", 2 + KEEP + 1) == 2
    room.stop_waiting("b", 40)
    room.stop_waiting("stranger", 40)
    assert room.inside(40) == 1 and room.waiting(40) == 2


def test_a_visitor_has_so_many_pages_and_a_kernel_of_nobody_changes_nothing():
    room = Room(1, pages=2)
    assert not room.may_open("a")
    room.ask("a", 0)
    for kernel in ("one", "two"):
        assert room.may_open("a")
        room.opened("a", kernel)
    assert not room.may_open("a")
    assert room.visitor_of("two") == "a" and room.visitor_of("three") is None
    room.closed("three", 1)
    assert room.kernels() == {"one", "two"}
    with pytest.raises(KeyError):
        room.opened("nobody", "kernel")


def test_pages_that_are_being_made_count_and_keep_the_place():
    room = Room(1, pages=2)
    room.ask("a", 0)
    assert room.may_open("a") and room.may_open("a")
    assert not room.may_open("a"), "asked for together, as one after the other"
    assert room.ask("b", 10 * KEEP) == 1, "a kernel that starts slowly costs nobody his place"
    room.opened("a", "one")
    room.failed("a", 10 * KEEP)
    assert room.may_open("a") and not room.may_open("a")
    room.failed("a", 10 * KEEP)
    room.closed("one", 10 * KEEP)
    assert room.ask("b", 11 * KEEP) == 1, "it is kept for one who tries again"
    assert room.ask("b", 11.1 * KEEP) == 0
    room.failed("a", 12 * KEEP)
    assert room.inside(12 * KEEP) == 1


def test_a_queue_has_an_end():
    room = full(1)
    for number in range(LONGEST_QUEUE):
        room.ask(f"visitor {number}", 1)
    assert room.ask("one too many", 1) == LONGEST_QUEUE + 1
    assert room.waiting(1) == LONGEST_QUEUE


@pytest.mark.parametrize("sizes", [{"places": 0}, {"places": 1, "pages": 0}])
def test_a_room_has_places(sizes):
    with pytest.raises(ValueError, match="at least 1"):
        Room(**sizes)
