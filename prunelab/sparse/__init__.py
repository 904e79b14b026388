"""What pruning buys: smaller files and faster networks, and what they cost, measured.

Imported at once, not lazily as in ``prunelab``: a function named as its module must be bound after that module.
"""

from prunelab.sparse.files import PackedError, bound, load, save

__all__ = ["PackedError", "bound", "load", "save"]
