"""Buttons for what is made on demand. The page asks, Python makes it and sends it, the browser keeps it.

A callback (``on_request``) runs on whatever thread the page's message came in on: it must do no more than put a
command on a queue. What was made is sent later, by ``send_file`` or ``send_text``, from wherever the owner writes to
its widgets; the pieces after the first go out through ``post``, one each time the page has thanked for the last.

What the page tells (download_bar.js), on the element ``.prunelab-download``: ``data-state`` is "idle", "waiting",
"receiving", "done", "copied", "offered" (a text to be copied by hand) or "error", ``data-item`` the name it is about.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from prunelab.resources import joined_script

HERE = Path(__file__).parent
PIECE = 1_000_000  # bytes a message
PATIENCE = 60.0  # seconds without thanks after which a page is taken for gone
WAITING = 32  # pages that are remembered to have asked for one thing


@dataclass
class _Transfer:
    """What is on its way to one page. sent: pieces so far."""

    view: str
    about: dict[str, Any]
    data: memoryview
    sent: int
    touched: float


class DownloadBar(anywidget.AnyWidget):
    """Buttons, and beside them in words how far things are.

    items: ``[{"name": "report", "label": "Report", "tooltip": "One file, opens offline"}, ...]``, names once each. With
    ``"copy": True`` the button asks for a text and puts it on the clipboard.
    disabled: ``{"model": "Nothing is trained yet"}``: buttons that can't be pressed now, and why.
    post: given a function, runs it soon, in the order given, where the owner writes to widgets; without: at once.

    Only the page that asked gets an answer, also when several show the same buttons.
    """

    _esm = joined_script(HERE / "download_bar.js")
    _css = HERE / "download_bar.css"

    items = traitlets.List(traitlets.Dict()).tag(sync=True)
    disabled = traitlets.Dict(key_trait=traitlets.Unicode(), value_trait=traitlets.Unicode()).tag(sync=True)
    label = traitlets.Unicode("Downloads", help="the group's name").tag(sync=True)

    def __init__(self, *, post: Callable[[Callable[[], Any]], Any] | None = None, **traits: Any) -> None:
        super().__init__(**traits)
        self._post = post or (lambda function: function())
        self._lock = threading.RLock()
        self._asked: dict[str, list[str]] = {}
        self._transfers: dict[str, _Transfer] = {}
        self._callbacks: list[Callable[[str], None]] = []
        self.on_msg(self._told)

    def on_request(self, callback: Callable[[str], None]) -> None:
        """``callback(name)`` for every press of a button that is not disabled; it must only enqueue.

        Two pages that ask for the same thing call it twice; the first answer then serves both.
        """
        self._callbacks.append(callback)

    def send_file(self, name: str, filename: str, mime: str, data: bytes) -> int:
        """Send ``data`` to every page that asked for ``name``; how many those were. KeyError: no item has that name."""
        views = self._take(name)
        for view in views:
            about = {"kind": "piece", "to": view, "name": name, "filename": filename, "mime": mime, "size": len(data)}
            about["count"] = max(1, -(-len(data) // PIECE))
            self._start(_Transfer(view, about, memoryview(data), 0, time.monotonic()))
        return len(views)

    def send_text(self, name: str, text: str) -> int:
        """Put ``text`` on the clipboard of every page that asked for ``name``; how many those were."""
        return self._answer(name, {"kind": "text", "text": text})

    def send_error(self, name: str, words: str) -> int:
        """Say, instead of an answer, why there is none and what to do."""
        return self._answer(name, {"kind": "error", "text": words})

    def send_progress(self, name: str, words: str) -> None:
        """Say how far the making is, to the pages that wait for ``name``."""
        self._check(name)
        with self._lock:
            for view in self._asked.get(name, []):
                self.send({"kind": "progress", "to": view, "name": name, "text": words})

    # ---- what the page says

    def _told(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if not isinstance(content, dict):
            return
        if content.get("kind") == "request":
            self._request(str(content.get("name")), str(content.get("view")))
        elif content.get("kind") == "thanks":
            self._post(partial(self._continue, str(content.get("transfer")), content.get("index")))

    def _request(self, name: str, view: str) -> None:
        if name not in self._names():
            return  # a page of before the items changed: the button is gone there by now
        with self._lock:
            asked = self._asked.setdefault(name, [])
            if view not in asked:
                asked.append(view)
                del asked[:-WAITING]
        refusal = self.disabled.get(name) or ("" if self._callbacks else "Nobody is there to make it.")
        if refusal:
            self._post(partial(self.send_error, name, refusal))
            return
        for callback in self._callbacks:
            try:
                callback(name)
            except Exception as error:
                # Nobody sees an exception of a callback: the page has to say it.
                self._post(partial(self.send_error, name, f"{type(error).__name__}: {error}"))
                raise

    # ---- what the page is told

    def _answer(self, name: str, content: dict[str, Any]) -> int:
        views = self._take(name)
        for view in views:
            self.send({**content, "to": view, "name": name})
        return len(views)

    def _take(self, name: str) -> list[str]:
        self._check(name)
        with self._lock:
            return self._asked.pop(name, [])

    def _check(self, name: str) -> None:
        if name not in self._names():
            raise KeyError(f"no item is called {name!r}; there are {', '.join(self._names()) or 'none'}")

    def _names(self) -> list[str]:
        return [item["name"] for item in self.items]

    def _start(self, transfer: _Transfer) -> None:
        with self._lock:
            # Pages that closed in the middle: their files need not stay in memory.
            late = time.monotonic() - PATIENCE
            self._transfers = {key: other for key, other in self._transfers.items() if other.touched > late}
            key = uuid.uuid4().hex
            self._transfers[key] = transfer
            self._send_piece(key, transfer)

    def _continue(self, key: str, index: Any) -> None:
        with self._lock:
            transfer = self._transfers.get(key)
            if transfer is None or index != transfer.sent - 1:
                return  # thanks that came twice, or for what was given up
            if transfer.sent == transfer.about["count"]:
                del self._transfers[key]
            else:
                self._send_piece(key, transfer)

    def _send_piece(self, key: str, transfer: _Transfer) -> None:
        piece = transfer.data[transfer.sent * PIECE : (transfer.sent + 1) * PIECE]
        transfer.touched = time.monotonic()
        transfer.sent += 1
        self.send({**transfer.about, "transfer": key, "index": transfer.sent - 1}, buffers=[piece])

    @traitlets.validate("items")
    def _check_items(self, proposal: dict[str, Any]) -> list[dict[str, Any]]:
        seen = set()
        for i, item in enumerate(proposal["value"]):
            for key in ("name", "label"):
                if not isinstance(item.get(key), str) or not item[key]:
                    raise traitlets.TraitError(f"items[{i}] = {item!r} needs a text as its {key!r}")
            if item["name"] in seen:
                raise traitlets.TraitError(f"items[{i}]['name'] = {item['name']!r} is there twice; names must differ")
            seen.add(item["name"])
        return proposal["value"]

    @traitlets.validate("disabled")
    def _check_disabled(self, proposal: dict[str, Any]) -> dict[str, str]:
        for name in proposal["value"]:
            if name not in self._names():
                raise traitlets.TraitError(f"disabled[{name!r}]: no item has that name; there are {self._names()}")
        return proposal["value"]
