"""What pruning buys: smaller files and faster networks, and what they cost, measured.

Imported at once, not lazily as in ``prunelab``: a function named as its module must be bound after that module.
"""

from prunelab.sparse.compact import CompactError, compact
from prunelab.sparse.convert import ConvertError, convert
from prunelab.sparse.files import PackedError, bound, load, save
from prunelab.sparse.measure import MeasureError, measure
from prunelab.sparse.semi import to_2_4

__all__ = [
    "CompactError",
    "ConvertError",
    "MeasureError",
    "PackedError",
    "bound",
    "compact",
    "convert",
    "load",
    "measure",
    "save",
    "to_2_4",
]
