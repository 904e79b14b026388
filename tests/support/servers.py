"""Real Jupyter and Voila servers for the browser tests: started in a home of their own, waited for, stopped whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

import prunelab
from prunelab.serve import voila

CHECKOUT = Path(prunelab.__file__).parents[1]


@dataclass(frozen=True)
class Server:
    """A running server. url: ends with a slash. log: everything it and its kernels wrote so far.

    probe: an address below ``url`` that answers as soon as the server does.
    """

    url: str
    log_file: Path
    process: subprocess.Popen[bytes]
    probe: str

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")


def home_environment(home: Path) -> dict[str, str]:
    """An environment in which nothing of the user's Jupyter settings, extensions or kernels is seen."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON", "VOILA"))}
    for name, folder in {
        "HOME": home,
        "XDG_CACHE_HOME": home / "cache",
        "XDG_CONFIG_HOME": home / "config",
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "jupyter-config",
        "JUPYTER_DATA_DIR": home / "jupyter-data",
        "JUPYTER_RUNTIME_DIR": home / "jupyter-runtime",
    }.items():
        folder.mkdir(parents=True, exist_ok=True)
        env[name] = str(folder)
    # matplotlib would scan the fonts anew in every home.
    env.setdefault("MPLCONFIGDIR", str(Path(os.environ.get("TMPDIR", "/tmp")) / "prunelab-matplotlib"))
    # Kernels start in the notebook's folder, where an uninstalled checkout is not found.
    env["PYTHONPATH"] = os.pathsep.join(part for part in (str(CHECKOUT), env.get("PYTHONPATH", "")) if part)
    return voila.environment(env)


def start_voila(
    notebook: Path, home: Path, *, preheat: bool = True, base_url: str = "/", extra: Sequence[str] = (), **options: Any
) -> Server:
    """options: of ``voila_argv``. extra: more arguments of Voila's own."""
    port = voila.free_port(0)
    argv = [*voila.voila_argv(notebook, port, preheat=preheat, base_url=base_url, **options), *extra]
    # Not the page itself: asking for it would use up the preheated kernel.
    return start(argv, home, port, "voila/static/voila.js", base_url)


def start_jupyterlab(folder: Path, home: Path) -> Server:
    port = voila.free_port(0)
    settings = home / "jupyter-config" / "lab" / "user-settings" / "@jupyterlab"
    news = settings / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    argv = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        f"--ServerApp.ip={voila.HOST}",
        f"--ServerApp.port={port}",
        f"--ServerApp.{voila.NO_DELAY}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        "--ServerApp.disable_check_xsrf=True",  # for end_sessions, which is no page
        "--LabApp.extension_manager=readonly",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    return start(argv, home, port, "api/status")


def start_jupyter_server(folder: Path, home: Path, base_url: str = "/") -> Server:
    """As hubs and Binder run Voila: an extension of Jupyter Server, beside ours, which installing prunelab enables."""
    port = voila.free_port(0)
    argv = [
        *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
        f"--ServerApp.ip={voila.HOST}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        f"--ServerApp.base_url={base_url}",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
    ]
    config = str(Path(prunelab.__file__).parent / "share" / "etc" / "jupyter")
    return start(argv, home, port, "api/status", base_url, JUPYTER_CONFIG_PATH=config)


def when(server: Server, told: Callable[[], bool], seconds: float = 120) -> bool:
    """Whether ``told`` becomes true while the server runs; it is asked ten times a second."""
    deadline = time.monotonic() + seconds
    while not told():
        try:
            server.process.wait(timeout=0.1)
            return told()
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                return False
    return True


def expect_preheated(server: Server, times: int = 1) -> None:
    """A kernel waits for its visitor, for the ``times``th time: who comes earlier is given a fresh one."""
    assert when(server, lambda: server.log.count("is filled with 1 kernel") >= times), server.log


def stop(server: Server) -> None:
    """Ends a server and all that it started. Kernels run in sessions of their own, so the group alone is not enough."""
    try:
        family = psutil.Process(server.process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    server.process.terminate()
    try:
        server.process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
    for process in psutil.wait_procs(family, timeout=3)[1]:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def restart(server: Server) -> Server:
    """Ends a server and starts the same again, at the same address and in the same home."""
    argv, home = server.process.args, server.log_file.parent
    assert isinstance(argv, list)
    stop(server)
    return start(argv, home, int(urlsplit(server.url).port or 0), server.probe)


def kernels(server: Server) -> list[psutil.Process]:
    """The processes that are kernels of this server; not what kernels start, which looks like them at first."""
    found: list[psutil.Process] = []
    for process in psutil.Process(server.process.pid).children(recursive=True):
        try:
            if "ipykernel_launcher" in " ".join(process.cmdline()) and process.parent() not in found:
                found.append(process)
        except psutil.NoSuchProcess:  # ended while we looked
            continue
    return found


def expect_no_kernels(server: Server, but: Container[psutil.Process] = (), seconds: float = 60) -> None:
    """The kernels of this server end by themselves, and soon: an AssertionError names those that do not.

    but: kernels that may go on.
    """
    ending = [kernel for kernel in kernels(server) if kernel not in but]
    left = psutil.wait_procs(ending, timeout=seconds)[1]
    # One that ended is there until its parent has noticed.
    assert all(p.status() == psutil.STATUS_ZOMBIE for p in left), f"kernels whose pages are gone go on: {left}"


def end_sessions(server: Server) -> None:
    """End all kernels of a JupyterLab, and let it forget which notebooks were open."""
    base = server.url + "api/sessions"
    for session in json.loads(_ask(base)):
        _ask(f"{base}/{session['id']}", "DELETE")
    workspaces = server.url + "lab/api/workspaces"
    for name in json.loads(_ask(workspaces))["workspaces"]["ids"]:
        _ask(f"{workspaces}/{name}", "DELETE")
    expect_no_kernels(server)


def start(
    argv: list[str], home: Path, port: int, probe: str, base_url: str = "/", host: str = voila.HOST, **environment: str
) -> Server:
    log_file = home / "server.log"
    env = home_environment(home) | environment
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            argv, env=env, cwd=home, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    server = Server(f"http://{host}:{port}{base_url}", log_file, process, probe)
    if not when(server, lambda: _answers(server.url + probe)):
        stop(server)
        raise RuntimeError(f"the server did not start: {' '.join(argv)}\n{server.log}")
    return server


def _ask(url: str, method: str = "GET") -> bytes:
    # Without a proxy, whatever the environment says: this is our own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, method=method), timeout=30) as answer:
        return bytes(answer.read())


def _answers(url: str) -> bool:
    try:
        _ask(url)
        return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
