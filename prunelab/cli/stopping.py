"""Ctrl-C and the like in commands that save as they go: they stop, and say how to go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prunelab.stop_signals import stop_signals


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
    """Within the block a signal raises Stopped: wherever it is, or, not at once, where it calls ``check``.

    Not at once is for blocks that share locks with other threads, as those of an executor: an exception that comes out
    of nowhere between taking a lock and giving it back leaves the lock taken for ever, and the other threads wait.
    """
    stop = Stop()

    def come(number: int) -> None:
        stop.number = number
        if at_once:
            stop.check()

    with stop_signals(come):
        yield stop
