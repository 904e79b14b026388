"""A server that is started as a child ends with whoever started it: by a signal, with its terminal, or by force."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from prunelab.serve import voila
from support.terminals import heeds_its_terminal

SERVE = """
import os, sys
from prunelab.serve.process import serve_until_stopped
port = sys.argv[1]
argv = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", port]
address = f"http://127.0.0.1:{port}/"
say = lambda url: print("up", flush=True)
serve_until_stopped(argv, os.environ, url=address, probe=address, open_browser=False, say=say)
"""


@pytest.fixture
def started(request) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """Who started a server, and the server. ``request.param``: what stands before the command."""
    argv = [*getattr(request, "param", []), sys.executable, "-c", SERVE, str(voila.free_port(0))]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, preexec_fn=heeds_its_terminal
    ) as starter:
        assert starter.stdout is not None and "up" in starter.stdout.readline()
        (server,) = psutil.Process(starter.pid).children()
        yield starter, server
        starter.kill()
        if server.is_running():
            server.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_server_and_then_its_starter(started, number):
    starter, server = started
    os.kill(starter.pid, number)
    assert starter.wait(timeout=30) == 0
    assert not server.is_running()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process is not told that its parent is gone")
def test_a_starter_that_is_killed_takes_the_server_along(started):
    starter, server = started
    starter.kill()
    assert not psutil.wait_procs([server], timeout=30)[1]


@pytest.mark.parametrize("started", [["nohup"]], indirect=True)
def test_with_nohup_the_server_goes_on_without_its_terminal(started):
    starter, server = started
    os.kill(starter.pid, signal.SIGHUP)
    time.sleep(1)
    assert starter.poll() is None and server.is_running()
