"""With which data, loss and metric a saved session was made, and whether these are the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prunelab.data import Data
from prunelab.errors import SessionError
from prunelab.results.objective import Objective
from prunelab.training.objective import LossLike, MetricLike


def identity(data: Data) -> dict[str, Any]:
    """What identifies these data: the numbers of training and test samples, and a digest of all values."""
    return {"samples": [len(data.train_y), len(data.test_y)], "data": data.digest}


def check_same(data: Data, known: Mapping[str, Any]) -> None:
    """Raise ValueError unless ``known`` contains the ``identity`` of these data."""
    given = identity(data)
    if known["samples"] != given["samples"]:
        raise ValueError(f"made with {known['samples']} training and test samples; these are {given['samples']}")
    if known["data"] != given["data"]:
        raise ValueError("made with other data: as many samples as these, but of other values; give those again")


def check_objective(objective: Objective, known: Mapping[str, Any]) -> None:
    """Raise ValueError unless ``known``, a saved state, was made with this loss and metric."""
    made = Objective.from_dict(known.get("objective"))
    if not objective.same_as(made):
        raise ValueError(
            f"made with loss {made.loss} and metric {made.metric} ({made.range}); "
            f"these are {objective.loss} and {objective.metric} ({objective.range})"
        )


def again(known: Mapping[str, Any], loss: LossLike, metric: MetricLike) -> tuple[LossLike, MetricLike]:
    """Loss and metric for ``known``, a saved state: those given, else its names.

    Raises SessionError where it was made with a function that is not given: files hold none.
    """
    saved = Objective.from_dict(known.get("objective"))
    for what, given, name in (("loss", loss, saved.loss), ("metric", metric, saved.metric)):
        if given is None and what in saved.own:
            raise SessionError(f"this session was made with a {what} of your own, {name!r}: give it again, {what}=...")
    if loss is None:
        loss = saved.loss
    if metric is None:
        metric = saved.metric
    return loss, metric
