"""``prunelab lab``: JupyterLab on the user's copy of the notebooks."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from prunelab import resources
from prunelab.cli.errors import CommandError
from prunelab.serve import process, voila

LEFT_OUT = {".ipynb_checkpoints", "__pycache__"}


def run(folder: Path, *, port: int, open_browser: bool, verbose: bool, say: Callable[[str], None]) -> None:
    """Copy the notebooks and serve them until Ctrl-C or SIGTERM. say: prints what was copied, and the address."""
    number = process.chosen_port(port)
    source = resources.notebooks()
    try:
        copied = copy_missing(source, folder)
    except OSError as error:
        raise CommandError(f"the notebooks can't be copied to {folder}: {error.strerror or error}") from error
    say(f"new in {folder}: {', '.join(path.name for path in copied)}" if copied else f"nothing new for {folder}")
    # In the environment, not on the command line, which every user of the machine can read.
    token = secrets.token_hex(24)
    env = {**voila.environment(), "JUPYTER_TOKEN": token}
    base = f"http://{voila.HOST}:{number}/"
    argv = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser"),
        f"--ServerApp.ip={voila.HOST}",
        f"--ServerApp.port={number}",
        f"--ServerApp.{voila.NO_DELAY}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder.absolute()}",
        "--Application.log_level=WARN",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        *_allow_root(),
    ]
    process.serve_until_stopped(
        argv,
        env,
        url=f"{base}lab/tree/dashboard.ipynb?token={token}",
        probe=f"{base}api/status",
        open_browser=open_browser,
        say=say,
        verbose=verbose,
        folder=folder,
    )


def copy_missing(source: Path, folder: Path) -> list[Path]:
    """Copy every file below ``source`` that ``folder`` lacks, and return these. Existing files are never changed."""
    new = []
    for path in sorted(source.rglob("*")):
        part = path.relative_to(source)
        if not path.is_file() or LEFT_OUT.intersection(part.parts):
            continue
        target = folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Mode "x": a file that another process creates at this moment is not overwritten either.
            with path.open("rb") as old, target.open("xb") as copy:
                shutil.copyfileobj(old, copy)
        except FileExistsError:
            continue
        new.append(target)
    return new


def _allow_root() -> list[str]:
    """The option without which JupyterLab refuses to run as root; in a container there is often no other user."""
    return ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
