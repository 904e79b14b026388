"""What a visitor of a hub costs: memory, processor time until the lab is there, training steps a second.

    python scripts/measure_visitor.py        # Linux, an installed prunelab; a minute

docs/deploy.md has the result. Processor time, not time on the clock, so that a busy machine measures the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import psutil
import torch

import prunelab as pl
from prunelab import resources
from prunelab.serve import voila

LINK = "data=digits&model=mlp-small"


def answered(url: str, seconds: float) -> None:
    """Ask until there is an answer, and read it to its end."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=seconds) as answer:
                answer.read()
                return
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def told(name: str, process: psutil.Process) -> None:
    memory, spent = process.memory_full_info(), process.cpu_times()
    own, part, whole = (number / 1e6 for number in (memory.uss, memory.pss, memory.rss))
    print(
        f"  {name}: {own:.0f} MB of its own, {part:.0f} with its part of what is shared, {whole:.0f} in all; ", end=""
    )
    print(f"{spent.user + spent.system:.1f} s of a core until now")


def served(name: str, argv: list[str], port: int, probe: str, page: str, pages: int) -> None:
    """A server before and after its first page, and its kernels with ``pages`` of them."""
    print(name)
    with (
        tempfile.TemporaryDirectory() as home,
        subprocess.Popen(
            argv,
            env={**voila.environment(), "HOME": home, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as server,
    ):
        whole = psutil.Process(server.pid)
        try:
            answered(f"http://{voila.HOST}:{port}/{probe}", 120)
            told("server", whole)
            for _ in range(pages):
                answered(f"http://{voila.HOST}:{port}/{page}?{LINK}", 120)
            told(f"server with {pages} pages", whole)
            for process in whole.children(recursive=True):
                told("lab" if "ipykernel_launcher" in " ".join(process.cmdline()) else "what labs share", process)
        finally:
            for process in [*whole.children(recursive=True), whole]:
                process.terminate()


def of_a_hub() -> None:
    """A server of a user's own, as a hub starts it."""
    port = voila.free_port(0)
    argv = [
        *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--ServerApp.port={port}"),
        *("--IdentityProvider.token=", f"--ServerApp.root_dir={resources.notebooks()}"),
    ]
    served("A hub's server for one", argv, port, "api", "voila/render/dashboard.ipynb", 1)


def of_a_workshop() -> None:
    """One server for all, whose labs are forked."""
    port = voila.free_port(0)
    argv = voila.voila_argv(resources.notebooks() / "dashboard.ipynb", port, preheat=False)
    served("A server for many", argv, port, "voila/static/voila.js", "", 3)


def trained(recipe: pl.Recipe) -> None:
    """Dense training as in a lab, with the snapshots that its pictures need."""
    torch.set_num_threads(1)
    process = psutil.Process()
    pl.Session(recipe.changed(epochs=1)).finish("train")  # what is loaded once
    before, began, session = process.memory_full_info().uss, time.process_time(), pl.Session(recipe)
    steps = session.finish("train").step
    spent, took = time.process_time() - began, process.memory_full_info().uss - before
    print(f"{recipe.model}: {steps / spent:.0f} steps a second of a core, {took / 1e6:+.0f} MB while it trains")


if __name__ == "__main__":
    of_a_hub()
    of_a_workshop()
    trained(pl.Recipe(data="digits", model="mlp-small"))
    if os.environ.get("PRUNELAB_DATA"):
        trained(pl.Recipe(data="mnist", model="lenet-300-100", epochs=1))
