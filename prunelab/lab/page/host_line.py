"""The line between a lab and the host of its workshop: says what the lab does, and hears what the host has to say.

A websocket to the server, opened by the kernel: pages cannot speak for others. Messages are JSON objects; what the lab
says is in ``report``, what it hears in ``HostLine._hear``.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from typing import Any

from prunelab.lab import wording
from prunelab.lab.messages import BUSY, LabState
from prunelab.serve import visitor

PACE = 0.5  # seconds between two reports

log = logging.getLogger(__name__)


def report(state: LabState) -> dict[str, Any]:
    """What the host is shown of a lab, as JSON types.

    accuracy: in words, "" if unknown. kept: 0 to 1, None before there is a network.
    """
    snapshot = state.snapshot
    accuracy = None if snapshot is None else snapshot.test_accuracy
    return {
        "title": wording.title(state.recipe, state.subject),
        "doing": wording.status(state),
        "busy": state.activity in BUSY,
        "phase": "" if snapshot is None else snapshot.phase,
        "round": 0 if snapshot is None else snapshot.round,
        "accuracy": "" if snapshot is None or accuracy is None else snapshot.objective.text(accuracy),
        "kept": None if snapshot is None else snapshot.density,
    }


class HostLine:
    """Keeps the line open while the lab lives. lab: a Lab, shown to a visitor."""

    def __init__(self, lab: Any) -> None:
        self._lab = lab
        self._due: dict[str, Any] = {}  # what is to be reported
        self._news = threading.Event()
        self._lock = threading.Lock()
        lab.guess.answered = self._guessed
        lab.on_state(self._see)
        threading.Thread(target=self._talk, name="prunelab-host-line", daemon=True).start()

    def _see(self, state: LabState) -> None:
        self._tell(state=report(state))

    def _guessed(self, action: str, value: float) -> None:
        """The visitor has answered a question: value in percent."""
        self._tell(guess={"action": action, "value": value})

    def _tell(self, **news: Any) -> None:
        with self._lock:
            self._due |= news
        self._news.set()

    def _talk(self) -> None:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect  # comes with Voila

        headers = {visitor.QUERY_KEY_HEADER: os.environ.get(visitor.QUERY_KEY, "")}
        # Without pings: a server on this machine that does not answer them for a minute is busy, not gone.
        options: dict[str, Any] = {"open_timeout": 30, "ping_interval": None, "proxy": None}
        try:
            with connect(visitor.address("line"), additional_headers=headers, **options) as socket:
                threading.Thread(target=self._send, args=(socket,), name="prunelab-host-report", daemon=True).start()
                for message in socket:
                    self._hear(json.loads(message))
        except (OSError, WebSocketException) as error:
            log.warning("the host is told nothing of this lab: %s", error)

    def _send(self, socket: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        while self._news.wait():
            self._news.clear()
            with self._lock:
                news, self._due = self._due, {}
            try:
                socket.send(json.dumps(news))
            except ConnectionClosed:
                return
            threading.Event().wait(PACE)

    def _hear(self, message: dict[str, Any]) -> None:
        lab = self._lab
        if "follow" in message:
            lab._bridge.soon(lambda: self._follow(message["follow"], message["id"]))
        if "say" in message:
            lab.hear_host(message["say"])
        if "go" in message:
            lab._bridge.soon(lambda: lab.status.send({"go": message["go"]}))

    def _follow(self, query: str, name: str) -> None:
        """Follow a link, unless it was followed before the page was loaded anew: what was done since would be lost.

        name: of this link, another one each time that the host sends it.
        """
        link = self._lab._link
        if name != link.from_host:
            link.from_host = name
            self._lab.follow(query)
