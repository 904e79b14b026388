"""Ctrl-C and SIGTERM in commands that save as they go: they stop, and say how to go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Stopped(KeyboardInterrupt):
    """A signal that asks the command to stop. number: of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Stop:
    """Whether a signal has asked the command to stop. number: of the signal; 0: none has."""

    number = 0

    def check(self) -> None:
        """Raise Stopped if a signal has come."""
        if self.number:
            raise Stopped(self.number)


@contextmanager
def stoppable(*, at_once: bool = True) -> Iterator[Stop]:
    """Within the block SIGINT and SIGTERM raise Stopped: wherever it is, or, not at once, where it calls ``check``.

    Not at once is for blocks that share locks with other threads, as those of an executor: an exception that comes out
    of nowhere between taking a lock and giving it back leaves the lock taken for ever, and the other threads wait.
    """
    stop = Stop()

    def come(number: int, frame: FrameType | None) -> None:
        stop.number = number
        if at_once:
            stop.check()

    before: dict[int, Any] = {number: signal.signal(number, come) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
