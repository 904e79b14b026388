"""Servers for the browser's measurements: Voila, configured as for the dashboard, and the memory of its kernels."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from prunelab.serve.process import answers
from prunelab.serve.visitor import LINK
from prunelab.serve.voila import HOST, environment, free_port, voila_argv

TIMEOUT = 120.0  # seconds to start, and to become idle
IDLE_LOAD = 0.1  # fraction of one core below which a server and its kernels count as idle

# The simplest slider, which changes a label: the reference for the lab's, served in the same way.
BARE = """
import ipywidgets
slider = ipywidgets.FloatSlider(value=1.5, min=0, max=3, step=0.05)
label = ipywidgets.Label("1.5")
label.add_class("bench-label")
slider.observe(lambda change: setattr(label, "value", repr(change.new)), "value")
bare = ipywidgets.HBox([slider, label])
bare.add_class("bench-bare")
"""
ALONE = BARE + "bare"
BESIDE = BARE + "import prunelab\nipywidgets.VBox([bare, prunelab.Lab.for_page()])"  # the same slider on the lab's page


@dataclass(frozen=True)
class Server:
    """A running Voila server. url: ends with a slash."""

    url: str
    process: psutil.Popen

    def kernels(self) -> list[psutil.Process]:
        """Its kernels, preheated ones included."""
        return [child for child in self.process.children(recursive=True) if _is_kernel(child)]

    def kernel(self, identity: str) -> psutil.Process:
        """The kernel with this id, which the address of a page's websocket contains. RuntimeError if there is none."""
        for child in self.kernels():
            if any(f"kernel-{identity}" in part for part in child.cmdline()):
                return child
        raise RuntimeError(f"Voila keeps no kernel {identity}")

    def rest(self) -> None:
        """Wait until there is an idle kernel, preheated for the next visitor. RuntimeError after TIMEOUT."""
        deadline = time.monotonic() + TIMEOUT
        idle_checks = 0
        while idle_checks < 2:
            family = [self.process, *self.kernels()]
            before = _cpu(family)
            time.sleep(0.7)
            idle_checks = idle_checks + 1 if len(family) > 1 and _cpu(family) - before < IDLE_LOAD * 0.7 else 0
            if time.monotonic() > deadline:
                raise RuntimeError(f"Voila did not come to rest within {TIMEOUT:.0f} seconds")


@contextmanager
def voila(notebook: Path, home: Path) -> Iterator[Server]:
    """A Voila server with one preheated kernel, without the user's settings; at the end it is stopped with its kernels.

    home: folder for its settings and log. Raises RuntimeError if it does not start.
    """
    port = free_port(0)
    env = {name: value for name, value in os.environ.items() if not name.startswith((LINK, "VOILA"))}
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        env[name] = str(home / name.lower())
    log_file = home / "voila.log"
    home.mkdir(parents=True, exist_ok=True)
    with log_file.open("wb") as log:
        process = psutil.Popen(voila_argv(notebook, port), env=environment(env), stdout=log, stderr=subprocess.STDOUT)
        url = f"http://{HOST}:{port}/"
        try:
            deadline = time.monotonic() + TIMEOUT
            while not answers(f"{url}voila/static/voila.js"):
                if process.poll() is not None or time.monotonic() > deadline:
                    words = log_file.read_text(errors="replace")
                    raise RuntimeError(f"Voila did not start; its last words: {words[-500:]}")
                time.sleep(0.1)
            yield Server(url, process)
        finally:
            _end(process)


def notebook(folder: Path, source: str) -> Path:
    """Write a notebook with one cell, and return its path."""
    code: dict[str, object] = {"execution_count": None, "outputs": [], "source": source}
    cell: dict[str, object] = {"cell_type": "code", "id": "cell", "metadata": {}, **code}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "page.ipynb"
    path.write_text(json.dumps(book))
    return path


def memory(process: psutil.Process) -> tuple[float, float]:
    """(resident, unique) megabytes of a process: unique excludes what kernels share, such as torch's libraries."""
    sizes = process.memory_full_info()
    return sizes.rss / 1e6, sizes.uss / 1e6


def _is_kernel(process: psutil.Process) -> bool:
    try:
        return any("ipykernel" in part for part in process.cmdline())
    except psutil.NoSuchProcess:
        return False


def _cpu(family: list[psutil.Process]) -> float:
    """Seconds of processor time that the processes have used so far."""
    total = 0.0
    for process in family:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def _end(process: psutil.Popen) -> None:
    try:
        family = process.children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.terminate()
    try:
        process.wait(timeout=15)
    except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
        process.kill()
        process.wait()
    for left in psutil.wait_procs(family, timeout=3)[1]:
        try:
            left.kill()
        except psutil.NoSuchProcess:
            continue
