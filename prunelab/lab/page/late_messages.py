"""What a page sent just before it lost its kernel must not be carried out whenever it arrives.

A line that breaks without a word, and a kernel that is stopped, keep messages and deliver them later. The page knows
only seconds after the break that nobody answers; what was pressed until then comes here when all is well again. So a
message that comes long after the page last heard of the kernel is held back, until the page says whether it had lost
the kernel in between: if not, it was only slow, and is handled now; else it is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# Seconds since the page last heard of the kernel. Less than PATIENCE in kernel_watch.js, after which a page knows that
# it has lost its kernel; more than it lets pass between two answers.
LATE = 3.0

Handler = Callable[[Any, Any, Any], Any]  # of comm messages, as the kernel calls it: stream, identity, message


@dataclass
class Page:
    """What is known of a page. heard: the time of the latest answer that it has had, by the kernel's clock; until it
    names one, the time of its first question.
    """

    heard: float | None = None
    losses: dict[str, int] = field(default_factory=dict)  # by view of the status: how often it had lost the kernel
    held: list[tuple[Any, Any, Any]] = field(default_factory=list)
    since: float = 0.0  # time of the first message that is held


class LateMessages:
    """Handles comm messages in the place of ``handle``. status: model id of the status widget, by which pages speak.

    dropped: called with the number of messages when some were dropped.
    """

    def __init__(self, handle: Handler, status: str, dropped: Callable[[int], object]) -> None:
        self._handle, self._status, self._dropped = handle, status, dropped
        self._pages: dict[str, Page] = {}  # by the session of their connection

    def __call__(self, stream: Any, ident: Any, message: Any) -> Any:
        page = self._pages.setdefault(message["header"]["session"], Page())
        data = message["content"].get("data") or {}
        said = data.get("content")
        if message["content"].get("comm_id") == self._status and isinstance(said, dict) and said.get("kind") == "here":
            self._hear(page, str(said.get("view")), said.get("heard"), said.get("losses"))
        elif data.get("method") in ("update", "custom") and self._late(page):
            page.held.append((stream, ident, message))
            return None
        return self._handle(stream, ident, message)

    def _late(self, page: Page) -> bool:
        if page.held:
            return True  # the order stays
        now = time.monotonic()
        page.since = now
        return page.heard is not None and now - page.heard > LATE

    def _hear(self, page: Page, view: str, heard: Any, losses: Any) -> None:
        """A page says when it last heard of the kernel, and how often it had lost it."""
        if isinstance(heard, int | float):
            page.heard = heard
        elif page.heard is None:
            page.heard = time.monotonic()
        count = losses if isinstance(losses, int) else 0
        lost = count != page.losses.get(view, count)
        page.losses[view] = count
        # Messages keep their order: what is held was sent before the page knew that it had lost the kernel. A page that
        # says nothing of that may not know yet: its word may have been sent before the break was over.
        if page.held and (lost or page.heard >= page.since):
            held, page.held = page.held, []
            if lost:
                self._dropped(len(held))
            else:
                for each in held:
                    self._handle(*each)
