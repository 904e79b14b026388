"""Sensitivity of each layer to pruning: one layer is cut at a time, without retraining (the paper's figure 6).

The public name is ``prunelab.sensitivity``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from prunelab import torch_state
from prunelab.data import Data, custom, own
from prunelab.pruning import criteria, ranking
from prunelab.pruning.copies import copied
from prunelab.pruning.masks import Masks
from prunelab.pruning.reparametrisation import check_not_pruned
from prunelab.results.sensitivity import Point, Sensitivity
from prunelab.sessions.validation import arguments, model_checks
from prunelab.training import evaluation
from prunelab.training.evaluation import Tested
from prunelab.training.objective import LossAndMetric, LossLike, MetricLike, loss_and_metric, takes_classes

DENSITIES = (0.8, 0.6, 0.4, 0.3, 0.2, 0.15, 0.1, 0.06, 0.03, 0.01)


def sensitivity(
    model: nn.Module,
    data: Data | tuple[Any, Any],
    *,
    densities: float | Iterable[float] = DENSITIES,
    layers: str | Iterable[str] | None = None,
    loss: LossLike = None,
    metric: MetricLike = None,
    threads: int | None = None,
) -> Sensitivity:
    """Cut one layer at a time to each of ``densities``, by magnitude, and measure accuracy, without retraining.

    Source: Han et al. 2015, section 5, figure 6.

    Args:
        model: Any module; it is not changed, nor its device, type and mode. In a pruned network, cut weights stay cut.
        data: A ``Data``: measures on its test set, and recalibrates batch norm on its training set after each cut, as
            in a session. (train, test) as for ``Session``: the same. Or a pair (x, y) of samples and labels: no
            recalibration. Brought to the model's type.
        densities: Fractions of a layer to keep, each above 0 and at most 1; or one.
        layers: Names of the layers to cut, as for ``Masks``; None: all.
        loss: As for ``Session``; None: classification.
        metric: As for ``Session``; measured in place of accuracy.
        threads: Number of torch threads, at least 1; None: chosen by the size of the network.

    Raises:
        ValueError: An argument is out of range, a name matches no layer, or (SessionError) model and data do not fit.
    """
    *_, last = stream(model, data, densities=densities, layers=layers, loss=loss, metric=metric, threads=threads)
    return last


def stream(
    model: nn.Module,
    data: Data | tuple[Any, Any],
    *,
    densities: float | Iterable[float] = DENSITIES,
    layers: str | Iterable[str] | None = None,
    loss: LossLike = None,
    metric: MetricLike = None,
    threads: int | None = None,
) -> Iterator[Sensitivity]:
    """``sensitivity`` step by step: first without points, then with one more each time. Stop iterating to cancel."""
    several = densities if isinstance(densities, Iterable) else [densities]
    targets = sorted({criteria.check_density(density) for density in several}, reverse=True)
    if not targets:
        raise ValueError("densities is empty: name at least one, such as 0.1 for a tenth of a layer")
    return _points(prepared(model, data, layers, loss, metric, threads), targets)


class Prepared(NamedTuple):
    """A copy of a model that may be cut, and what to measure it on.

    test: inputs and targets. calibration: inputs to measure batch norm's statistics on after a cut; None: it is not.
    """

    model: nn.Module
    masks: Masks
    test: tuple[Tensor, Tensor]
    functions: LossAndMetric
    calibration: Tensor | None
    threads: int

    def measure(self, model: nn.Module, *, cut: bool) -> Tested:
        """Test ``model``, the copy or another one. cut: its batch norm is measured again first."""
        with torch_state.threads(self.threads):  # not around a yield: the caller shares the thread count
            if cut and self.calibration is not None:
                evaluation.recalibrate(model, self.calibration)
            return evaluation.evaluate(model, *self.test, self.functions)


def prepared(
    model: nn.Module,
    data: Data | tuple[Any, Any],
    layers: str | Iterable[str] | None,
    loss: LossLike,
    metric: MetricLike,
    threads: int | None,
) -> Prepared:
    """What a scan works on. Arguments and errors are those of ``sensitivity``."""
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise ValueError(f"threads = {threads!r}: must be a whole number, at least 1, or None")
    check_not_pruned(model)
    twin = copied(model)
    masks = Masks(twin, layers=layers)
    classes = takes_classes(loss, metric)
    if not isinstance(data, Data) and custom.is_split(data):
        train, test = data
        data = own(train, test, values=not classes)
    if isinstance(data, Data):
        data = arguments.with_classes(data) if classes else data
        recalibrates = True
    else:
        x, y = custom.samples(data, "data", classes=classes)
        data, recalibrates = Data("own", x, y, x, y, int(y.max()) + 1 if classes else None), False
    functions = loss_and_metric(loss, metric, data.train_y)
    (calibration, _), (x, y) = arguments.tensors(twin, data)
    model_checks.check(twin, data, (x[:2], y[:2]), functions=functions)
    connections = sum(p.numel() for p in twin.parameters())
    threads = threads or torch_state.threads_for(connections, min(len(y), evaluation.CHUNK))
    return Prepared(twin, masks, (x, y), functions, calibration if recalibrates else None, threads)


def _points(ready: Prepared, densities: list[float]) -> Iterator[Sensitivity]:
    """Cut, measure and restore one weight after another."""
    model, masks = ready.model, ready.masks
    uncut = ready.measure(model, cut=False)
    names = tuple(masks)
    planned, objective = len(names) * len(densities), ready.functions.objective
    result = Sensitivity(uncut.accuracy, uncut.loss, len(ready.test[1]), names, planned, objective=objective)
    yield result
    for name in names:
        weight = masks.weight(name)
        original = weight.detach().clone()
        deviation = criteria.deviation(original)
        for density in densities:
            number = max(round(density * original.numel()), 1)
            (kept,) = ranking.largest([original], [masks[name]], number)[1]
            with torch.no_grad():
                weight.copy_(original * kept)
            tested = ready.measure(model, cut=True)
            count = int(weight.detach().count_nonzero())
            quality = _between(original, kept) / deviation if deviation else 0.0
            point = Point(name, density, count, weight.numel(), tested.accuracy, tested.loss, quality)
            result = replace(result, points=(*result.points, point))
            yield result
        with torch.no_grad():
            weight.copy_(original)  # buffers need no restoring: only recalibration changes them, and it starts anew


def _between(weights: Tensor, kept: Tensor) -> float:
    """A magnitude halfway between the largest that is cut and the smallest that is kept, clear of rounding errors."""
    magnitudes = weights.abs().float()
    cut = magnitudes[~kept]
    return (float(magnitudes[kept].min()) + (float(cut.max()) if cut.numel() else 0.0)) / 2
