"""Servers for the browser's measurements: Voila as the dashboard is served, and its kernels, to be weighed."""

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

PATIENCE = 120.0  # seconds to start, and to come to rest
QUIET = 0.1  # share of one core below which a server and its kernels are at rest

# The least that a slider can be: it changes a label. The yardstick for ours, served in the same way.
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
    """A running Voila. url: ends with a slash."""

    url: str
    process: psutil.Popen

    def kernels(self) -> list[psutil.Process]:
        """The kernels that it keeps, waiting ones too."""
        return [child for child in self.process.children(recursive=True) if _is_kernel(child)]

    def kernel(self, identity: str) -> psutil.Process:
        """The kernel with this id, as it stands in the address of a page's websocket."""
        for child in self.kernels():
            if any(f"kernel-{identity}" in part for part in child.cmdline()):
                return child
        raise RuntimeError(f"Voila keeps no kernel {identity}")

    def rest(self) -> None:
        """Wait until a kernel is there and nothing computes any more: the next visitor finds it preheated."""
        deadline = time.monotonic() + PATIENCE
        calm = 0
        while calm < 2:
            family = [self.process, *self.kernels()]
            before = _cpu(family)
            time.sleep(0.7)
            calm = calm + 1 if len(family) > 1 and _cpu(family) - before < QUIET * 0.7 else 0
            if time.monotonic() > deadline:
                raise RuntimeError(f"Voila did not come to rest within {PATIENCE:.0f} seconds")


@contextmanager
def voila(notebook: Path, home: Path) -> Iterator[Server]:
    """A Voila with one preheated kernel, without the user's settings; ended with its kernels."""
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
            deadline = time.monotonic() + PATIENCE
            while not answers(f"{url}voila/static/voila.js"):
                if process.poll() is not None or time.monotonic() > deadline:
                    words = log_file.read_text(errors="replace")
                    raise RuntimeError(f"Voila did not start; its last words: {words[-500:]}")
                time.sleep(0.1)
            yield Server(url, process)
        finally:
            _end(process)


def notebook(folder: Path, source: str) -> Path:
    """Write a notebook with one cell."""
    code: dict[str, object] = {"execution_count": None, "outputs": [], "source": source}
    cell: dict[str, object] = {"cell_type": "code", "id": "cell", "metadata": {}, **code}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "page.ipynb"
    path.write_text(json.dumps(book))
    return path


def memory(process: psutil.Process) -> tuple[float, float]:
    """(resident, own) megabytes of a process: kernels share the pages of torch's libraries, own leaves those out."""
    sizes = process.memory_full_info()
    return sizes.rss / 1e6, sizes.uss / 1e6


def _is_kernel(process: psutil.Process) -> bool:
    try:
        return any("ipykernel" in part for part in process.cmdline())
    except psutil.NoSuchProcess:
        return False


def _cpu(family: list[psutil.Process]) -> float:
    """Seconds of processor time that these have used so far."""
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
