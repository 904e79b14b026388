"""How a server of pages starts its kernels: forked from a process that has loaded all (``lab/kernel_server.py``).

Jupyter finds the provisioner by its name, through the entry point that pyproject.toml declares; ``voila_argv`` chooses
it where the system can fork. Kernels of another interpreter or language start as everywhere.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from prunelab.errors import ServeError

LAUNCHER = ["-m", "ipykernel_launcher"]


class ForkedProcess:
    """A process that is not our child, as much like ``subprocess.Popen`` as Jupyter needs."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        """pid: its number."""
        self.pid = pid
        try:
            self._descriptor: int | None = os.pidfd_open(pid)
        except ProcessLookupError:  # it has ended already
            self._descriptor = None

    def poll(self) -> int | None:
        """None while it runs, else 0: only its parent is told the status."""
        if self._descriptor is not None and select.select([self._descriptor], [], [], 0)[0]:
            os.close(self._descriptor)
            self._descriptor = None
        return 0 if self._descriptor is None else None

    def wait(self, timeout: float | None = None) -> int:
        """Until it has ended. Raises ``subprocess.TimeoutExpired`` after ``timeout`` seconds."""
        if self._descriptor is not None and not select.select([self._descriptor], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return self.poll() or 0

    def send_signal(self, signum: int) -> None:
        """Nothing happens if it has ended."""
        if self.poll() is None and self._descriptor is not None:
            signal.pidfd_send_signal(self._descriptor, signum)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class KernelServer:
    """The process that forks kernels: started when it is asked for, and again if it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._loaded = False

    def start(self) -> None:
        """Start it if it does not run, and return at once: it loads meanwhile."""
        with self._lock:
            self._start()

    def wait(self) -> None:
        """Until it has loaded everything, so that kernels start at once. Raises ServeError if it ends."""
        with self._lock:
            self._start()
            self._load()

    def fork(self, arguments: list[str], environment: dict[str, str], folder: str | None) -> ForkedProcess:
        """A new kernel. Raises ServeError if it cannot be started, or the process that forks cannot."""
        request = json.dumps({"arguments": arguments, "environment": environment, "folder": folder}).encode()
        with self._lock:
            self._start()
            connection = self._load()
            try:
                connection.send_bytes(request)
                answer = json.loads(connection.recv_bytes())
            except (EOFError, OSError) as error:
                raise ServeError("the process that starts kernels ended; the server's log says why") from error
        if "trouble" in answer:
            raise ServeError(f"no kernel could be started: {answer['trouble']}; end programs or labs, and try again")
        return ForkedProcess(answer["process"])

    def end(self) -> None:
        """End it, and with it its kernels. Returns once it has ended; whoever asks again starts another."""
        with self._lock:
            if self._process is not None and self._connection is not None:
                self._process.terminate()
                self._process.wait()
                self._connection.close()
                self._process = None

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._connection, theirs = multiprocessing.Pipe()
        self._loaded = False
        with theirs:
            argv = [sys.executable, "-P", "-m", "prunelab.lab.kernel_server", str(theirs.fileno())]
            # In a session of its own: Ctrl-C is for the server, which ends its kernels in order.
            self._process = subprocess.Popen(argv, pass_fds=[theirs.fileno()], start_new_session=True)

    def _load(self) -> Connection:
        assert self._connection is not None
        if not self._loaded:
            try:
                self._connection.recv_bytes()  # it says once that it has loaded
            except (EOFError, OSError) as error:
                raise ServeError("the process that starts kernels ended while it loaded; see the log") from error
            self._loaded = True
        return self._connection


SERVER = KernelServer()


class ForkProvisioner(LocalProvisioner):
    """Starts kernels of this interpreter by forking; all else is as in its base class."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """See the base class. cmd: the kernel's command line; kwargs: as of ``subprocess.Popen``, and Jupyter's own."""
        if cmd[:3] != [sys.executable, *LAUNCHER]:
            return await super().launch_kernel(cmd, **kwargs)
        environment = dict(kwargs.get("env") or os.environ)
        folder = kwargs.get("cwd")
        # Off the loop: the first may wait until everything is loaded.
        kernel = await asyncio.to_thread(SERVER.fork, cmd[3:], environment, str(folder) if folder else None)
        self.process = kernel  # type: ignore[assignment]  # in the base class always a Popen
        self.pid = self.pgid = kernel.pid
        self.cwd = folder or Path.cwd()
        return self.connection_info
