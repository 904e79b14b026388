"""``prunelab run`` that is stopped has saved what it reached: by Ctrl-C, by a signal, or as its terminal is closed."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from contextlib import suppress

import pytest

import prunelab as pl
from support.terminals import heeds_its_terminal

ENDLESS = ("--model", "mlp-small", "--epochs", "10000")


@pytest.fixture
def trains(tmp_path):
    """(process, its terminal): a run that trains. The terminal is the file descriptor of its other end."""
    process, terminal = pty.fork()
    if process == 0:
        heeds_its_terminal()
        os.execv(sys.executable, [sys.executable, "-m", "prunelab.cli", "run", *ENDLESS, "--out", str(tmp_path)])
    written, end = b"", time.monotonic() + 120
    try:
        while b"accuracy " not in written:
            assert time.monotonic() < end, written
            if select.select([terminal], [], [], 1)[0]:
                written += os.read(terminal, 4096)
        yield process, terminal
    finally:
        with suppress(ChildProcessError):  # it has ended, as it should
            if os.waitpid(process, os.WNOHANG) == (0, 0):
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)


@pytest.mark.parametrize("manner", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, "the terminal is closed"])
def test_a_run_that_is_stopped_goes_on_where_it_was(trains, tmp_path, manner):
    process, terminal = trains
    if isinstance(manner, str):
        os.close(terminal)
    else:
        os.kill(process, manner)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) > 0
    session = pl.Session.load(tmp_path)
    assert session.phase == "training" and session.clock > 0
    if not isinstance(manner, str):
        os.close(terminal)
