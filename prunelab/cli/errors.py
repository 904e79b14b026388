"""Exit codes, and the error that ends a command."""

from __future__ import annotations

from prunelab.errors import PrunelabError

BAD_INPUT = 2
FAILED = 1
SIGNALLED = 128  # plus the signal's number, as in shells


class CommandError(PrunelabError):
    """Ends a command. message: one line for the user. code: the exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
