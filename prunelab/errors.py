"""All errors of prunelab, with one base: what went wrong, the value, and what to do."""

from __future__ import annotations


class PrunelabError(Exception):
    """The base of all errors that prunelab names itself. What Python names (a wrong type, a value out of range) is
    Python's: most of these are ValueErrors, too.
    """


class RecipeError(PrunelabError, ValueError):
    """A recipe that cannot be: names the field, the value and what is allowed."""


class DataError(PrunelabError, RuntimeError):
    """Data that can't be had: says what was missing or wrong, where, and what to do."""


class SessionError(PrunelabError, ValueError):
    """A session that cannot be, or a step that cannot be taken now; says what to do instead."""


class Diverged(SessionError):
    """The loss or a weight stopped being a number. The network is back at its last good state."""


class StorageError(PrunelabError, RuntimeError):
    """A session that cannot be written or read; says which file, why, and what to do."""


class ClaimedError(StorageError):
    """A saved session that is open elsewhere."""


class WiringError(PrunelabError, ValueError):
    """The paths through this model cannot be told, and why."""


class CompactError(PrunelabError, ValueError):
    """This model cannot be compacted, and why."""


class ConvertError(PrunelabError, ValueError):
    """A model that cannot be converted as asked; says which layer and why."""


class PackedError(PrunelabError, RuntimeError):
    """A packed file that cannot be written or read; says which file, why, and what to do."""


class MeasureError(PrunelabError, ValueError):
    """A network that cannot be measured; says why and what to do."""


class ServeError(PrunelabError, RuntimeError):
    """A page that cannot be served, or is served no longer; says why and what to do."""


class PortInUseError(ServeError):
    """The port is another program's."""
