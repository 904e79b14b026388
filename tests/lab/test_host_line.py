"""The line from a lab to the host of a workshop, over a real websocket: what is said, and what follows from it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from prunelab import Lab, Recipe
from prunelab.lab.page.host_line import HostLine, report
from prunelab.serve import visitor
from support.labs import address, press

SMALL = Recipe(model="mlp-small", epochs=2, retrain_epochs=1, rounds=1)


class Host:
    """A server that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: dict[str, Any] = {}
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        self._news = threading.Condition()
        self.connection: ServerConnection | None = None

    def talk(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.paths.append(connection.request.path)
        self.keys.append(connection.request.headers.get(visitor.QUERY_KEY_HEADER))
        self.connection = connection
        for message in connection:
            with self._news:
                self.heard |= json.loads(message)
                self._news.notify_all()

    def until(self, told: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        with self._news:
            assert self._news.wait_for(lambda: told(self.heard), 60), self.heard
            return dict(self.heard)

    def say(self, **message: Any) -> None:
        assert self.connection is not None
        self.connection.send(json.dumps(message))


@pytest.fixture
def host(monkeypatch) -> Iterator[Host]:
    made = Host()
    with serve(made.talk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for name, value in {
            "VOILA_APP_PORT": str(server.socket.getsockname()[1]),
            "VOILA_KERNEL_ID": "the-kernel",
            visitor.QUERY_KEY: "the key",
        }.items():
            monkeypatch.setenv(name, value)
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab(SMALL, measure=False)
    assert made.wait(60)
    yield made
    made.close()


def test_the_host_is_told_what_the_lab_does_and_shows_who_it_is(host, lab):
    HostLine(lab)
    heard = host.until(lambda heard: heard.get("state", {}).get("phase") == "trained")
    assert heard["state"] == report(lab.state)
    assert host.paths == ["/voila/line/the-kernel"] and host.keys == ["the key"]
    lab.buttons["prune"].click()
    pruned = host.until(lambda heard: heard["state"]["phase"] == "pruned")["state"]
    assert lab.wait(60)
    assert pruned["kept"] == lab.state.snapshot.density and pruned["round"] == 1
    assert pruned["accuracy"] == f"{100 * lab.state.snapshot.test_accuracy:.1f} %"


def test_a_link_is_followed_a_word_is_shown_and_taken_back(host, lab):
    HostLine(lab)
    host.until(lambda heard: heard.get("state"))
    host.say(follow="quality=2.25&seed=0", id="one")
    host.say(say="Look at <b>fc1</b>.")
    assert _shown(lab, lambda: lab.recipe.quality == 2.25 and "Look at <b>fc1</b>." in lab.status.trouble)
    host.say(say="")
    assert _shown(lab, lambda: "Look at" not in lab.status.trouble)


def test_a_link_that_was_followed_is_not_followed_again_by_the_page_that_is_loaded_anew(host, visitor_of, monkeypatch):
    monkeypatch.setenv(visitor.HOST_LINE, "yes")

    def comes(query: str) -> Lab:
        lab = visitor_of(query)
        host.heard = {}
        host.until(lambda heard: heard.get("state"))
        host.say(follow="seed=1", id="one")
        host.say(say="told after the link")
        assert _shown(lab, lambda: "told after the link" in lab.status.trouble)
        return lab

    lab = comes(SMALL.to_query())
    assert _shown(lab, lambda: lab.state.recipe.seed == 1 and lab.state.activity == "ready")
    lab.controls["seed"].value = 2
    lab.buttons["train"].click()
    assert lab.wait(60)
    press(lab, "prune")
    lab.stop()
    again = comes(address(lab, lab.link()))
    assert again.wait(60)
    assert again.state.recipe.seed == 2 and again.state.snapshot.phase == "pruned", "the run is not lost"
    assert again.state.snapshot.kept == lab.state.snapshot.kept
    host.say(follow="seed=1", id="two")
    assert _shown(again, lambda: again.state.recipe.seed == 1), "sent once more, it is followed"


def test_a_page_is_sent_away(host, lab, monkeypatch):
    sent: list[Any] = []
    monkeypatch.setattr(lab.status, "send", sent.append)
    HostLine(lab)
    host.until(lambda heard: heard.get("state"))
    host.say(go="/away?why=host")
    assert _shown(lab, lambda: {"go": "/away?why=host"} in sent)


def test_a_server_that_is_busy_for_long_still_reaches_the_lab(host, lab, monkeypatch):
    """websockets closes a connection whose other end answers no ping for a while, here a short one."""
    for name in ("ping_interval", "ping_timeout"):
        monkeypatch.setitem(connect.__kwdefaults__, name, 0.05)
    HostLine(lab)
    host.until(lambda heard: heard.get("state"))
    with host.connection.protocol_mutex:  # it reads nothing meanwhile
        threading.Event().wait(1)
    host.say(say="Look at fc1.")
    assert _shown(lab, lambda: "Look at fc1." in lab.status.trouble)


def test_a_guess_is_told(host, lab):
    HostLine(lab)
    lab.guess.ask("prune")
    lab.guess.slider.value = 72.5
    lab.guess.button.click()
    assert host.until(lambda heard: heard.get("guess"))["guess"] == {"action": "prune", "value": 72.5}


def test_a_host_that_is_not_there_disturbs_nothing(lab, monkeypatch, caplog):
    monkeypatch.setenv("VOILA_APP_PORT", "9")
    monkeypatch.setenv("VOILA_KERNEL_ID", "the-kernel")
    HostLine(lab)
    assert _shown(lab, lambda: "the host is told nothing of this lab" in caplog.text)
    lab.buttons["prune"].click()
    assert lab.wait(60) and lab.state.trouble is None


def _shown(lab: Lab, told: Callable[[], bool]) -> bool:
    """Whether it becomes true; the line has threads of its own."""
    for _ in range(600):
        if told():
            return True
        lab.wait(60)
        threading.Event().wait(0.05)
    return told()
