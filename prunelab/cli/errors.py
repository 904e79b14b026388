"""Commands: what each command of ``prunelab`` does; how it is called stands in ``prunelab/cli.py``.

One module a command, imported when that command runs, so that ``prunelab --help`` stays fast.
"""

from __future__ import annotations

BAD_INPUT = 2
FAILED = 1
SIGNALLED = 128  # plus the signal's number, as shells have it


class CommandError(Exception):
    """Ends a command: one line for the user, and the exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
