"""How the dashboard is served: the command line and the environment of a Voila with prunelab's own page.

    subprocess.run(voila_argv(notebook, port=8866), env=environment())

The page (prunelab/share/jupyter/voila/templates/prunelab) asks nothing of any other server: no CDN, no fonts,
no MathJax from elsewhere. Beside it lies a kernel specification named python3, so that the kernel is the
interpreter that serves the page and not whatever another project once registered under that name in the
user's home.

Preheated kernels: Voila runs the notebook before anybody asks for it and hands each visitor a kernel that has
already run, then prepares the next one. So the query string (?recipe=...) cannot be in the kernel's
environment when it starts. A notebook calls ``prunelab.serve.visitor.query()`` after its slow cells: in a
preheated kernel that call waits, at that cell, until a visitor comes (Voila sends the request through a
websocket), and whatever stands behind it runs with the visitor already looking, so it had better be quick; in
a kernel that was started for the visitor, also under JupyterHub or Binder where there is no preheating, it
returns at once; outside of Voila there is none. Things to know:

- The kernel connects to the port in VOILA_APP_PORT, which is set before Voila has found its port. If that one
  is taken, Voila would move on to another and every preheated kernel would wait for the wrong server. Hence
  ``port_retries=0``: choose a free port (``free_port``), and a port in use is an error.
- The websocket honours proxy settings, so this machine has to be excepted from them (``environment``).
- Two keys in the address belong to Voila: ``theme`` and ``template``. ``?theme=dark`` costs a fresh kernel,
  ``?theme=light`` does not; without either, the page follows the browser's setting.
- One visitor empties a pool of one. Who comes before it is full again gets a fresh kernel, some seconds slower.
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


def voila_argv(
    notebook: Path,
    port: int,
    *,
    open_browser: bool = False,
    preheat: bool = True,
    pool_size: int = 1,
    show_tracebacks: bool = True,
    base_url: str = "/",
) -> list[str]:
    """The command that serves one notebook (or a folder of them) on this machine only, at ``http://127.0.0.1:<port>/``.

    preheat: keep ``pool_size`` kernels that have already run the notebook (each holds its memory).
    show_tracebacks: when a cell fails, say why on the page; without, the page only says that it failed.
    """
    return [
        sys.executable,
        "-m",
        "prunelab.serve.voila_app",
        str(notebook),
        f"--template={TEMPLATE}",
        f"--Voila.ip={HOST}",
        f"--port={port}",
        f"--Voila.{NO_DELAY}",
        "--Voila.port_retries=0",
        f"--base_url={base_url}",
        *([] if open_browser else ["--no-browser"]),
        f"--preheat_kernel={preheat}",
        f"--pool_size={pool_size}",
        f"--show_tracebacks={show_tracebacks}",
        "--strip_sources=True",
        # plotly's own extension for JupyterLab: 4.8 MB that our plots have no use for.
        "--VoilaConfiguration.extension_denylist=['jupyterlab-plotly']",
    ]


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """``base`` (default: this process's environment) with what Voila needs to find the page, the kernel and itself."""
    env = dict(os.environ if base is None else base)
    env["JUPYTER_PATH"] = _joined(os.pathsep, str(SHARE), env.get("JUPYTER_PATH", ""))
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = _joined(",", f"{HOST},localhost", env.get(name, ""))
    return env


def free_port(preferred: int = 8866) -> int:
    """``preferred`` if nothing listens there, else one that the system gives out; it stays free by luck only."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            # As tornado does: a port that an ended server left in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no free port on {HOST}")


def _joined(separator: str, first: str, rest: str) -> str:
    return f"{first}{separator}{rest}" if rest else first
