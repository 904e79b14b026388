"""Benefits of pruning: smaller files and faster networks, with measurements.

Imports are not lazy as in ``prunelab``: a function with the name of its module must be bound after that module.
"""

from __future__ import annotations

from prunelab.errors import CompactError, ConvertError, MeasureError, PackedError
from prunelab.sparse.compaction.compact import compact
from prunelab.sparse.inference.convert import convert
from prunelab.sparse.inference.semi_structured import to_2_4
from prunelab.sparse.measuring.measure import measure
from prunelab.sparse.packing.file import bound, load, save

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
