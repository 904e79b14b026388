"""Serving the dashboard: the command line and the environment of a Voila server with prunelab's page template.

    subprocess.run(voila_argv(notebook, port=8866), env=environment())

The page (prunelab/share/jupyter/voila/templates/prunelab) loads nothing from other servers: no CDN, no fonts, no
MathJax. Beside it is a kernel specification named python3, so that the kernel runs on the interpreter that serves the
page, and not on one that another project registered under that name in the user's home.

Preheated kernels: Voila runs the notebook before a visitor comes, gives each visitor a kernel that has already run,
then prepares the next one. So the query string (?recipe=...) cannot be in the kernel's environment when it starts. A
notebook calls ``prunelab.serve.visitor.query()`` after its slow cells. In a preheated kernel this call blocks until a
visitor comes (Voila sends the request through a websocket); the code after it runs while the visitor waits, so it
should be fast. In a kernel that was started for the visitor (also under JupyterHub or Binder, which do not preheat) it
returns at once, and outside of Voila it returns "". Details:

- The kernel connects to the port in VOILA_APP_PORT, which is set before Voila has found its port. If that port were in
  use, Voila would take another one, and every preheated kernel would wait for the wrong server. Hence
  ``port_retries=0``: choose a free port (``free_port``); a port in use is an error.
- The websocket honours proxy settings, so this machine must be excluded from them (``environment``).
- A key in the address belongs to Voila: ``theme``. ``?theme=dark`` costs a fresh kernel, ``?theme=light`` does not;
  without it, the page follows the browser's setting. Voila's other key, ``template``, says nothing here: one that does
  not exist left a blank page that loaded for ever.
- One visitor empties a pool of one. A visitor who comes before it is full again gets a fresh kernel, which takes some
  seconds longer.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

SHARE = Path(__file__).parents[1] / "share" / "jupyter"
TEMPLATE = "prunelab"
NO_DELAY = (
    "kernel_websocket_connection_class=prunelab.serve.websocket.NoDelayConnection"  # a setting of Voila and Jupyter
)
HOST = "127.0.0.1"
PROVISIONER = "prunelab-fork"  # what starts kernels (``fork_provisioner.py``), by its name in pyproject.toml
CAN_FORK = sys.platform == "linux"
CULL_AFTER, CULL_EVERY = 300, 30  # seconds that a kernel without a page may be idle, and between two looks for such


def voila_argv(
    notebook: Path,
    port: int,
    *,
    open_browser: bool = False,
    preheat: bool = True,
    pool_size: int = 1,
    show_tracebacks: bool = True,
    ip: str = HOST,
    base_url: str = "/",
    cull: tuple[int, int] = (CULL_AFTER, CULL_EVERY),
) -> list[str]:
    """The command that serves a notebook (or a folder of them), by default on this machine only.

    preheat: keep ``pool_size`` kernels ready that have already run the notebook; each takes memory. show_tracebacks:
    show the traceback of a failed cell on the page, not only that it failed. cull: seconds that a kernel without a page
    may be idle before it is ended, and seconds between two looks for such kernels.
    """
    return [
        sys.executable,
        "-m",
        "prunelab.serve.voila_app",
        str(notebook),
        f"--template={TEMPLATE}",
        "--VoilaConfiguration.allow_template_override=NO",
        f"--Voila.ip={ip}",
        f"--port={port}",
        f"--Voila.{NO_DELAY}",
        "--Voila.port_retries=0",
        f"--base_url={base_url}",
        *([] if open_browser else ["--no-browser"]),
        f"--preheat_kernel={preheat}",
        f"--pool_size={pool_size}",
        f"--show_tracebacks={show_tracebacks}",
        "--strip_sources=True",
        # A page that vanished without a farewell leaves its kernel behind, which nobody is connected to any more. (One
        # that trains pauses by itself when no page shows it.) Kernels that wait for a visitor are not culled.
        f"--MappingKernelManager.cull_idle_timeout={cull[0]}",
        f"--MappingKernelManager.cull_interval={cull[1]}",
        # Jupyter would start one that died again, without its notebook: a kernel that costs memory and answers nobody,
        # and Voila, where it waits for a cell's end, would take it for the one that died.
        "--KernelRestarter.restart_limit=0",
        *([f"--KernelProvisionerFactory.default_provisioner_name={PROVISIONER}"] if CAN_FORK else []),
    ]


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """``base`` (default: this process's environment) with what Voila needs to find the page, the kernel and itself."""
    env = dict(os.environ if base is None else base)
    env["JUPYTER_PATH"] = _joined(os.pathsep, str(SHARE), env.get("JUPYTER_PATH", ""))
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = _joined(",", f"{HOST},localhost", env.get(name, ""))
    return env


def free_port(preferred: int = 8866) -> int:
    """``preferred`` if it is free, else one chosen by the system. It is not reserved: another process may take it."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            # As in tornado: a port that an ended server left in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no free port on {HOST}")


def _joined(separator: str, first: str, rest: str) -> str:
    return f"{first}{separator}{rest}" if rest else first
