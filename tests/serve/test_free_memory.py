"""What a visit has freed goes back to the system."""

from __future__ import annotations

import asyncio
import ctypes

import psutil

from prunelab.serve import free_memory
from prunelab.serve.kernel_pool import with_care

BLOCKS, SIZE = 2_000, 60_000  # 120 MB in blocks that glibc takes from its heap


def test_freed_memory_below_a_block_in_use_goes_back():
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_size_t],
        [ctypes.c_void_p],
    )
    blocks = [libc.malloc(SIZE) for _ in range(BLOCKS)]
    for block in blocks:
        ctypes.memset(block, 1, SIZE)
    for block in blocks[:-1]:
        libc.free(block)
    before = psutil.Process().memory_info().rss
    free_memory.give_back()
    assert before - psutil.Process().memory_info().rss > BLOCKS * SIZE / 2 or not free_memory.HAS_TRIM
    libc.free(blocks[-1])


def test_it_is_asked_for_when_a_kernel_has_ended(monkeypatch):
    done = []

    class Manager:
        async def shutdown_kernel(self, kernel: str, now: bool = False) -> None:
            done.append((kernel, now))

    monkeypatch.setattr(free_memory, "give_back", lambda: done.append("given back"))
    asyncio.run(with_care(Manager)().shutdown_kernel("a kernel", now=True))
    assert done == [("a kernel", True), "given back"]
