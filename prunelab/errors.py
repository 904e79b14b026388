"""All errors of prunelab, with one base class. Messages say what went wrong, the value, and what to do."""

from __future__ import annotations


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


class StorageError(PrunelabError, RuntimeError):
    """A session that cannot be written or read; names the file, the reason, and what to do."""


class ClaimedError(StorageError):
    """A saved session that is open elsewhere."""


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


class ServeError(PrunelabError, RuntimeError):
    """A page that cannot be served, or is no longer served; says why and what to do."""


class PortInUseError(ServeError):
    """The port is in use by another program."""
