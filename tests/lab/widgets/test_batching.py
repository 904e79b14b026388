"""Changes of many widgets in one message, and nothing lost on a page that comes late."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from prunelab.lab.widgets.batching import Batching
from prunelab.lab.widgets.plot import Plot
from prunelab.serve import visitor
from support.messages import say


class Wire:
    """Stands in for the comm of a widget: keeps what goes through."""

    comm_id = "1"
    kernel = object()

    def __init__(self, name: str, sent: list[tuple[str, dict[str, Any]]]) -> None:
        self.comm_id, self._sent = name, sent

    def send(self, data=None, buffers=None, **_) -> None:
        self._sent.append((self.comm_id, data))

    def close(self, *_, **__) -> None: ...

    def on_msg(self, _) -> None: ...


@pytest.fixture
def scene():
    sent: list[tuple[str, dict[str, Any]]] = []
    batching, plots = Batching(), [Plot(name=name) for name in "ab"]
    for name, widget in zip(("batching", "a", "b"), (batching, *plots), strict=True):
        widget.comm = Wire(name, sent)
        widget.batching = batching
    yield batching, plots, sent


def change(plots: list[Plot], number: int) -> None:
    for plot in plots:
        plot.figure = {"data": [], "layout": {"meta": {"revision": number}}}
        plot.summary = f"number {number}"


def test_until_a_page_listens_each_widget_tells_its_own(scene):
    batching, plots, sent = scene
    with batching.together():
        change(plots, 1)
    assert [name for name, _ in sent] == ["a", "a", "b", "b"] and batching.count == 0


def test_then_all_changes_go_in_one_message(scene):
    batching, plots, sent = scene
    say(batching, {"have": 0})
    with batching.together():
        change(plots, 1)
        change(plots, 2)
    assert len(sent) == 1
    name, message = sent[0]
    states = message["content"]["states"]
    assert name == "batching" and message["method"] == "custom" and set(states) == {"a", "b", "batching"}
    assert states["a"] == {"figure": plots[0].figure, "summary": "number 2"}
    assert states["batching"] == {"count": 1}, "by this a page knows what it has"
    change(plots, 3)
    assert [name for name, _ in sent[1:]] == ["a", "a", "b", "b"], "outside of the block nothing waits"
    with batching.together():
        pass
    assert len(sent) == 5 and batching.count == 1, "nothing to tell is not told"


def test_an_error_in_the_block_does_not_hold_back_what_was_changed(scene):
    batching, plots, sent = scene
    say(batching, {"have": 0})
    with pytest.raises(ZeroDivisionError), batching.together():
        change(plots, 1)
        raise ZeroDivisionError
    assert [name for name, _ in sent] == ["batching"]


def test_other_threads_are_not_drawn_in(scene):
    batching, plots, sent = scene
    say(batching, {"have": 0})
    with batching.together():
        thread = threading.Thread(target=change, args=(plots, 1))
        thread.start()
        thread.join()
        assert [name for name, _ in sent] == ["a", "a", "b", "b"]


def test_a_page_that_missed_a_delivery_gets_the_whole_state(scene):
    batching, plots, sent = scene
    say(batching, {"have": 0})
    with batching.together():
        change(plots, 1)
    sent.clear()
    say(batching, {"have": 1})
    say(batching, {"something": "else"})
    say(batching, "noise")
    assert not sent
    say(batching, {"have": 0})
    told = dict(sent)
    assert told["a"]["state"]["figure"] == plots[0].figure and told["b"]["state"]["summary"] == "number 1"


# The visitor's address


def test_elsewhere_than_in_voila_there_is_no_query(monkeypatch):
    for name in list(visitor.os.environ):
        if name.startswith("VOILA_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("QUERY_STRING", "quality=2")
    assert not visitor.in_voila() and visitor.query() == ""
    monkeypatch.setenv("VOILA_KERNEL_ID", "7")
    assert visitor.in_voila() and visitor.query() == "quality=2"


@pytest.mark.parametrize(
    ("more", "address"),
    [
        ({}, "ws://127.0.0.1:8866/voila/query/7"),
        (
            {"VOILA_APP_PORT": "9000", "VOILA_SERVER_URL": "/user/x/", "VOILA_WS_PROTOCOL": "wss"},
            "wss://127.0.0.1:9000/user/x/voila/query/7",
        ),
        ({"VOILA_SERVER_URL": "/a/", "VOILA_WS_BASE_URL": "/b/"}, "ws://127.0.0.1:8866/b/voila/query/7"),
    ],
)
def test_a_preheated_kernel_asks_where_voila_itself_would(more, address, monkeypatch):
    """The oracle: the address that voila.utils.get_query_string connects to."""
    import voila.utils

    env = {"VOILA_PREHEAT": "True", "VOILA_KERNEL_ID": "7", **more}
    for name in list(visitor.os.environ):
        if name.startswith("VOILA_"):
            monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    asked, loops = [], []

    async def answer(url):
        asked.append(url)
        loops.append(asyncio.get_running_loop())

    monkeypatch.setattr(voila.utils, "_get_request_info", answer)
    voila.utils.get_query_string()
    loops[0].close()  # Voila leaves it open, which would be a warning in whatever test runs later
    assert asked == [visitor.address("query")] == [address]
