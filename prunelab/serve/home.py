"""Where the user's home cannot be written (a school's container): a folder for temporary files takes its place.

Jupyter, IPython, matplotlib and prunelab all write below HOME, and the first of them to try would end the start.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from prunelab.errors import ServeError


def make_writable(env: MutableMapping[str, str], temporary: Path | None = None) -> str:
    """Set HOME in ``env`` to a folder that can be written, if the one it names cannot.

    temporary: the folder in which that one is made; by default the system's for temporary files. Returns a word for the
    user, "" if all was well. Raises ServeError if there is no such place, or if somebody else has taken it.
    """
    home = _home(env)
    if home is not None and os.access(home, os.W_OK | os.X_OK):
        return ""
    lacking = "this user has no home" if home is None else f"{home} cannot be written"
    # The same one each time, so that what was saved is found again; nobody else may look into it.
    folder = (Path(tempfile.gettempdir()) if temporary is None else temporary) / f"prunelab-home-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            raise ServeError(f"{lacking}, and {folder} belongs to somebody else; set HOME to a folder")
        folder.chmod(0o700)
    except OSError as error:
        words = f"{lacking}, and {folder} cannot be used: {error.strerror or error}; set HOME to a folder"
        raise ServeError(words) from error
    env["HOME"] = str(folder)
    return f"{lacking}: what is saved lies in {folder}, for as long as temporary files last."


def _home(env: Mapping[str, str]) -> Path | None:
    """The home that ``env`` names, else that of the user; None for one whom the system does not know."""
    try:
        return Path(env.get("HOME") or Path.home())
    except RuntimeError:
        return None
