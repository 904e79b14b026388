"""Pictures of snapshots, as plain dicts that plotly.js and ``plotly.graph_objects.Figure`` accept.

Pure functions, one file per view: no widget, no training, no plotly import. Every title states the finding in words;
``summary`` gives it as plain text, for screen readers and captions.
"""

from __future__ import annotations

from prunelab.views.accuracy import accuracy
from prunelab.views.bands import bands
from prunelab.views.compare import compare, side_by_side
from prunelab.views.connections import connections
from prunelab.views.distribution import distribution
from prunelab.views.dropout import dropout
from prunelab.views.figure import View, empty, summary
from prunelab.views.flips import flips
from prunelab.views.graph import graph
from prunelab.views.mask import mask
from prunelab.views.pixels import pixels
from prunelab.views.probabilities import probabilities
from prunelab.views.sensitivity import sensitivity
from prunelab.views.size import size
from prunelab.views.speed import speed
from prunelab.views.tradeoff import tradeoff
from prunelab.views.weights import weights

__all__ = [
    "View",
    "accuracy",
    "bands",
    "compare",
    "connections",
    "distribution",
    "dropout",
    "empty",
    "flips",
    "graph",
    "mask",
    "pixels",
    "probabilities",
    "sensitivity",
    "side_by_side",
    "size",
    "speed",
    "summary",
    "tradeoff",
    "weights",
]
