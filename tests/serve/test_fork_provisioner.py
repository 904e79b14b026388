"""Real kernels, forked from one loaded process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from traitlets.config import Config, Configurable

from prunelab.errors import ServeError
from prunelab.serve import voila
from prunelab.serve.fork_provisioner import SERVER, ForkedProcess, ForkProvisioner, KernelServer

RANDOM = "import random, numpy, torch; print(random.random(), numpy.random.rand(), torch.rand(1).item())"
Kernel = tuple[AsyncKernelManager, AsyncKernelClient]


@pytest.fixture(autouse=True, scope="module")
def nothing_is_left() -> Iterator[None]:
    yield
    SERVER.end()


@asynccontextmanager
async def forked(**options: Any) -> AsyncIterator[Kernel]:
    settings = Config()
    settings.KernelProvisionerFactory.default_provisioner_name = voila.PROVISIONER
    manager = AsyncKernelManager(kernel_name="python3", parent=Configurable(config=settings))
    await manager.start_kernel(**options)
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        yield manager, client
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def said(client: AsyncKernelClient, code: str) -> str:
    """What a cell prints."""
    texts = []

    def hear(message: dict[str, Any]) -> None:
        texts.append(message["content"].get("text", ""))

    await client.execute_interactive(code, output_hook=hear, timeout=60)
    return "".join(texts)


def process(manager: AsyncKernelManager) -> psutil.Process:
    assert isinstance(manager.provisioner, ForkProvisioner)
    return psutil.Process(manager.provisioner.pid)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_jupyter_finds_it_by_the_name_that_servers_ask_for() -> None:
    (entry,) = entry_points(group="jupyter_client.kernel_provisioners", name=voila.PROVISIONER)
    assert entry.load() is ForkProvisioner
    assert voila.PROVISIONER in " ".join(voila.voila_argv(Path("lab.ipynb"), 1))


def test_kernels_share_a_parent_and_nothing_else(tmp_path: Path) -> None:
    async def test() -> None:
        environment = {**os.environ, "WHOSE": "the first's"}
        async with forked(env=environment, cwd=str(tmp_path)) as (first, one), forked() as (second, other):
            assert process(first).pid != process(second).pid
            assert process(first).ppid() == process(second).ppid() != os.getpid()
            assert "ipykernel_launcher" in " ".join(process(first).cmdline())
            assert first.connection_file in " ".join(process(first).cmdline())
            where = "import os; print(os.environ.get('WHOSE'), os.getcwd())"
            assert await said(one, where) == f"the first's {tmp_path}\n"
            assert await said(other, where) == f"None {os.getcwd()}\n"
            # Each draws numbers of its own, as processes do that were not forked.
            for a, b in zip((await said(one, RANDOM)).split(), (await said(other, RANDOM)).split(), strict=True):
                assert a != b
            assert await said(one, "import sys; print('prunelab.lab.app' in sys.modules)") == "True\n"

    run(test)


def test_a_kernel_computes_on_several_threads() -> None:
    async def test() -> None:
        async with forked() as (_, client):
            code = "import torch; torch.set_num_threads(2); x = torch.ones(600, 600); print((x @ x).sum().item())"
            assert await said(client, code) == f"{600.0**3}\n"

    run(test)


def test_a_kernel_is_interrupted_ended_and_its_farewell_is_run(tmp_path: Path) -> None:
    async def test() -> None:
        async with forked(cwd=str(tmp_path)) as (manager, client):
            client.execute("print('begun', flush=True)\nwhile True: pass", stop_on_error=False)
            while (message := await client.get_iopub_msg(timeout=60))["msg_type"] != "stream":
                pass
            await manager.interrupt_kernel()
            while (message := await client.get_iopub_msg(timeout=60))["msg_type"] != "error":
                pass
            assert message["content"]["ename"] == "KeyboardInterrupt"
            await said(client, "import atexit, pathlib; atexit.register(pathlib.Path('farewell').touch)")
            assert await manager.is_alive()
            await manager.shutdown_kernel()
            assert not await manager.is_alive()
            assert (tmp_path / "farewell").exists()

    run(test)


def test_the_death_of_a_kernel_is_noticed() -> None:
    async def test() -> None:
        async with forked() as (manager, _):
            kernel = process(manager)
            kernel.kill()
            psutil.wait_procs([kernel], timeout=60)
            assert not await manager.is_alive()

    run(test)


def test_without_their_parent_kernels_end_and_the_next_has_a_new_one() -> None:
    async def test() -> None:
        async with forked() as (manager, _):
            kernel, parent = process(manager), process(manager).parent()
            assert parent is not None
            parent.kill()
            assert not psutil.wait_procs([kernel], timeout=60)[1]
            async with forked() as (other, client):
                assert process(other).ppid() != parent.pid
                assert await said(client, "print(1 + 1)") == "2\n"

    run(test)


# Read by each Python that starts with its folder in PYTHONPATH.
NO_FORK = """
import errno, os
fork = os.fork
def refused():
    if os.path.exists(os.environ["REFUSED"]):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    return fork()
