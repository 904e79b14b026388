"""All errors and warnings of prunelab, with one base class each.

Messages say what went wrong (or was not found, or only guessed), the value, and what to do.
"""

from __future__ import annotations

import contextlib
import contextvars
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prunelab.results.sweep import Sweep


class PrunelabError(Exception):
    """Base of all errors that prunelab defines; most of them are ValueErrors too.

    Plain mistakes in arguments (a wrong type, a value out of range) raise Python's TypeError and ValueError.
    """


class RecipeError(PrunelabError, ValueError):
    """An invalid recipe; names the field, the value and what is allowed."""


class DataError(PrunelabError, RuntimeError):
    """Data that is not available; says what is missing or wrong, where, and what to do."""


class SessionError(PrunelabError, ValueError):
    """An impossible session, or a step that is not possible now; says what to do instead."""


class Diverged(SessionError):
    """The loss or a weight is NaN or infinite. The network has been restored to its last good state."""


class LimitError(PrunelabError, ValueError):
    """A run that asks for more than is allowed where many share a machine; names the field, the value and the limit."""


class WorkshopError(PrunelabError, ValueError):
    """A workshop that this machine has no room for; names what was asked for, what there is, and what to do."""


class StorageError(PrunelabError, RuntimeError):
    """A session that cannot be written or read; names the file, the reason, and what to do."""


class ClaimedError(StorageError):
    """A saved session that is open elsewhere."""


class SweepError(PrunelabError, RuntimeError):
    """A sweep that stopped before its end; says why, and which runs are missing. sweep: the runs that have ended."""

    def __init__(self, message: str, sweep: Sweep) -> None:
        super().__init__(message)
        self.sweep = sweep


class MaskError(PrunelabError, RuntimeError):
    """Cut weights that are not zero any more, where nothing can set them back; says how that comes and what to do."""


class WiringError(PrunelabError, ValueError):
    """The paths through this model cannot be determined; says why."""


class CompactError(PrunelabError, ValueError):
    """This model cannot be compacted; says why."""


class ConvertError(PrunelabError, ValueError):
    """A model that cannot be converted as requested; says which layer and why."""


class PackedError(PrunelabError, RuntimeError):
    """A packed file that cannot be written or read; names the file, the reason, and what to do."""


class MeasureError(PrunelabError, ValueError):
    """A network that cannot be measured; says why and what to do."""


class LessonError(PrunelabError, AttributeError):
    """Something of a lesson that is not there: a lesson, an exercise, or what an earlier cell makes; says which.

    In a notebook it shows as its sentence alone.
    """

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback, whose lines say nothing to a student."""
        return [str(self)]


class ProgressError(PrunelabError, RuntimeError):
    """A file of progress, or of the leader board, that cannot be read or written; says why and what comes of it."""


class ServeError(PrunelabError, RuntimeError):
    """A page that cannot be served, or is no longer served; says why and what to do."""


class PortInUseError(ServeError):
    """The port is in use by another program."""


class PrunelabWarning(UserWarning):
    """Base of all warnings of prunelab; each names what it is about, and what to do."""


class CoverageWarning(PrunelabWarning):
    """Weights of the model that no mask covers; says which, and their share."""


class LeftOutWarning(PrunelabWarning):
    """Something that another tool cut and that is left as it is; says what."""


class DropoutWarning(PrunelabWarning):
    """Dropout that stays as it is though connections go; says which, and at what rate."""


class ExecutorWarning(PrunelabWarning):
    """An executor that takes up work but makes nothing faster; says why, and which one would."""


class LessonWarning(PrunelabWarning):
    """A lesson that was written for another version of prunelab; says which, and what to do."""


class GuessWarning(PrunelabWarning):
    """Something that could not be determined was guessed; says what, and how to give it."""


# Of this thread (or task) only: the filters of ``warnings`` are one for all threads.
_collecting: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("prunelab_notices", default=None)


def warn(text: str, category: type[PrunelabWarning], stacklevel: int = 2) -> None:
    """Warn of ``text`` as ``warnings.warn`` does, or add it to the list that is collected."""
    notices = _collecting.get()
    if notices is None:
        warnings.warn(text, category, stacklevel=stacklevel + 1)
    elif text not in notices:
        notices.append(text)


@contextlib.contextmanager
def collected() -> Iterator[list[str]]:
    """Within the block, warnings of prunelab go into the list that the block gets, and are not shown."""
    notices: list[str] = []
    token = _collecting.set(notices)
    try:
        yield notices
    finally:
        _collecting.reset(token)


def first_line(error: BaseException) -> str:
    """What an error of somebody else's code says, in a line: its first, or else the name of its class."""
    return (str(error).splitlines() or [type(error).__name__])[0]
