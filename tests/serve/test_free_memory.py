"""What a visit has freed goes back to the system."""

from __future__ import annotations

import asyncio
import ctypes
import gc

import psutil

from prunelab.serve import free_memory, kernel_pool
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


def test_it_is_asked_for_when_a_kernel_has_ended_and_once_more_when_all_have(monkeypatch):
    done = []

    class Manager:
        async def shutdown_kernel(self, kernel: str, now: bool = False) -> None:
            done.append((kernel, now))

    async def two_end():
        manager = with_care(Manager)()
        await manager.shutdown_kernel("one", now=True)
        await manager.shutdown_kernel("two")
        assert done == [("one", True), "given back", ("two", False), "given back"]
        del done[:]
        async with asyncio.timeout(30):
            while not done:
                await asyncio.sleep(kernel_pool.LATER / 10)
        await asyncio.sleep(2 * kernel_pool.LATER)

    monkeypatch.setattr(free_memory, "give_back", lambda: done.append("given back"))
    monkeypatch.setattr(gc, "collect", lambda: done.append("collected"))
    monkeypatch.setattr(kernel_pool, "LATER", 0.2)
    asyncio.run(two_end())
    assert done == ["collected", "given back"]
