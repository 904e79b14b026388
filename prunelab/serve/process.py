"""Start a Jupyter server as a child, wait until it answers, stay with it, and end it whole."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
import urllib.request
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from prunelab.errors import PortInUseError, ServeError
from prunelab.serve import voila

PATIENCE = 120.0  # seconds to start; a cold disk on a busy machine takes 30
GRACE = 15.0  # seconds to end, kernels included, before it is killed


def chosen_port(port: int) -> int:
    """``port`` if it is free, any free one for 0. PortInUseError if something else uses it."""
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
    """Run a server until Ctrl-C, SIGTERM or its own end.

    probe: an address that answers, with whatever status, as soon as the server is up. say: told the address once it
    can be opened. verbose: let the server and its kernels write to the terminal. folder: where the server runs; None:
    here. Raises ServeError, with the server's last words, when it ends by itself.
    """
    with tempfile.TemporaryFile() as log:
        # In a session of its own: Ctrl-C in the terminal reaches only us, and the server is ended once, in order.
        process = subprocess.Popen(
            argv,
            env=dict(env),
            cwd=folder,
            start_new_session=True,
            # Jupyter warns of much that its user can do nothing about, and kernels that are ended leave tracebacks.
            stdout=None if verbose else log,
            stderr=None if verbose else subprocess.STDOUT,
        )
        ended = _stay(process, url, probe, say, open_browser=open_browser)
        if ended:
            log.seek(0)
            words = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
            last = f": {words[-1].strip()}" if words else "; --verbose shows what it says"
            raise ServeError(f"the server ended by itself with exit code {process.returncode}{last}")


def _stay(
    process: subprocess.Popen[bytes], url: str, probe: str, say: Callable[[str], None], *, open_browser: bool
) -> bool:
    """Wait for a server, say where it is, and end it when asked to. Returns whether it ended without being asked."""
    asked: list[float] = []

    def end(number: int, frame: FrameType | None) -> None:
        if asked:  # asked twice: at once
            process.kill()
        asked.append(time.monotonic())
        process.terminate()

    before: dict[int, Any] = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if _wait_for(probe, process, asked):
            say(url)
            if open_browser:
                webbrowser.open(url)
        while process.poll() is None:
            if asked and time.monotonic() - asked[0] > GRACE:
                process.kill()
            try:
                process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                continue
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)
    return not asked


def _wait_for(address: str, process: subprocess.Popen[bytes], asked: list[float]) -> bool:
    """Whether the server answered before it ended or was asked to. ServeError if it takes too long."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and not asked:
        if answers(address):
            return True
        if time.monotonic() > deadline:
            raise ServeError(f"the server did not answer within {PATIENCE:.0f} seconds: {address}")
        time.sleep(0.1)
    return False


def answers(address: str) -> bool:
    """Whether a server on this machine answers, with any status."""
    # Without a proxy, whatever the environment says: this is our own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
