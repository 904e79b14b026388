"""What a scan of single layers found, as plain values."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from typing import Any

TOLERANCE = 0.01  # accuracy that a layer may cost before it counts as harmed


@dataclass(frozen=True)
class Point:
    """One measurement: ``layer`` (parameter name) alone cut to ``density`` (asked for, 0 to 1), all others whole.

    kept of total: connections of the layer that are left. accuracy: 0 to 1; loss: mean cross-entropy.
    """

    layer: str
    density: float
    kept: int
    total: int
    accuracy: float
    loss: float


@dataclass(frozen=True)
class Sensitivity:
    """What has been measured so far. accuracy, loss: of the network as it came; samples: that all was measured on.

    layers: parameter names, in the network's order. points: layer by layer, largest density first. planned: how many
    points there will be in the end.
    """

    accuracy: float
    loss: float
    samples: int
    layers: tuple[str, ...]
    planned: int
    points: tuple[Point, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all planned points are there."""
        return len(self.points) == self.planned

    def of(self, layer: str) -> tuple[Point, ...]:
        """The points of one layer. KeyError for a name that is none of ``layers``."""
        if layer not in self.layers:
            raise KeyError(f"{layer!r} was not scanned; there are {list(self.layers)}")
        return tuple(point for point in self.points if point.layer == layer)

    def needs(self, layer: str, tolerance: float = TOLERANCE) -> float:
        """The part of its connections (0 to 1) that a layer needs for accuracy to stay within ``tolerance``.

        The least measured part whose accuracy, and that of every larger one, is at least the whole network's less
        ``tolerance``; 1 if already the first cut costs more.
        """
        least = 1.0
        for point in self.of(layer):
            if self.accuracy - point.accuracy > tolerance + 1e-9:
                break
            least = min(least, point.kept / point.total)
        return least

    @property
    def ranking(self) -> tuple[str, ...]:
        """Layers with all their points, most sensitive first: by what they need, then by mean accuracy."""
        measured = [x for x in self.layers if len(self.of(x)) * len(self.layers) == self.planned]
        return tuple(sorted(measured, key=lambda x: (-self.needs(x), self._mean(x))))

    def _mean(self, layer: str) -> float:
        points = self.of(layer)
        return sum(point.accuracy for point in points) / len(points)

    def rows(self) -> list[dict[str, Any]]:
        """A table: one dict a point, as JSON types."""
        return [asdict(point) for point in self.points]

    def to_csv(self) -> str:
        """``rows`` as CSV, with a header; a first row named "(none)" is the network as it came."""
        kinds = ["layer", "density", "kept", "total", "accuracy", "loss"]
        text = io.StringIO()
        writer = csv.DictWriter(text, kinds, lineterminator="\n")
        writer.writeheader()
        whole = {
            "layer": "(none)",
            "density": 1.0,
            "kept": "",
            "total": "",
            "accuracy": self.accuracy,
            "loss": self.loss,
        }
        writer.writerows([whole, *self.rows()])
        return text.getvalue()
