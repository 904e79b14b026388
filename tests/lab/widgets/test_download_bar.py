"""The download bar without a browser: pieces, thanks, pages that asked, and pages that went."""

from __future__ import annotations

from typing import Any

import pytest
import traitlets

from prunelab.lab.widgets.download_bar import PIECE, DownloadBar
from support.messages import say

ITEMS = [
    {"name": "report", "label": "Report"},
    {"name": "model", "label": "Model"},
    {"name": "python", "label": "Python", "copy": True},
]


class Page:
    """What pages would get, and what they say: messages in order, each with its buffers."""

    def __init__(self, download: DownloadBar) -> None:
        self.download = download
        self.got: list[dict[str, Any]] = []
        self.data: list[bytes] = []
        download.send = self._get  # type: ignore[method-assign]

    def _get(self, content: dict[str, Any], buffers: Any = None) -> None:
        self.got.append(content)
        self.data.extend(bytes(buffer) for buffer in buffers or ())

    def say(self, **content: Any) -> None:
        say(self.download, content)

    def ask(self, name: str, view: str = "a") -> None:
        self.say(kind="request", name=name, view=view)

    def thank(self) -> None:
        self.say(kind="thanks", transfer=self.got[-1]["transfer"], index=self.got[-1]["index"])


@pytest.fixture
def page() -> Page:
    return Page(DownloadBar(items=ITEMS))


def test_a_press_calls_back_and_the_file_comes_in_pieces_each_after_thanks(page: Page) -> None:
    names: list[str] = []
    page.download.on_request(names.append)
    page.ask("report")
    assert names == ["report"] and not page.got
    data = bytes(range(250)) * (2 * PIECE // 250) + b"the rest"
    assert page.download.send_file("report", "report.html", "text/html", data) == 1
    assert len(page.got) == 1
    page.thank()
    page.say(kind="thanks", transfer=page.got[-1]["transfer"], index=0)  # twice: nothing comes of it
    assert len(page.got) == 2
    page.thank()
    page.thank()
    assert [message["index"] for message in page.got] == [0, 1, 2]
    assert {(m["to"], m["name"], m["filename"], m["mime"], m["size"], m["count"]) for m in page.got} == {
        ("a", "report", "report.html", "text/html", len(data), 3)
    }
    assert b"".join(page.data) == data
    assert not page.download._transfers


@pytest.mark.parametrize("length", [0, 1, PIECE, PIECE + 1])
def test_files_of_any_length_arrive(page: Page, length: int) -> None:
    page.download.on_request(lambda name: None)
    page.ask("model")
    data = bytes(length)
    page.download.send_file("model", "m.bin", "application/octet-stream", data)
    for _ in range(page.got[0]["count"]):
        page.thank()
    assert b"".join(page.data) == data
    assert len(page.got) == page.got[0]["count"] == max(1, -(-length // PIECE))


def test_only_pages_that_asked_are_answered_and_only_once(page: Page) -> None:
    page.download.on_request(lambda name: None)
    assert page.download.send_text("python", "x = 1") == 0
    for view in ("a", "b", "a"):
        page.ask("python", view)
    assert page.download.send_text("python", "x = 1") == 2
    assert [message["to"] for message in page.got] == ["a", "b"]
    assert page.download.send_text("python", "x = 2") == 0


def test_a_disabled_item_is_not_asked_for_but_explained(page: Page) -> None:
    names: list[str] = []
    page.download.on_request(names.append)
    page.download.disabled = {"model": "Nothing is trained yet."}
    page.ask("model")
    assert names == []
    assert page.got == [{"kind": "error", "text": "Nothing is trained yet.", "to": "a", "name": "model"}]


def test_a_failing_callback_is_told_on_the_page(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    def fail(name: str) -> None:
        raise RuntimeError(f"no {name} today")

    page.download.on_request(fail)
    with pytest.raises(RuntimeError):
        page.download._told(page.download, {"kind": "request", "name": "report", "view": "a"}, [])
    assert page.got[0]["text"] == "RuntimeError: no report today"


def test_progress_is_told_to_those_who_wait(page: Page) -> None:
    page.download.on_request(lambda name: None)
    page.ask("report", "b")
    page.download.send_progress("report", "page 3 of 6")
    page.download.send_error("report", "the disk is full")
    page.download.send_progress("report", "nobody waits any more")
    assert [(m["kind"], m["to"], m["text"]) for m in page.got] == [
        ("progress", "b", "page 3 of 6"),
        ("error", "b", "the disk is full"),
    ]


def test_what_the_page_says_goes_on_through_post() -> None:
    waiting: list[Any] = []
    page = Page(DownloadBar(items=ITEMS, post=waiting.append))
    page.download.on_request(lambda name: None)
    page.ask("report")
    page.download.send_file("report", "r", "text/plain", bytes(PIECE + 1))
    page.thank()
    assert len(page.got) == 1
    waiting.pop()()
    assert len(page.got) == 2


@pytest.mark.parametrize("message", [None, "request", {}, {"kind": "request", "name": "../etc"}, {"kind": "thanks"}])
def test_nonsense_from_a_page_changes_nothing(page: Page, message: Any) -> None:
    say(page.download, message)
    assert not page.got


def test_wrong_items_and_names_are_named() -> None:
    with pytest.raises(traitlets.TraitError, match="'label'"):
        DownloadBar(items=[{"name": "report"}])
    with pytest.raises(traitlets.TraitError, match="'report' is there twice"):
        DownloadBar(items=[ITEMS[0], ITEMS[0]])
    with pytest.raises(traitlets.TraitError, match="figures"):
        DownloadBar(items=ITEMS, disabled={"figures": "no"})
    with pytest.raises(KeyError, match="figures"):
        DownloadBar(items=ITEMS).send_text("figures", "")
