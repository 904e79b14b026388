"""Results of a sensitivity scan of single layers, as plain values."""

from __future__ import annotations

import csv
import io
import itertools
from dataclasses import asdict, dataclass
from typing import Any, overload

from prunelab.results.objective import CLASSIFYING, Objective

TOLERANCE = 0.01  # loss of accuracy, as a fraction, that is still acceptable


@dataclass(frozen=True)
class Point:
    """One measurement: only ``layer`` (parameter name) is cut, to the target ``density`` (0 to 1).

    kept, total: surviving and all connections of the layer. accuracy: 0 to 1, or the metric of the scan's objective.
    quality: at which the quality rule makes this cut: threshold / standard deviation of the layer's weights; None if it
    is not known.
    """

    layer: str
    density: float
    kept: int
    total: int
    accuracy: float
    loss: float
    quality: float | None = None


@dataclass(frozen=True)
class Sensitivity:
    """Result of a sensitivity scan so far.

    accuracy, loss: of the network before any cut. samples: number of samples measured on. layers: parameter names, in
    the network's order. planned: number of points when complete. points: layer by layer, largest density first.
    objective: loss and metric, by which all figures were measured.
    """

    accuracy: float
    loss: float
    samples: int
    layers: tuple[str, ...]
    planned: int
    points: tuple[Point, ...] = ()
    objective: Objective = CLASSIFYING

    @property
    def complete(self) -> bool:
        """Whether all planned points have been measured."""
        return len(self.points) == self.planned

    def of(self, layer: str) -> tuple[Point, ...]:
        """The points of one layer; KeyError for a name that is not in ``layers``."""
        if layer not in self.layers:
            raise KeyError(f"{layer!r} was not scanned; there are {list(self.layers)}")
        return tuple(point for point in self.points if point.layer == layer)

    @overload
    def needs(self, layer: str, tolerance: float = ...) -> float: ...

    @overload
    def needs(self, layer: None = ..., tolerance: float = ...) -> dict[str, float]: ...

    def needs(self, layer: str | None = None, tolerance: float = TOLERANCE) -> float | dict[str, float]:
        """Fraction of its connections (0 to 1) that a layer needs to keep the accuracy within ``tolerance``.

        The smallest measured fraction where it and all larger ones lose at most ``tolerance``; 1 if already the first
        cut loses more. layer: None for {layer: fraction} of all layers, as ``prune(density=...)`` takes it.
        """
        if layer is None:
            return {name: self.needs(name, tolerance) for name in self.layers}
        return min((point.kept / point.total for point in self._within(layer, tolerance)), default=1.0)

    def densities(self, budget: float = TOLERANCE) -> dict[str, float]:
        """``needs`` of all layers under a budget of accuracy, as a fraction: {layer: share of its connections}."""
        return self.needs(None, budget)

    def qualities(self, budget: float = TOLERANCE, scale: float = 1.0) -> dict[str, float]:
        """The same as qualities: {layer: quality at which it is cut to what it needs}, 0 for one that needs all.

        Each layer alone then keeps the budget; all together lose more, see ``experiments.budget``. Of a scan of a dense
        network ``Recipe.changed(layer_quality=...)`` takes them up. scale: factor of all qualities, 0 to 1. Raises
        ValueError for a scan that does not know its qualities.
        """
        found: dict[str, float] = {}
        for name in self.layers:
            within = self._within(name, budget)
            deepest = within[-1].quality if within else 0.0
            if deepest is None:
                raise ValueError(f"the scan of {name} does not know at which quality it was cut: scan it again")
            found[name] = scale * deepest
        return found

    def _within(self, layer: str, tolerance: float) -> tuple[Point, ...]:
        """The points of a layer, from the mildest cut on, up to the first that loses more than ``tolerance``."""
        points = self.of(layer)
        return tuple(itertools.takewhile(lambda point: self.accuracy - point.accuracy <= tolerance + 1e-9, points))

    @property
    def ranking(self) -> tuple[str, ...]:
        """Fully measured layers, most sensitive first: by ``needs``, then by mean accuracy."""
        measured = [x for x in self.layers if len(self.of(x)) * len(self.layers) == self.planned]
        return tuple(sorted(measured, key=lambda x: (-self.needs(x), self._mean(x))))

    def _mean(self, layer: str) -> float:
        points = self.of(layer)
        return sum(point.accuracy for point in points) / len(points)

    def rows(self) -> list[dict[str, Any]]:
        """One dict per point, as JSON types."""
        return [asdict(point) for point in self.points]

    def to_csv(self) -> str:
        """``rows`` as CSV, with a header; the first row, "(none)", is the network before any cut.

        metric: what ``accuracy`` is.
        """
        columns = ["layer", "density", "kept", "total", "accuracy", "loss", "quality", "metric"]
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        uncut = {
            "layer": "(none)",
            "density": 1.0,
            "kept": "",
            "total": "",
            "accuracy": self.accuracy,
            "loss": self.loss,
            "quality": 0.0,
        }
        writer.writerows({**row, "metric": self.objective.metric} for row in (uncut, *self.rows()))
        return text.getvalue()
