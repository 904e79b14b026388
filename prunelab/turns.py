"""Turns: what torch keeps once for the whole process is used by one of prunelab's threads at a time.

That is its global random generator, its number of threads and, while torch.fx traces, the way modules are called. Two
labs in one kernel take turns, batch by batch. What prunelab does not run itself, such as a training loop on the main
thread, this cannot hold back. To train many networks at once take processes, not threads.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

_door = threading.Lock()  # whoever is next waits here: without it the thread that has just had its turn would win again
_room = threading.Lock()
_inside: int | None = None  # the thread whose turn it is: it may come in again


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Within the block no other thread is in such a block; threads are let in in the order in which they came."""
    global _inside
    me = threading.get_ident()
    if _inside == me:
        yield
        return
    with _door:
        _room.acquire()
    _inside = me
    try:
        yield
    finally:
        _inside = None
        _room.release()
