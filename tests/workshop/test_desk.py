"""What the host's desk does by itself, with a clock that the test moves and kernels that are only names."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import Any

import pytest

from prunelab.workshop import desk as desks
from prunelab.workshop.desk import PAGE, RESTING, SPARE, UNSEEN, WARNING, Coming, Desk, OpenLab
from prunelab.workshop.host import guesses, seen
from prunelab.workshop.line import _plain
from prunelab.workshop.room import Room

REST = 600.0


class Kernels:
    """Jupyter's manager, as far as a desk looks at it. Each kernel is this very process."""

    def __init__(self) -> None:
        self._kernel_connections: dict[str, int] = {}
        self.shut: list[str] = []

    def list_kernel_ids(self) -> list[str]:
        return list(self._kernel_connections)

    def __contains__(self, kernel: str) -> bool:
        return kernel in self._kernel_connections

    def get_kernel(self, kernel: str) -> Any:
        return SimpleNamespace(provisioner=SimpleNamespace(pid=os.getpid()))

    async def shutdown_kernel(self, kernel: str, now: bool) -> None:
        del self._kernel_connections[kernel]
        self.shut.append(kernel)


class Workshop:
    """A desk, its clock, and what its labs were told."""

    def __init__(self, places: int = 2, memory: int = 10**12) -> None:
        self.now = 1000.0
        self.kernels = Kernels()
        self.desk = Desk(Room(places), self.kernels, "/away", REST, memory)
        self.told: dict[str, list[dict[str, Any]]] = {}
        self.at_the_door = ""  # who waits, and asks all the time

    def comes(self, visitor: str, kernel: str) -> OpenLab:
        assert self.desk.room.ask(visitor, self.now) == 0
        assert self.desk.room.may_open(visitor)
        PAGE.set(Coming(visitor))
        self.kernels._kernel_connections[kernel] = 1
        self.desk.given(kernel)
        self.told[kernel] = []
        self.desk.labs[kernel].send = self.told[kernel].append
        return self.desk.labs[kernel]

    def passes(self, seconds: float, step: float = 1.0) -> None:
        async def look() -> None:
            await self.desk.look()
            while self.desk._tasks:
                await asyncio.sleep(0)

        end = self.now + seconds
        while self.now < end:
            if self.at_the_door:
                self.desk.room.ask(self.at_the_door, self.now)
            self.now = min(end, self.now + step)
            asyncio.run(look())


@pytest.fixture
def workshop(monkeypatch):
    made = Workshop()
    monkeypatch.setattr(desks.time, "monotonic", lambda: made.now)
    monkeypatch.setattr(desks, "FAREWELL", 0.0)
    monkeypatch.setattr(Desk._end, "__defaults__", (0.0,))
    return made


def test_a_lab_that_nobody_touches_is_warned_and_then_its_place_given_to_who_waits(workshop):
    workshop.comes("ada", "first")
    workshop.comes("bob", "second")
    workshop.at_the_door = "eve"
    workshop.passes(REST - WARNING - 100)
    workshop.desk.touched("second")
    workshop.passes(98)
    assert workshop.told == {"first": [], "second": []}
    workshop.passes(4)
    assert [list(each) for each in workshop.told["first"]] == [["say"]]
    assert "in a minute its lab ends" in workshop.told["first"][0]["say"]
    workshop.passes(WARNING - 5)
    assert workshop.kernels.shut == []
    workshop.passes(8)
    assert workshop.told["first"][-1] == {"go": "/away?why=rest"} and workshop.kernels.shut == ["first"]
    workshop.passes(25)
    assert workshop.desk.room.ask("eve", workshop.now) == 0
    assert workshop.told["second"] == []


def test_a_hand_keeps_the_place_and_the_word_is_taken_back(workshop):
    workshop.comes("ada", "first")
    workshop.comes("bob", "second")
    workshop.at_the_door = "eve"
    workshop.passes(REST - WARNING + 2)
    assert workshop.told["first"] and workshop.told["second"]
    workshop.desk.touched("first")
    assert workshop.told["first"][-1] == {"say": ""}
    workshop.passes(WARNING + 10)
    assert "first" not in workshop.kernels.shut and "second" in workshop.kernels.shut


def test_the_word_of_the_host_comes_back_after_a_warning_and_is_told_to_who_comes_later(workshop):
    workshop.comes("ada", "first")
    workshop.at_the_door = "eve"
    workshop.desk.say("Look at the blackboard.")
    workshop.comes("bob", "second")
    workshop.passes(REST - WARNING + 2)
    workshop.desk.say("Look at me.")
    heard: list[dict[str, Any]] = []
    workshop.desk.listens("first", heard.append)
    assert heard == [{"say": RESTING}], "a warning goes first"
    workshop.desk.touched("first")
    assert heard[-1] == {"say": "Look at me."}
    assert [each["say"] for each in workshop.told["first"]] == ["Look at the blackboard.", RESTING]
    workshop.desk.touched("second")
    assert workshop.told["second"][-1] == {"say": "Look at me."}

    late: list[dict[str, Any]] = []
    workshop.desk.listens("second", late.append)
    workshop.desk.listens("nobody's", late.append)
    assert late == [{"say": "Look at me."}]
    workshop.desk.say("")
    assert late[-1] == {"say": ""} and heard[-1] == {"say": ""}
    late.clear()
    workshop.desk.listens("second", late.append)
    assert late == []


