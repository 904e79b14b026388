"""Messages that come late, in a clock of our own: held until the page says whether it had lost its kernel."""

from __future__ import annotations

import re
from importlib.resources import files
from types import SimpleNamespace
from typing import Any

import pytest

from prunelab.lab.page import late_messages
from prunelab.lab.page.late_messages import LATE, LateMessages


@pytest.fixture
def scene(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(late_messages, "time", clock)
    handled: list[str] = []
    dropped: list[int] = []
    late = LateMessages(lambda _, __, message: handled.append(name(message)), "status", dropped.append)
    return clock, late, handled, dropped


def name(message: dict[str, Any]) -> str:
    return str(message["content"]["data"].get("name", "here"))


def press(late: LateMessages, what: str, page: str = "a", method: str = "update") -> None:
    content = {"comm_id": "button", "data": {"method": method, "name": what}}
    late(None, None, {"header": {"session": page}, "content": content})


def here(late: LateMessages, heard: float | None, losses: int = 0, page: str = "a", view: str = "v") -> None:
    said = {"kind": "here", "view": view, "heard": heard, "losses": losses}
    content = {"comm_id": "status", "data": {"method": "custom", "content": said}}
    late(None, None, {"header": {"session": page}, "content": content})


def test_what_comes_in_time_is_handled_at_once(scene):
    clock, late, handled, dropped = scene
    press(late, "before the first sign of life")
    here(late, None)
    press(late, "before the first answer")
    here(late, 100.0)
    clock.now += LATE
    press(late, "in time")
    assert handled == ["before the first sign of life", "here", "before the first answer", "here", "in time"]
    assert dropped == []


def test_what_was_pressed_before_the_kernel_was_lost_is_dropped(scene):
    clock, late, handled, dropped = scene
    here(late, 99.0)
    # The line breaks; "prune" and the next question are on their way, and come when it is mended.
    clock.now = 160.0
    press(late, "prune")
    here(late, 99.5)
    press(late, "retrain")
    assert handled == ["here", "here"] and dropped == []
    here(late, 160.0, losses=1)
    assert handled == ["here"] * 3 and dropped == [2]
    press(late, "prune again")
    assert handled[-1] == "prune again"


def test_what_was_pressed_before_the_page_could_say_what_it_had_heard_is_late_as_well(scene):
    clock, late, handled, dropped = scene
    here(late, None)
    # The answer, of 100.0, arrives; then the line breaks.
    clock.now = 160.0
    press(late, "prune")
    here(late, 100.0)
    here(late, 160.0, losses=1)
    assert handled == ["here"] * 3 and dropped == [1]


def test_what_follows_the_last_question_before_the_loss_is_dropped_by_the_next_word_of_the_page(scene):
    """The kernel answers the question when it goes on, just before it looks at the press: the page takes it for alive
    again after its next word, and what is pressed then must neither wait nor be dropped.
    """
    clock, late, handled, dropped = scene
    here(late, 99.0)
    clock.now = 160.0
    here(late, 99.5)  # answered at 160.0
    clock.now = 160.001
    press(late, "prune")
    here(late, 160.0, losses=1)
    assert handled == ["here"] * 3 and dropped == [1]
    press(late, "prune again")
    here(late, 160.1, losses=1)
    assert handled[3:] == ["prune again", "here"] and dropped == [1]


def test_a_second_view_of_the_lab_that_has_seen_no_loss_does_not_drop_what_is_only_slow(scene):
    clock, late, handled, dropped = scene
    here(late, 99.0)
    here(late, 100.0, losses=1)
    here(late, 100.0, view="shown below later")
    clock.now = 104.0
    press(late, "slow")
    here(late, 104.5, losses=1)
    here(late, 104.5, view="shown below later")
    assert handled == ["here"] * 3 + ["slow", "here", "here"] and dropped == []


def test_a_page_that_has_lost_its_kernel_has_not_heard_of_it_for_longer_than_what_is_in_time():
    script = files("prunelab").joinpath("lab/page/kernel_watch.js").read_text()
    patience = re.search(r"const PATIENCE = (\d+);", script)
    assert patience
    assert int(patience[1]) > LATE * 1000


def test_a_page_that_was_only_slow_loses_nothing_and_keeps_the_order(scene):
    clock, late, handled, dropped = scene
    here(late, 99.0, losses=2)
    clock.now = 104.0
    press(late, "first")
    press(late, "second", method="custom")
    here(late, 104.5, losses=2)
    assert handled == ["here", "first", "second", "here"] and dropped == []


def test_what_is_no_press_is_never_held_and_pages_do_not_wait_for_each_other(scene):
    clock, late, handled, _ = scene
    here(late, 99.0)
    here(late, 99.0, page="b")
    clock.now = 160.0
    here(late, 159.0, page="b")
    press(late, "held")
    press(late, "state", method="request_state")
    press(late, "of the other page", page="b")
    assert handled == ["here", "here", "here", "state", "of the other page"]