os.fork = refused
"""


def test_a_kernel_for_which_there_is_no_memory_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_FORK)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("REFUSED", str(tmp_path / "refused"))
    server, environment = KernelServer(), dict(os.environ)
    try:
        kernel = server.fork(["-f", str(tmp_path / "one.json")], environment, str(tmp_path))
        (tmp_path / "refused").touch()
        for _ in range(2):
            with pytest.raises(ServeError, match="Cannot allocate memory"):
                server.fork([], environment, None)
        (tmp_path / "refused").unlink()
        other = server.fork(["-f", str(tmp_path / "other.json")], environment, str(tmp_path))
        assert psutil.Process(kernel.pid).ppid() == psutil.Process(other.pid).ppid()
        assert kernel.poll() is None
    finally:
        server.end()


def test_it_ends_with_its_kernels_and_starts_again_when_it_is_asked_for() -> None:
    async def test() -> None:
        async with forked() as (manager, _):
            kernel, parent = process(manager), process(manager).parent()
            assert parent is not None
            SERVER.end()
            assert not parent.is_running()
            assert not psutil.wait_procs([kernel], timeout=60)[1]
            SERVER.end()  # nothing is there to be ended
            async with forked() as (other, client):
                assert process(other).ppid() != parent.pid
                assert await said(client, "print(1 + 1)") == "2\n"

    run(test)


def test_another_command_is_started_as_ever(tmp_path: Path) -> None:
    async def test() -> None:
        provisioner = ForkProvisioner()
        await provisioner.launch_kernel([sys.executable, "-c", "import time; time.sleep(600)"], env=dict(os.environ))
        assert isinstance(provisioner.process, subprocess.Popen)
        await provisioner.kill()
        assert await provisioner.wait() == -signal.SIGKILL

    run(test)


def test_a_process_that_has_ended_is_told_from_one_that_runs() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        seen = ForkedProcess(child.pid)
        assert seen.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            seen.wait(timeout=0)
        seen.terminate()
        assert seen.wait(timeout=60) == 0
        assert seen.poll() == 0
        assert child.wait() == -signal.SIGTERM
    gone = ForkedProcess(child.pid)
    assert gone.poll() == 0
    gone.send_signal(signal.SIGKILL)  # nobody is hit


def test_a_page_may_ask_for_all_widgets_at_once():
    async def asked() -> dict[str, Any]:
        async with forked() as (_, client):
            await said(client, "import ipywidgets; slider = ipywidgets.IntSlider(7)")
            opening = {"comm_id": "control", "target_name": "jupyter.widget.control", "data": {}}
            message = client.session.msg("comm_open", opening, metadata={"version": "1.0.0"})
            client.shell_channel.send(message)
            wish = {"comm_id": "control", "data": {"method": "request_states"}}
            client.shell_channel.send(client.session.msg("comm_msg", wish))
            while True:
                heard = await client.get_iopub_msg(timeout=60)
                if heard["content"].get("comm_id") == "control":
                    return dict(heard["content"]["data"])

    states = asyncio.run(asked())
    assert states["method"] == "update_states"
    assert 7 in [model["state"].get("value") for model in states["states"].values()]