def test_a_link_that_the_host_sent_to_all_is_told_to_who_comes_later_until_it_is_taken_back(workshop):
    workshop.comes("ada", "first")
    assert seen(workshop.desk, workshop.now)["link"] == ""
    workshop.desk.follow("quality=2")
    workshop.desk.follow("seed=1")
    assert [each["follow"] for each in workshop.told["first"]] == ["quality=2", "seed=1"]
    assert seen(workshop.desk, workshop.now)["link"] == "seed=1"

    late: list[dict[str, Any]] = []
    workshop.comes("bob", "second")
    workshop.desk.say("Look at me.")
    workshop.desk.listens("second", late.append)
    assert late == [{"say": "Look at me."}, workshop.told["first"][1]], "the latest, by the name that the others know"
    workshop.desk.follow("seed=1")
    assert late[-1]["follow"] == "seed=1" and late[-1]["id"] != late[-2]["id"], "sent once more, it is another one"

    workshop.desk.follow("")
    assert late[-1]["follow"] == "seed=1", "it takes nothing back in labs that are open"
    assert seen(workshop.desk, workshop.now)["link"] == ""
    workshop.desk.say("")
    late.clear()
    workshop.desk.listens("second", late.append)
    assert late == []


def test_when_nobody_waits_a_lab_may_rest_longer(workshop):
    workshop.comes("ada", "first")
    workshop.passes(SPARE * REST - WARNING - 5, step=60)
    assert workshop.told["first"] == []
    workshop.passes(WARNING + 10)
    assert workshop.kernels.shut == ["first"]


def test_a_warning_is_taken_back_when_those_who_waited_have_gone(workshop):
    """Else it would stand there for half an hour, and the lab would end without another."""
    workshop.comes("ada", "first")
    workshop.comes("bob", "second")
    workshop.desk.say("Look at me.")
    workshop.at_the_door = "eve"
    workshop.passes(REST - WARNING + 5)
    assert workshop.told["first"][-1] == {"say": RESTING}
    workshop.at_the_door = ""
    workshop.desk.room.leave("eve")
    workshop.passes(2)
    assert workshop.told["first"][-1] == {"say": "Look at me."}
    workshop.passes((SPARE - 1) * REST - 20, step=10)
    assert workshop.told["first"][-1] == {"say": "Look at me."}
    workshop.passes(20)
    assert workshop.told["first"][-1] == {"say": RESTING} and workshop.kernels.shut == []


def test_a_run_is_no_rest(workshop):
    lab = workshop.comes("ada", "first")
    lab.report = {"busy": True}
    workshop.passes(3 * SPARE * REST, step=60)
    assert workshop.told["first"] == []


def test_a_kernel_without_a_page_ends_and_its_place_is_free(workshop):
    workshop.comes("ada", "first")
    workshop.kernels._kernel_connections["first"] = 0
    workshop.passes(UNSEEN - 2)
    assert workshop.kernels.shut == []
    workshop.passes(5)
    assert workshop.kernels.shut == ["first"]
    workshop.passes(30)
    assert not workshop.desk.labs and workshop.desk.room.inside(workshop.now) == 0


def test_a_lab_that_takes_too_much_memory_is_ended_and_told_why(workshop):
    workshop.desk.memory = 1  # byte
    lab = workshop.comes("ada", "first")
    workshop.passes(desks.LOOK_AT_MEMORY + 1)
    assert lab.memory > 10**6
    assert workshop.told["first"] == [{"go": "/away?why=memory"}] and workshop.kernels.shut == ["first"]


def test_who_comes_back_has_his_number_and_another_lab_another(workshop):
    assert workshop.comes("ada", "first").number == 1
    assert workshop.comes("bob", "second").number == 2
    del workshop.kernels._kernel_connections["first"]
    workshop.passes(2)
    assert workshop.comes("ada", "third").number == 1


def test_the_host_sees_who_is_there_and_what_was_guessed(workshop):
    ada, _ = workshop.comes("ada", "first"), workshop.comes("bob", "second")
    ada.report = {"doing": "training", "round": 2, "accuracy": "97.2 %"}
    workshop.desk.guessed("first", {"action": "prune", "value": 80})
    workshop.desk.guessed("second", {"action": "prune", "value": 90.5})
    workshop.desk.guessed("nobody's", {"action": "prune", "value": 1})
    workshop.desk.room.ask("eve", workshop.now)
    workshop.now += 7
    room = seen(workshop.desk, workshop.now)
    assert (room["places"], room["taken"], room["waiting"]) == (2, 2, 1)
    assert room["guesses"] == {"prune": [80.0, 90.5]}
    first = room["labs"][0]
    assert (first["number"], first["doing"], first["here"], first["rests"]) == (1, "training", 7, 7)


def test_a_guess_stays_when_its_page_is_loaded_anew_or_left_and_a_new_one_replaces_it(workshop):
    workshop.comes("ada", "first")
    workshop.comes("bob", "second")
    workshop.desk.guessed("first", {"action": "prune", "value": 80})
    workshop.desk.guessed("second", {"action": "prune", "value": 60})
    workshop.kernels._kernel_connections.clear()
    workshop.passes(2)
    assert seen(workshop.desk, workshop.now)["guesses"] == {"prune": [80.0, 60.0]}
    workshop.comes("ada", "third")
    workshop.desk.guessed("third", {"action": "prune", "value": 70})
    assert seen(workshop.desk, workshop.now)["guesses"] == {"prune": [70.0, 60.0]}


@pytest.mark.parametrize("guess", [{}, {"action": "prune"}, {"action": 3, "value": 50},
                                   {"action": "prune", "value": "50"}, {"action": "prune", "value": 101}])  # fmt: skip
def test_what_is_no_guess_is_left_out(guess):
    assert guesses([guess]) == {}


def test_of_a_report_short_texts_and_numbers_are_kept():
    values = {"doing": "x" * 5000, "round": 2, "kept": None, "busy": True, "list": [1], "object": {}}
    assert _plain(values) == {"doing": "x" * 200, "round": 2, "kept": None, "busy": True}
    assert _plain([1]) is None and _plain(None) is None
