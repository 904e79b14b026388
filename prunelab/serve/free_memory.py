"""Gives memory that was freed back to the system: glibc keeps what lies between blocks that are still in use.

A visitor's page and messages are a few megabytes of the server's memory for some seconds. Without this, 2.5 MB of each
visit stayed with the process, though nothing in it refers to them.
"""

from __future__ import annotations

import ctypes
import gc
import sys

HAS_TRIM = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")  # not with musl


def give_back() -> None:
    """Nothing, where the C library has no way to do it. Some milliseconds, without Python's lock."""
    if HAS_TRIM:
        ctypes.CDLL(None).malloc_trim(0)


def give_back_all() -> None:
    """The same, with what only refers to itself: some tenths of a second with Python's lock, for a quiet moment."""
    gc.collect()
    give_back()
