"""Buttons for downloads that are made on demand: the page requests a file, Python makes and sends it.

A callback (``on_request``) runs on the thread that the page's message came in on: it must only put a command on a
queue. The file is sent later, by ``send_file`` or ``send_text``, on the thread that writes to the widgets. Its pieces
after the first are sent through ``post``, each when the page has acknowledged the one before ("thanks").

Data attributes, set by download_bar.js on the element ``.prunelab-download``: ``data-state`` is "idle", "waiting",
"receiving", "done", "copied", "offered" (a text for the user to copy) or "error", ``data-item`` the item's name.
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

from prunelab.lab.widgets.shared_looks import SharedLooks
from prunelab.lab.widgets.whole_state import WholeState
from prunelab.resources import joined_script

HERE = Path(__file__).parent
PIECE = 1_000_000  # bytes per message
ACKNOWLEDGE_TIMEOUT = 60.0  # seconds without acknowledgement after which a transfer is dropped
MAX_WAITING = 32  # pages that can wait for the same item


@dataclass
class _Transfer:
    """A file on its way to one page."""

    view: str  # id of the page's view
    about: dict[str, Any]  # the content of every message
    data: memoryview
    sent: int  # pieces so far
    touched: float  # monotonic time of the last piece, in seconds


class DownloadBar(WholeState, SharedLooks, anywidget.AnyWidget):
    """Buttons, with the progress of a download in words beside them.

    items: ``[{"name": "report", "label": "Report", "tooltip": "One file, opens offline"}, ...]``, with unique names.
    With ``"copy": True`` the button requests a text and puts it on the clipboard.
    disabled: ``{"model": "Nothing is trained yet"}``: disabled buttons, and why.
    post: runs a function soon, in the order of the calls, on the thread that writes to the widgets; None: at once.

    Only the page that sent a request gets the answer, also when several show the same buttons.
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
        self._requests: dict[str, list[str]] = {}  # ids of the waiting views, by item
        self._transfers: dict[str, _Transfer] = {}
        self._callbacks: list[Callable[[str], None]] = []
        self.on_msg(self._told)

    def on_request(self, callback: Callable[[str], None]) -> None:
        """Call ``callback(name)`` for every press of an enabled button; it must only put a command on a queue.

        If two pages request the same item, it is called twice; the first answer then goes to both.
        """
        self._callbacks.append(callback)

    def send_file(self, name: str, filename: str, mime: str, data: bytes) -> int:
        """Send ``data`` to every page that waits for ``name``; the number of pages. KeyError for an unknown name."""
        views = self._take(name)
        for view in views:
            about = {"kind": "piece", "to": view, "name": name, "filename": filename, "mime": mime, "size": len(data)}
            about["count"] = max(1, -(-len(data) // PIECE))
            self._start(_Transfer(view, about, memoryview(data), 0, time.monotonic()))
        return len(views)

    def send_text(self, name: str, text: str) -> int:
        """Put ``text`` on the clipboard of every page that waits for ``name``; the number of pages."""
        return self._answer(name, {"kind": "text", "text": text})

    def send_error(self, name: str, words: str) -> int:
        """Answer with an error: why there is no file, and what to do. Returns the number of pages."""
        return self._answer(name, {"kind": "error", "text": words})

    def send_progress(self, name: str, words: str) -> None:
        """Show the progress of making ``name`` on the pages that wait for it."""
        self._check(name)
        with self._lock:
            for view in self._requests.get(name, []):
                self.send({"kind": "progress", "to": view, "name": name, "text": words})

    # Messages from the page

    def _told(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if not isinstance(content, dict):
            return
        if content.get("kind") == "request":
            self._request(str(content.get("name")), str(content.get("view")))
        elif content.get("kind") == "thanks":
            self._post(partial(self._continue, str(content.get("transfer")), content.get("index")))

    def _request(self, name: str, view: str) -> None:
        if name not in self._names():
            return  # the items have changed since the page sent this: the button is gone
        with self._lock:
            waiting = self._requests.setdefault(name, [])
            if view not in waiting:
                waiting.append(view)
                del waiting[:-MAX_WAITING]
        refusal = self.disabled.get(name) or ("" if self._callbacks else "Nobody is there to make it.")
        if refusal:
            self._post(partial(self.send_error, name, refusal))
            return
        for callback in self._callbacks:
            try:
                callback(name)
            except Exception as error:
                # An exception in a callback is shown nowhere else.
                self._post(partial(self.send_error, name, f"{type(error).__name__}: {error}"))
                raise

    # Messages to the page

    def _answer(self, name: str, content: dict[str, Any]) -> int:
        views = self._take(name)
        for view in views:
            self.send({**content, "to": view, "name": name})
        return len(views)

    def _take(self, name: str) -> list[str]:
        self._check(name)
        with self._lock:
            return self._requests.pop(name, [])

    def _check(self, name: str) -> None:
        if name not in self._names():
            raise KeyError(f"no item is called {name!r}; there are {', '.join(self._names()) or 'none'}")

    def _names(self) -> list[str]:
        return [item["name"] for item in self.items]

    def _start(self, transfer: _Transfer) -> None:
        with self._lock:
            # Frees the files of pages that closed during a transfer.
            oldest = time.monotonic() - ACKNOWLEDGE_TIMEOUT
            self._transfers = {key: other for key, other in self._transfers.items() if other.touched > oldest}
            key = uuid.uuid4().hex
            self._transfers[key] = transfer
            self._send_piece(key, transfer)

    def _continue(self, key: str, index: Any) -> None:
        with self._lock:
            transfer = self._transfers.get(key)
            if transfer is None or index != transfer.sent - 1:
                return  # a repeated acknowledgement, or one for a dropped transfer
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
