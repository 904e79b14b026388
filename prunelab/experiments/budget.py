"""A budget of accuracy, kept by all layers together: how deep each may be cut.

What a layer alone can lose is measured one by one (``sensitivity``). All layers cut as deep as that lose more than any
of them alone: so their qualities are scaled down together, until the cut of the whole network keeps the budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from prunelab.data import Data
from prunelab.experiments import sensitivity as scans
from prunelab.experiments.sensitivity import DENSITIES, prepared
from prunelab.pruning.copies import copied
from prunelab.pruning.masks import Masks
from prunelab.recipe import Target
from prunelab.results.budget import Budget, Check
from prunelab.results.sensitivity import Sensitivity
from prunelab.training.objective import LossLike, MetricLike

SCALES = tuple(step / 20 for step in range(1, 21))  # of the qualities, from mild to what each layer alone can bear


def budget(
    model: nn.Module,
    data: Data | tuple[Any, Any],
    *,
    tolerance: float | None = None,
    test: tuple[Any, Any] | None = None,
    densities: float | Iterable[float] = DENSITIES,
    layers: str | Iterable[str] | None = None,
    loss: LossLike = None,
    metric: MetricLike = None,
    threads: int | None = None,
) -> Budget:
    """The deepest cut of a dense network that loses at most ``tolerance``, without retraining: a quality per layer.

    For figures that can be trusted, choose on samples that the network was not trained on, and verify on others:
    ``part = data.hold_out(full)``, train on ``part``, then ``budget(model, part, test=(full.test_x, full.test_y))``.

    Args:
        model: Any module, dense; it is not changed.
        data: What to choose on: the test set of a ``Data``, or a pair (x, y); as for ``sensitivity``.
        tolerance: Loss of accuracy that is allowed, as a fraction, or of the metric in its units; at least 0. None: a
            point of accuracy, or 1 % of what differences of the metric are judged by.
        test: Samples and labels that have no part in the choice, to verify it on. None: it is not verified.
        densities: As for ``sensitivity``.
        layers: As for ``sensitivity``; others stay whole.
        loss: As for ``sensitivity``.
        metric: As for ``sensitivity``.
        threads: As for ``sensitivity``.

    Raises:
        ValueError: As ``sensitivity``, and for a tolerance that is none, such as one in points.
    """
    for scan in scans.stream(
        model, data, densities=densities, layers=layers, loss=loss, metric=metric, threads=threads
    ):  # fmt: skip
        if tolerance is not None:  # told at the first, not after all cuts
            scan.objective.checked_tolerance(tolerance)
    *_, chosen = stream(
        model, data, scan, tolerance=tolerance, test=test, loss=loss, metric=metric, threads=threads
    )  # fmt: skip
    assert chosen is not None
    return chosen


def stream(
    model: nn.Module,
    data: Data | tuple[Any, Any],
    scan: Sensitivity,
    *,
    tolerance: float | None = None,
    test: tuple[Any, Any] | None = None,
    loss: LossLike = None,
    metric: MetricLike = None,
    threads: int | None = None,
) -> Iterator[Budget | None]:
    """``budget`` after its scan, step by step: None after every cut that was tried, then the result.

    scan: complete, of ``model`` on ``data``.
    """
    tolerance = scan.tolerance if tolerance is None else scan.objective.checked_tolerance(tolerance)
    if not scan.complete:
        raise ValueError(f"this scan has {len(scan.points)} of {scan.planned} points: let it end first")
    return _chosen(model, data, scan, tolerance, test, loss, metric, threads)


def _chosen(
    model: nn.Module,
    data: Data | tuple[Any, Any],
    scan: Sensitivity,
    tolerance: float,
    test: tuple[Any, Any] | None,
    loss: LossLike,
    metric: MetricLike,
    threads: int | None,
) -> Iterator[Budget | None]:
    ready = prepared(model, data, scan.layers, loss, metric, threads)
    before = ready.measure(ready.model, cut=False)
    scale, after, deepest = 0.0, before, ready.model
    for step in SCALES:
        cut = _cut(model, scan.qualities(tolerance, step))
        tested = ready.measure(cut, cut=True)
        yield None
        if not scan.objective.within(before.accuracy - tested.accuracy, tolerance, before.accuracy):
            break  # a deeper cut that happens to lose less would be luck
        scale, after, deepest = step, tested, cut
    verified = None
    if test is not None:
        other = prepared(model, test, scan.layers, loss, metric, threads)
        pair = (other.measure(net, cut=False).accuracy for net in (other.model, deepest))
        verified = Check(len(other.test[1]), *pair)
    weights = [deepest.get_parameter(name) for name in scan.layers]
    yield Budget(
        tolerance=tolerance, qualities=scan.qualities(tolerance, scale), scale=scale,
        kept=sum(int(weight.count_nonzero()) for weight in weights), total=sum(weight.numel() for weight in weights),
        chosen=Check(len(ready.test[1]), before.accuracy, after.accuracy), verified=verified,
        objective=scan.objective,
    )  # fmt: skip


def _cut(model: nn.Module, qualities: dict[str, float]) -> nn.Module:
    """A copy of the model, cut at these qualities."""
    twin = copied(model)
    masks = Masks(twin, layers=list(qualities))
    masks.commit(masks.plan(Target(quality=dict(qualities))))
    masks.apply()
    return twin
