"""Invalidates a session's streams: only the latest may continue, and none after another change of the session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from prunelab import torch_state
from prunelab.errors import SessionError

Item = TypeVar("Item")


class Streams:
    """The streams of one session.

    threads: torch's thread count while a stream computes an item; between items the caller's count is restored.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._latest = object()

    def begin(self, items: Iterator[Item]) -> Iterator[Item]:
        """``items`` as the latest stream. After another ``begin``, or ``end``, its next item raises SessionError."""
        self._latest = token = object()
        return self._guarded(token, items)

    def end(self) -> None:
        """End all streams: the session is being changed by other means."""
        self._latest = object()

    def _guarded(self, token: object, items: Iterator[Item]) -> Iterator[Item]:
        while True:
            if self._latest is not token:
                raise SessionError(
                    "this stream has ended: the session went on otherwise (prune, restore or another stream); "
                    "start a new one with train(), retrain() or run()"
                )
            with torch_state.threads(self._threads):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item
