"""Scan: how sensitive each layer is to pruning, one layer cut at a time, nothing retrained (the paper's figure 6).

The public name is ``prunelab.sensitivity``; a module of that name would hide the function.
"""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from prunelab import criteria, inputs, own_data, training
from prunelab.data import Data
from prunelab.masks import Masks
from prunelab.training import Tested

DENSITIES = (0.8, 0.6, 0.4, 0.3, 0.2, 0.15, 0.1, 0.06, 0.03, 0.01)
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


def sensitivity(
    model: nn.Module,
    data: Data | tuple[Any, Any],
    *,
    densities: Sequence[float] = DENSITIES,
    layers: Iterable[str] | None = None,
    threads: int | None = None,
) -> Sensitivity:
    """Cut one layer at a time to each of ``densities``, by magnitude, and measure accuracy; nothing is retrained.

    model: stays untouched, its device and mode too. data: a ``Data``, whose test set is measured on (and batch norm
    recalibrated on its training set after each cut, as in a session), or a pair (x, y) of samples and labels, without
    recalibration. densities: each above 0 and at most 1, the part of a layer that is kept; of a network that is pruned
    already, what is cut stays cut. layers: only these, by name, else all. threads: of torch's; else as many as suit the
    network. Raises ValueError (SessionError where model and data do not fit), naming what is wrong.
    Source: Han et al. 2015, section 5, figure 6.
    """
    *_, last = stream(model, data, densities=densities, layers=layers, threads=threads)
    return last


def stream(
    model: nn.Module,
    data: Data | tuple[Any, Any],
    *,
    densities: Sequence[float] = DENSITIES,
    layers: Iterable[str] | None = None,
    threads: int | None = None,
) -> Iterator[Sensitivity]:
    """``sensitivity`` as it comes: first without a point, then with one more each time. Leave it to cancel."""
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise ValueError(f"threads = {threads!r}: must be a whole number, at least 1, or None")
    asked = sorted({criteria.check_density(density) for density in densities}, reverse=True)
    if not asked:
        raise ValueError("densities is empty: name at least one, such as 0.1 for a tenth of a layer")
    twin = copy.deepcopy(model)
    masks = Masks(twin, layers=layers)
    if isinstance(data, Data):
        calibration = data.train_x
    else:
        x, y = own_data.samples(data, "data")
        data, calibration = Data("own", x, y, x, y, int(y.max()) + 1), None
    device = masks.weight(next(iter(masks))).device
    x, y = data.test_x.to(device), data.test_y.to(device)
    inputs.check(twin, data, x[:2])
    connections = sum(p.numel() for p in twin.parameters())
    threads = threads or training.threads_for(connections, min(len(y), training.CHUNK))
    return _points(twin, masks, asked, (x, y), None if calibration is None else calibration.to(device), threads)


def _points(
    model: nn.Module,
    masks: Masks,
    densities: list[float],
    test: tuple[Tensor, Tensor],
    calibration: Tensor | None,
    threads: int,
) -> Iterator[Sensitivity]:
    """``model`` is ours to change: a weight is cut, measured, and put back."""

    def measure() -> Tested:
        with training.threads(threads):  # not around a yield: the thread count is also that of whoever listens
            return training.evaluate(model, *test)

    whole = measure()
    names = tuple(masks)
    result = Sensitivity(whole.accuracy, whole.loss, len(test[1]), names, len(names) * len(densities))
    yield result
    for name in names:
        weight = masks.weight(name)
        before = weight.detach().clone()
        for density in densities:
            with torch.no_grad():
                weight.copy_(before * criteria.largest(before.abs(), max(round(density * before.numel()), 1)))
            if calibration is not None:
                with training.threads(threads):
                    training.recalibrate(model, calibration)
            tested = measure()
            kept = int(weight.detach().count_nonzero())
            point = Point(name, density, kept, weight.numel(), tested.accuracy, tested.loss)
            result = replace(result, points=(*result.points, point))
            yield result
        with torch.no_grad():
            weight.copy_(before)  # buffers need no such care: only calibration moves them, and it starts afresh
