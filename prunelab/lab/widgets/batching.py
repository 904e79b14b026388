"""Sends the changes of many widgets to the page in one message.

A message costs kernel, server and browser about as much as showing its content. The widgets' state stays the only
source of truth; it only takes another way to the page, and only once a page listens (batching.js). A page that was
still loading when a message was sent notices that by ``count``, and gets the state in the usual way.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from prunelab.lab.widgets.shared_looks import SharedLooks
from prunelab.lab.widgets.whole_state import WholeState
from prunelab.resources import joined_script


class BatchedWidget(WholeState, SharedLooks, anywidget.AnyWidget):
    """A widget whose changes may be sent by a ``Batching``."""

    batching: Batching | None = None

    def _send(self, msg: dict[str, Any], buffers: Any = None) -> None:
        if self.batching is None or not self.batching.takes(self, msg, buffers):
            super()._send(msg, buffers=buffers)


class Batching(BatchedWidget):
    """Collects the changes of many widgets in one message: ``with batching.together(): ...``. It has no view."""

    _esm = joined_script(Path(__file__).parent / "batching.js")

    count = traitlets.Int(0, help="deliveries so far; a page that knows of as many has missed none").tag(sync=True)

    def __init__(self) -> None:
        self._listening = False  # whether a page listens
        self._thread: int | None = None  # the thread that is inside ``together``
        self._collected: dict[str, dict[str, Any]] = {}  # changed traits by model id
        self._widgets: dict[str, BatchedWidget] = {}  # all that were ever collected from, by model id
        super().__init__()
        self.batching = self  # ``count`` is sent in the same message
        self.on_msg(self._told)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within the block, changes that this thread makes to widgets are collected, then sent in one message."""
        self._thread = threading.get_ident()
        try:
            yield
            if self._collected:
                self.count += 1
        finally:
            self._thread = None
            collected, self._collected = self._collected, {}
            if collected:
                self.send({"states": collected})

    def takes(self, widget: BatchedWidget, message: dict[str, Any], buffers: Any) -> bool:
        """Collect a widget's message, if it can be; False if the widget must send it itself."""
        collecting = self._listening and self._thread == threading.get_ident()
        if not collecting or message.get("method") != "update" or buffers or widget.model_id is None:
            return False
        self._collected.setdefault(widget.model_id, {}).update(message["state"])
        self._widgets[widget.model_id] = widget
        return True

    def _told(self, _: Any, content: Any, __: Any) -> None:
        """A page has begun to listen; if it has missed messages, each widget sends its state again."""
        if not isinstance(content, dict) or "have" not in content:
            return
        self._listening = True
        if content["have"] != self.count:
            for widget in list(self._widgets.values()):
                widget.send_state()
