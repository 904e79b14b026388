"""Results of a sensitivity scan of single layers, as plain values."""

from __future__ import annotations

import csv
import io
import itertools
from dataclasses import asdict, dataclass, fields
from typing import Any, overload

from prunelab.results.objective import CLASSIFYING, Objective

TOLERANCE = 0.01  # loss that is still acceptable, of what differences of the metric are judged by: a point of accuracy


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

    @property
    def tolerance(self) -> float:
        """Loss of the metric that is acceptable where nothing else is said: a point of accuracy, 1 % of its scale."""
        return TOLERANCE * self.objective.scale(self.accuracy)

    def of(self, layer: str) -> tuple[Point, ...]:
        """The points of one layer; KeyError for a name that is not in ``layers``."""
        if layer not in self.layers:
            raise KeyError(f"{layer!r} was not scanned; there are {list(self.layers)}")
        return tuple(point for point in self.points if point.layer == layer)

    @overload
    def needs(self, layer: str, tolerance: float | None = ...) -> float: ...

    @overload
    def needs(self, layer: None = ..., tolerance: float | None = ...) -> dict[str, float]: ...

    def needs(self, layer: str | None = None, tolerance: float | None = None) -> float | dict[str, float]:
        """Fraction of its connections (0 to 1) that a layer needs to keep the accuracy within ``tolerance``.

        The smallest measured fraction where it and all larger ones lose at most ``tolerance``; 1 if already the first
        cut loses more. layer: None for {layer: fraction} of all layers, as ``prune(density=...)`` takes it.
        tolerance: in units of the metric, a fraction for accuracy; None: the scan's own. ValueError for what is none.
        """
        if layer is None:
            return {name: self.needs(name, tolerance) for name in self.layers}
        return min((point.kept / point.total for point in self._within(layer, tolerance)), default=1.0)

    def densities(self, budget: float | None = None) -> dict[str, float]:
        """``needs`` of all layers under a budget, their tolerance: {layer: share of its connections}."""
        return self.needs(None, budget)

    def qualities(self, budget: float | None = None, scale: float = 1.0) -> dict[str, float]:
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

    def _within(self, layer: str, tolerance: float | None) -> tuple[Point, ...]:
        """The points of a layer, from the mildest cut on, up to the first that loses more than ``tolerance``."""
        allowed = self.tolerance if tolerance is None else self.objective.checked_tolerance(tolerance)

        def enough(point: Point) -> bool:
            return self.objective.within(self.accuracy - point.accuracy, allowed, self.accuracy)

        return tuple(itertools.takewhile(enough, self.of(layer)))

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

    def to_dict(self) -> dict[str, Any]:
        """All fields, as JSON types."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**plain, "layers": list(self.layers), "points": self.rows(), "objective": self.objective.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Sensitivity:
        """The inverse of ``to_dict``."""
        points = tuple(Point(**point) for point in values["points"])
        objective = Objective.from_dict(values["objective"])
        return cls(**{**values, "layers": tuple(values["layers"]), "points": points, "objective": objective})

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
