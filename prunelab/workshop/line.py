"""The websockets of a workshop: the line to every lab, and the pages' own, which shows whether a hand is at work."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from prunelab.serve.query_socket import only_for_kernels
from prunelab.serve.websocket import NoDelayConnection
from prunelab.workshop.desk import SETTING, Desk

LONGEST = 8192  # bytes of a report
TEXT = 200  # characters of each text in it
# Messages from a page: a second's worth for long, since a hand on a slider makes 60 and each picture that is drawn is
# acknowledged; and how many at once, since a page that opens asks for the state of each of its widgets.
MESSAGES, AT_ONCE = 200, 4000
SIGNS_OF_LIFE = (b'"kind":"here"', b'"kind":"gone"')


class LineHandler(WebSocketHandler):
    """The line to one lab, opened by its kernel: what it reports is kept, and what the host says is passed on."""

    @property
    def _desk(self) -> Desk:
        desk: Desk = self.settings[SETTING]
        return desk

    def prepare(self) -> None:
        """Refuse whoever is no kernel of this server: 403."""
        only_for_kernels(self.request.headers)

    def open(self, kernel: str) -> None:
        """Take up the line."""
        self._kernel = kernel
        self._desk.listens(kernel, self._send)

    def on_message(self, message: str | bytes) -> None:
        """Keep a report."""
        lab = self._desk.labs.get(self._kernel)
        if lab is None or len(message) > LONGEST:
            return
        news = json.loads(message)
        lab.report = _plain(news.get("state")) or lab.report
        guess = _plain(news.get("guess"))
        if guess:
            self._desk.guessed(self._kernel, guess)

    def on_close(self) -> None:
        """The kernel has ended, or is about to."""
        lab = self._desk.labs.get(self._kernel)
        if lab is not None and lab.send == self._send:
            lab.send = None

    def _send(self, message: dict[str, Any]) -> None:
        self._sending = asyncio.ensure_future(self._write(json.dumps(message)))

    async def _write(self, text: str) -> None:
        with contextlib.suppress(WebSocketClosedError):  # the lab ends at this moment
            await self.write_message(text)


def _plain(values: Any) -> dict[str, Any] | None:
    """What a lab says, without anything but short texts, numbers and yes or no. None for no object."""
    if not isinstance(values, dict):
        return None
    return {
        str(name)[:TEXT]: value[:TEXT] if isinstance(value, str) else value
        for name, value in values.items()
        if value is None or isinstance(value, str | int | float | bool)
    }


class WatchedConnection(NoDelayConnection):
    """The connection between a page and its kernel. It tells the desk when a hand is at work, and ends a flood."""

    _left = float(AT_ONCE)  # messages that may still come
    _latest = 0.0  # when the latest came

    def handle_incoming_message(self, incoming_msg: Any) -> None:  # bytes: the only protocol spoken has no others
        """Pass a message on; see the base class."""
        now = time.monotonic()
        self._left = min(AT_ONCE, self._left + (now - self._latest) * MESSAGES) - 1
        self._latest = now
        if self._left < 0:
            self.log.warning("a page sends more than %d messages a second: its connection is closed", MESSAGES)
            self.websocket_handler.close(1008, "too many messages")
            return
        if b'"comm_msg"' in incoming_msg and not any(sign in incoming_msg for sign in SIGNS_OF_LIFE):
            self.websocket_handler.settings[SETTING].touched(self.kernel_id)
        super().handle_incoming_message(incoming_msg)
