"""What many widgets have to tell the page, in one message.

To carry a message costs kernel, server and browser about as much as to show what is in it. The state of the widgets
stays the truth, only its way to the page is another, and only once a page listens (batching.js). A page that was still
loading when something was delivered notices by ``count``, and gets it in the usual way.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from prunelab.resources import joined_script


class BatchedWidget(anywidget.AnyWidget):
    """A widget whose changes may go with a batching."""

    batching: Batching | None = None

    def _send(self, msg: dict[str, Any], buffers: Any = None) -> None:
        if self.batching is None or not self.batching.takes(self, msg, buffers):
            super()._send(msg, buffers=buffers)


class Batching(BatchedWidget):
    """Packs one message for all: ``with batching.together(): ...``. It has no view."""

    _esm = joined_script(Path(__file__).parent / "batching.js")

    count = traitlets.Int(0, help="deliveries so far; a page that knows of as many has missed none").tag(sync=True)

    def __init__(self) -> None:
        self._heard_of = False  # a page listens
        self._packer: int | None = None  # the thread that is packing
        self._parcel: dict[str, dict[str, Any]] = {}  # by model id
        self._carried: dict[str, BatchedWidget] = {}
        super().__init__()
        self.batching = self  # its own count goes along
        self.on_msg(self._told)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within the block, on this thread, changes of carried widgets are collected; then they go as one."""
        self._packer = threading.get_ident()
        try:
            yield
            if self._parcel:
                self.count += 1
        finally:
            self._packer = None
            parcel, self._parcel = self._parcel, {}
            if parcel:
                self.send({"states": parcel})

    def takes(self, widget: BatchedWidget, message: dict[str, Any], buffers: Any) -> bool:
        """Whether a widget's message goes with what is being packed."""
        packing = self._heard_of and self._packer == threading.get_ident()
        if not packing or message.get("method") != "update" or buffers or widget.model_id is None:
            return False
        self._parcel.setdefault(widget.model_id, {}).update(message["state"])
        self._carried[widget.model_id] = widget
        return True

    def _told(self, _: Any, content: Any, __: Any) -> None:
        """A page has begun to listen; what it may have missed, each widget tells it again."""
        if not isinstance(content, dict) or "have" not in content:
            return
        self._heard_of = True
        if content["have"] != self.count:
            for widget in list(self._carried.values()):
                widget.send_state()
