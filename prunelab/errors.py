"""All errors of prunelab, with one base: what went wrong, the value, and what to do."""

from __future__ import annotations


class RecipeError(ValueError):
    """A recipe that cannot be: names the field, the value and what is allowed."""


class DataError(RuntimeError):
    """Data that can't be had: says what was missing or wrong, where, and what to do."""


class SessionError(ValueError):
    """A session that cannot be, or a step that cannot be taken now; says what to do instead."""


class Diverged(SessionError):
    """The loss or a weight stopped being a number. The network is back at its last good state."""


class StorageError(RuntimeError):
    """A session that cannot be written or read; says which file, why, and what to do."""


class ClaimedError(StorageError):
    """A saved session that is open elsewhere."""


class WiringError(ValueError):
    """The paths through this model cannot be told, and why."""


class CompactError(ValueError):
    """This model cannot be compacted, and why."""


class ConvertError(ValueError):
    """A model that cannot be converted as asked; says which layer and why."""


class PackedError(RuntimeError):
    """A packed file that cannot be written or read; says which file, why, and what to do."""


class MeasureError(ValueError):
    """A network that cannot be measured; says why and what to do."""
