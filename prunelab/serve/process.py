"""Runs a Jupyter server as a child process: start, wait until it answers, and end it with all its kernels."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path

from prunelab.errors import PortInUseError, ServeError
from prunelab.serve import voila
from prunelab.stop_signals import stop_signals

START_TIMEOUT = 120.0  # seconds; with a cold disk on a busy machine the start takes 30
STOP_TIMEOUT = 15.0  # seconds for the server and its kernels to end before the server is killed
PR_SET_PDEATHSIG = 1  # of Linux: which signal a process is sent when its parent ends
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def chosen_port(port: int) -> int:
    """``port`` if it is free; for 0 any free one. Raises PortInUseError if it is in use."""
    free = voila.free_port(port)
    if port not in (0, free):
        raise PortInUseError(f"port {port} is in use: choose another with --port N, or --port 0 for any free one")
    return free


def serve_until_stopped(
    argv: list[str],
    env: Mapping[str, str],
    *,
    url: str,
    probe: str,
    open_browser: bool,
    say: Callable[[str], None],
    verbose: bool = False,
    folder: Path | None = None,
) -> None:
    """Run a server until Ctrl-C, SIGTERM, the end of the terminal or its own end.

    On Linux it ends with this process, however that ends. argv, env: command line and environment. url: the page to
    announce and open. probe: an address that answers, with any status, as soon as the server is up. say: called with
    ``url`` once it can be opened. verbose: let the server and its kernels write to the terminal. folder: working
    directory of the server; None: the current one. Raises ServeError, with the server's last line of output, if it ends
    by itself.
    """
    with tempfile.TemporaryFile() as log:
        # In a new process session: Ctrl-C in the terminal reaches only this process, which ends the server in order.
        process = subprocess.Popen(
            argv,
            env=dict(env),
            cwd=folder,
            start_new_session=True,
            preexec_fn=_end_with_parent if LIBC is not None else None,
            # Jupyter prints warnings that users cannot act on, and kernels print tracebacks when they are ended.
            stdout=None if verbose else log,
            stderr=None if verbose else subprocess.STDOUT,
        )
        ended = _stay(process, url, probe, say, open_browser=open_browser)
        if ended:
            log.seek(0)
            words = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
            last = f": {words[-1].strip()}" if words else "; --verbose shows what it says"
            raise ServeError(f"the server ended by itself with exit code {process.returncode}{last}")


def _end_with_parent() -> None:
    """In the server, before it is one: be asked to end when the process that started it is gone."""
    assert LIBC is not None
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _stay(
    process: subprocess.Popen[bytes], url: str, probe: str, say: Callable[[str], None], *, open_browser: bool
) -> bool:
    """Wait for a server, announce it, and end it on a signal. Returns whether it ended without a signal."""
    stop_requests: list[float] = []  # times of the signals

    def end(_: int) -> None:
        if stop_requests:  # the second one kills at once
            process.kill()
        stop_requests.append(time.monotonic())
        process.terminate()

    with stop_signals(end):
        try:
            if _wait_for(probe, process, stop_requests):
                say(url)
                if open_browser:
                    webbrowser.open(url)
            while process.poll() is None:
                if stop_requests and time.monotonic() - stop_requests[0] > STOP_TIMEOUT:
                    process.kill()
                try:
                    process.wait(timeout=0.5)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    return not stop_requests


def _wait_for(address: str, process: subprocess.Popen[bytes], stop_requests: list[float]) -> bool:
    """Whether the server answered before it ended or a stop was requested. ServeError after START_TIMEOUT."""
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and not stop_requests:
        if answers(address):
            return True
        if time.monotonic() > deadline:
            raise ServeError(f"the server did not answer within {START_TIMEOUT:.0f} seconds: {address}")
        time.sleep(0.1)
    return False


def answers(address: str) -> bool:
    """Whether a server on this machine answers, with any status."""
    # Without the proxy that the environment may name: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
