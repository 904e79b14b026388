"""The signals that ask a command to stop: Ctrl-C, SIGTERM and the end of its terminal."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

HANG_UP = getattr(signal, "SIGHUP", None)  # the terminal is closed; Windows has none


@contextmanager
def stop_signals(come: Callable[[int], object]) -> Iterator[None]:
    """Within the block these signals call ``come``, with their number, in place of ending the process."""
    came = False

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if came and number == HANG_UP:  # a shell passes on what its terminal has sent already
            return
        came = True
        come(number)

    numbers = [signal.SIGINT, signal.SIGTERM]
    # Ignored, it stays so: with nohup a command is to go on without its terminal.
    if HANG_UP is not None and signal.getsignal(HANG_UP) != signal.SIG_IGN:
        numbers.append(HANG_UP)
    before: dict[int, Any] = {number: signal.signal(number, hear) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
