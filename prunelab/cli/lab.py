"""``prunelab lab``: JupyterLab on the user's copy of the notebooks."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from prunelab import resources
from prunelab.cli import notebook_copies
from prunelab.cli.errors import BAD_INPUT, CommandError
from prunelab.errors import LessonError
from prunelab.serve import home, process, voila

QUIET = Path(resources.__file__).parent / "share" / "quiet"


def run(
    folder: Path,
    *,
    lesson: int | None = None,
    port: int,
    open_browser: bool,
    verbose: bool,
    say: Callable[[str], None],
) -> None:
    """Copy the notebooks and serve them until Ctrl-C or SIGTERM. say: prints what was copied, and the address.

    lesson: the number of the one to open; None: the dashboard. Raises CommandError if there is no such lesson.
    """
    if words := home.make_writable(os.environ):
        say(words)
    number = process.chosen_port(port)
    first_page(folder, lesson)  # a lesson that does not exist is refused before anything is copied
    copy(folder, say=say)
    opened = first_page(folder, lesson)
    # In the environment, not on the command line, which every user of the machine can read.
    token = secrets.token_hex(24)
    # A setting of ours beside the user's own: JupyterLab does not ask a newcomer whether he wants its news.
    settings = os.pathsep.join(filter(None, (str(QUIET), os.environ.get("JUPYTER_CONFIG_PATH"))))
    env = {**voila.environment(), "JUPYTER_TOKEN": token, "JUPYTER_CONFIG_PATH": settings}
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
        url=f"{base}lab/tree/{opened}?token={token}",
        probe=f"{base}api/status",
        open_browser=open_browser,
        say=say,
        verbose=verbose,
        folder=folder,
    )


def copy(folder: Path, *, say: Callable[[str], None]) -> None:
    """Copy the notebooks that ``folder`` lacks. say: prints what was copied. Raises CommandError if that fails."""
    try:
        copied = notebook_copies.copy_missing(resources.notebooks(), folder)
    except OSError as error:
        where = f"{error.filename}: " if error.filename not in (None, str(folder)) else ""
        raise CommandError(f"the notebooks can't be copied to {folder}: {where}{error.strerror or error}") from error
    names = ", ".join(path.name for path in copied.new)
    say(f"new in {folder}: {names}" if names else f"nothing new for {folder}")
    for words in copied.words:
        say(words)


def first_page(folder: Path, lesson: int | None) -> str:
    """What is opened, below ``folder``, as in an address. Raises CommandError if there is no such lesson."""
    if lesson is None:
        return "dashboard.ipynb"
    try:
        path = notebook_copies.lesson_path(lesson, resources.notebooks(), folder)
    except LessonError as error:
        raise CommandError(str(error), BAD_INPUT) from None
    return path.relative_to(folder).as_posix()


def _allow_root() -> list[str]:
    """The option without which JupyterLab refuses to run as root; in a container there is often no other user."""
    return ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
