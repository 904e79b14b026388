"""Of those that a session has begun only the latest may go on, and none once the session went on otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from prunelab import torch_state
from prunelab.errors import SessionError

Item = TypeVar("Item")


class Streams:
    """threads: of torch's, while a stream is being pulled; between two pulls they are the caller's again."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._latest = object()

    def begin(self, items: Iterator[Item]) -> Iterator[Item]:
        """``items``, until something else happens to the session; pulled after that, it raises SessionError."""
        self._latest = mine = object()
        return self._pulled(mine, items)

    def end(self) -> None:
        """The session goes on otherwise."""
        self._latest = object()

    def _pulled(self, mine: object, items: Iterator[Item]) -> Iterator[Item]:
        while True:
            if self._latest is not mine:
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
