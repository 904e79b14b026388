"""Voila's kernels: one that died while it waited, or never started, is given to nobody, and a server is told whose are
whose.

Voila keeps kernels in a pool that have run the notebook already. One that dies there (a machine short of memory ends it
first) stays in the pool: its visitor would get a page that has to be loaded again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import wraps
from typing import Any

import voila.app
from voila.voila_kernel_manager import voila_kernel_manager_factory

from prunelab.serve import free_memory

LATER = 10.0  # seconds after the last kernel's end in which its page's connections are closed and their buffers freed
BURIALS: set[asyncio.Future[None]] = set()  # under way: a loop alone does not keep its tasks


def with_care(base: type) -> type:
    """A subclass of Voila's class of kernel managers, that looks at waiting kernels before they are given away.

    Its ``given`` is called with the id of each kernel that is given to a visitor, in the visitor's own task.
    """

    class KernelManager(base):  # type: ignore[misc]  # Voila makes the class when its settings are known
        """Voila's kernel manager. given: see ``with_care``."""

        given: Callable[[str], None] = staticmethod(lambda kernel: None)
        _giving_back: asyncio.TimerHandle | None = None

        def get_pool_size(self, notebook: str) -> int:
            """How many kernels wait, without the dead: asked right before one is given away."""
            self._forget_unstarted()
            pool = getattr(self, "_pools", {}).get(notebook, [])
            for waiting in tuple(pool):
                if waiting.done() and self._is_dead(waiting.result()["kernel_id"]):
                    kernel = waiting.result()["kernel_id"]
                    self.log.warning("Kernel %s died before its visitor came", kernel)
                    pool.remove(waiting)
                    waiting.result()["task"].cancel()
                    burial = asyncio.ensure_future(self._bury(kernel, notebook))
                    BURIALS.add(burial)
                    burial.add_done_callback(BURIALS.discard)
            return int(super().get_pool_size(notebook))

        async def get_rendered_notebook(self, *args: Any, **options: Any) -> Any:
            """A kernel from the pool; see the base class."""
            answer = await super().get_rendered_notebook(*args, **options)
            self.given(answer[2])
            return answer

        async def start_kernel(self, **options: Any) -> str:
            """A kernel for a visitor who found none in the pool; see the base class."""
            if "env" in options:
                # By it the kernel finds its server. Voila takes the port of the visitor's address, which may be that
                # of a proxy, or of the machine around a container.
                options["env"]["VOILA_APP_PORT"] = str(self.parent.port)
            kernel = str(await super().start_kernel(**options))
            self.given(kernel)
            return kernel

        async def shutdown_kernel(self, *args: Any, **options: Any) -> None:
            """End a kernel; see the base class."""
            self._forget_unstarted()
            await super().shutdown_kernel(*args, **options)
            await asyncio.to_thread(free_memory.give_back)
            if self._giving_back is not None:
                self._giving_back.cancel()
            loop = asyncio.get_running_loop()
            self._giving_back = loop.call_later(LATER, loop.run_in_executor, None, free_memory.give_back_all)

        def _forget_unstarted(self) -> None:
            """Take those that could not be started out of the pools, and try again: a visitor would be given the error,
            and no other kernel could be ended, since Voila looks for it among those that wait.
            """
            for notebook, pool in tuple(getattr(self, "_pools", {}).items()):
                for waiting in tuple(pool):
                    if waiting.done() and (error := waiting.exception()):
                        self.log.warning("A kernel that was to wait for a visitor could not be started: %s", error)
                        pool.remove(waiting)
                        self.fill_if_needed(notebook_name=notebook)

        def _is_dead(self, kernel: str) -> bool:
            if kernel not in self:
                return True
            process = self.get_kernel(kernel).provisioner.process
            return process is None or process.poll() is not None

        async def _bury(self, kernel: str, notebook: str) -> None:
            if kernel in self:
                await self.shutdown_kernel(kernel, now=True)
            self.fill_if_needed(delay=0, notebook_name=notebook)

    return KernelManager


@wraps(voila_kernel_manager_factory)
def _factory(*args: Any, **options: Any) -> type:
    return with_care(voila_kernel_manager_factory(*args, **options))


def install() -> None:
    """Let Voila make its kernel manager by us: it has no setting for what wraps the class that a setting names."""
    voila.app.voila_kernel_manager_factory = _factory
