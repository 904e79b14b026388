"""Which kernels are given to visitors: never one that died while it waited."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from prunelab.errors import ServeError
from prunelab.serve.kernel_pool import BURIALS, with_care


class Process:
    """One that a test ends."""

    def __init__(self) -> None:
        self.ended = False

    def poll(self) -> int | None:
        return 0 if self.ended else None


class Voilas:
    """What Voila's kernel manager does with its pool, and what it was asked to do."""

    log = logging.getLogger("test")

    def __init__(self) -> None:
        self.kernels: dict[str, Any] = {}
        self.shut: list[str] = []
        self.made = 0
        self.full = False  # whether no kernel can be started
        self._pools: dict[str, list[asyncio.Future[Any]]] = {}

    def __contains__(self, kernel: str) -> bool:
        return kernel in self.kernels

    def get_kernel(self, kernel: str) -> Any:
        return self.kernels[kernel]

    def get_pool_size(self, notebook: str) -> int:
        return len(self._pools.get(notebook, []))

    async def get_rendered_notebook(self, notebook_name: str) -> tuple[None, list[str], str]:
        content = await self._pools[notebook_name].pop(0)
        return None, [], content["kernel_id"]

    async def start_kernel(self, **options: Any) -> str:
        self.made += 1
        kernel = f"kernel {self.made}"
        self.kernels[kernel] = SimpleNamespace(provisioner=SimpleNamespace(process=Process()))
        return kernel

    async def _initialize(self, notebook: str, kernel_id: str | None = None, **options: Any) -> dict[str, Any]:
        if self.full:
            raise ServeError("no memory")
        kernel = kernel_id or await Voilas.start_kernel(self)
        rendered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        return {"kernel_id": kernel, "task": rendered}

    async def shutdown_kernel(self, kernel: str, now: bool) -> None:
        for pool in self._pools.values():
            for waiting in tuple(pool):
                if waiting.done() and waiting.result()["kernel_id"] == kernel:
                    pool.remove(waiting)
        del self.kernels[kernel]
        self.shut.append(kernel)

    def fill_if_needed(self, delay: float = 1, notebook_name: str = "") -> None:
        pool = self._pools.setdefault(notebook_name, [])
        while len(pool) < 2:
            pool.append(asyncio.ensure_future(self._initialize(notebook_name)))


@pytest.fixture
def manager() -> Iterator[Any]:
    yield with_care(Voilas)()


async def filled(manager: Any) -> list[str]:
    """The kernels that wait."""
    manager.fill_if_needed(0, "book")
    return [(await each)["kernel_id"] for each in manager._pools["book"]]


def test_those_that_live_are_given_in_their_order_and_told(manager):
    async def visits() -> list[str]:
        given: list[str] = []
        manager.given = given.append
        waiting = await filled(manager)
        assert manager.get_pool_size("book") == 2
        for kernel in waiting:
            assert (await manager.get_rendered_notebook(notebook_name="book"))[2] == kernel
        assert given == waiting
        assert manager.get_pool_size("book") == 0
        fresh = await manager.start_kernel()
        return [*waiting, fresh] if given == [*waiting, fresh] else given

    assert len(set(asyncio.run(visits()))) == 3


@pytest.mark.parametrize("fate", ["died", "ended in order", "gone"])
def test_one_that_died_is_ended_and_the_next_is_given(manager, fate):
    async def visits() -> None:
        first, second = await filled(manager)
        if fate == "died":
            manager.kernels[first].provisioner.process.ended = True
        elif fate == "ended in order":
            manager.kernels[first].provisioner.process = None
        else:
            del manager.kernels[first]
        assert manager.get_pool_size("book") == 1
        assert (await manager.get_rendered_notebook(notebook_name="book"))[2] == second
        await asyncio.gather(*BURIALS)
        assert manager.shut == ([] if fate == "gone" else [first])
        assert manager.get_pool_size("book") == 2, "the pool is filled again"

    asyncio.run(visits())


@pytest.mark.parametrize("first", ["a visitor comes", "a kernel ends"])
def test_one_that_could_not_be_started_is_given_to_nobody_and_keeps_no_other_from_its_end(manager, first):
    async def visits() -> None:
        there = await manager.start_kernel()
        manager.full = True
        manager.fill_if_needed(notebook_name="book")
        await asyncio.wait(manager._pools["book"])
        manager.full = False
        if first == "a kernel ends":
            await manager.shutdown_kernel(there, now=True)
            assert manager.shut == [there]
        assert manager.get_pool_size("book") == 2, "the pool is filled again"
        assert (await manager.get_rendered_notebook(notebook_name="book"))[2] in manager.kernels

    asyncio.run(visits())


def test_one_that_still_starts_waits_on(manager):
    async def visits() -> None:
        manager.fill_if_needed(0, "book")
        assert manager.get_pool_size("book") == 2

    asyncio.run(visits())


def test_without_a_pool_there_is_none():
    class Plain(Voilas):
        def get_pool_size(self, notebook: str) -> int:
            return 0

    plain = with_care(Plain)()
    del plain._pools
    assert plain.get_pool_size("book") == 0
