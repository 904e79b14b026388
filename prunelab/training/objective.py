"""Losses and metrics: what a network is trained for, and how well it does.

Classification (cross-entropy, accuracy) is the default. Regression, yes-or-no questions and anything else come with
``loss`` and ``metric``: a name below, or a function (output, target) of the user's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from prunelab.errors import SessionError
from prunelab.formatting import did_you_mean
from prunelab.results.objective import CLASSIFYING, Objective

Loss = Callable[[Tensor, Tensor], Tensor]
Score = Callable[[Tensor, Tensor], float]

LONGEST_NAME = 40  # characters of a metric's name: it stands on cards and axes


@dataclass(frozen=True)
class Metric:
    """A metric of one's own.

    Args:
        function: (output, target) of the whole test set, as tensors -> one number; higher is better.
        name: what is shown; None: the function's name.
        low: the lowest value it can have; None: no bound. Metrics from 0 to 1 are shown in percent.
        high: the highest value it can have; None: no bound.

    Raises:
        ValueError: the name is empty or too long, or low is not below high.
    """

    function: Callable[[Tensor, Tensor], Any]
    name: str | None = None
    low: float | None = 0.0
    high: float | None = 1.0

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"function = {self.function!r}: must be a function (output, target) -> number")
        name = _name(self.function, "metric") if self.name is None else self.name
        if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_NAME:
            raise ValueError(f"name = {name!r}: must be 1 to {LONGEST_NAME} characters")
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        if not all(math.isfinite(bound) for bound in bounds) or (len(bounds) == 2 and bounds[0] >= bounds[1]):
            raise ValueError(f"low = {self.low}, high = {self.high}: low must be below high; None: no bound")
        object.__setattr__(self, "name", name)


LossLike = str | Loss | None
MetricLike = str | Metric | Callable[[Tensor, Tensor], Any] | None


@dataclass(frozen=True, eq=False)
class LossAndMetric:
    """An objective with its functions. loss: mean over a batch, differentiable. score: the metric."""

    objective: Objective
    loss: Loss
    score: Score

    @property
    def counts_classes(self) -> bool:
        """Whether the metric is accuracy over classes: then predicted classes say all that it needs."""
        return self.score is accuracy

    def summed(self, output: Tensor, target: Tensor) -> float:
        """The loss of a batch, summed over its samples."""
        if self.loss is F.cross_entropy and target.dim() == 1:  # a target of more dimensions has a mean over them, too
            return float(F.cross_entropy(output, target, reduction="sum"))
        return float(self.loss(output, target)) * len(target)

    def measured(self, output: Tensor, target: Tensor) -> float:
        """The metric over all samples; NaN if an output is not finite, as after training has diverged.

        A score of a class may be infinite: a class that a model masks has one of -inf.
        Raises SessionError for a result that is no number in the metric's range.
        """
        broken = output.isnan() if self.objective.classifies else ~torch.isfinite(output)
        if bool(broken.any()):
            return math.nan
        value = self.score(output, target)
        try:
            number = float(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise SessionError(
                f"the metric {self.objective.metric} gave {type(value).__name__}, not one number: {error}"
            ) from error
        if not self.objective.allows(number):
            raise SessionError(
                f"the metric {self.objective.metric} gave {number:g}, but its range is {self.objective.range}: "
                "say its range, metric=prunelab.Metric(function, low=..., high=...), with None for no bound"
            )
        return number


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error. output, target: (N, ...), of one shape; (N, 1) and (N,) are the same."""
    return F.mse_loss(*aligned(output, target))


def bce(output: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of scores (logits, before any sigmoid), one or several a sample. target: 0 to 1."""
    return F.binary_cross_entropy_with_logits(*aligned(output, target))


def accuracy(output: Tensor, target: Tensor) -> float:
    """Fraction of samples whose class has the highest score. output: (N, classes). target: (N,)."""
    return int((output.argmax(1) == target).sum()) / len(target)


def decisions(output: Tensor, target: Tensor) -> float:
    """Fraction of right yes-or-no decisions, all labels together: a score above 0 says yes."""
    output, target = aligned(output, target)
    return float(((output > 0) == (target > 0.5)).double().mean())


def exact_match(output: Tensor, target: Tensor) -> float:
    """Fraction of samples of which every label is decided right: a score above 0 says yes."""
    output, target = aligned(output, target)
    right = (output > 0) == (target > 0.5)
    return float(right.reshape(len(right), -1).all(1).double().mean())


def r2(output: Tensor, target: Tensor) -> float:
    """Coefficient of determination, 1 - squared error / variance; the mean over the outputs. 1 is perfect.

    Where a target does not vary: 1 if it is met exactly, else 0, as in scikit-learn.
    """
    output, target = (part.reshape(len(part), -1).double() for part in aligned(output, target))
    error = (target - output).square().sum(0)
    variance = (target - target.mean(0)).square().sum(0)
    shares = torch.where(variance > 0, 1 - error / variance.clamp(min=1e-300), (error == 0).double())
    return float(shares.mean())


def aligned(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one shape and type: a last dimension of 1 that only one of them has is dropped.

    Raises ValueError for other shapes: torch would repeat (N,) to (N, N) and learn nonsense.
    """
    if output.dim() == target.dim() + 1 and output.shape[-1] == 1:
        output = output.squeeze(-1)
    elif target.dim() == output.dim() + 1 and target.shape[-1] == 1:
        target = target.squeeze(-1)
    if output.shape != target.shape:
        raise ValueError(
            f"outputs of shape {tuple(output.shape)}, targets of shape {tuple(target.shape)}: not the same"
        )
    return output, target.to(output.dtype)


CLASSIFICATION = LossAndMetric(CLASSIFYING, F.cross_entropy, accuracy)
LOSSES: dict[str, Loss] = {"cross-entropy": F.cross_entropy, "mse": mse, "bce": bce}
# Metrics of each loss, the default first; of a loss of the user's, all, and none by default.
METRICS: dict[str | None, tuple[str, ...]] = {
    "cross-entropy": ("accuracy",),
    "mse": ("R2",),
    "bce": ("accuracy", "exact match"),
    None: ("accuracy", "R2", "exact match"),
}
SCORES: dict[str, Score] = {"accuracy": decisions, "R2": r2, "exact match": exact_match}  # for targets that are values


def takes_classes(loss: LossLike, metric: MetricLike) -> bool:
    """Whether this loss and metric are for classification: targets are class numbers, one a sample.

    So is a loss of the user's with metric="accuracy". Raises SessionError for unknown names, for a metric that does not
    suit the loss, and for a loss of the user's without a metric.
    """
    if loss is not None and not callable(loss) and loss not in LOSSES:
        raise SessionError(f"loss = {loss!r}: {did_you_mean(str(loss), LOSSES)}; or a function (output, target)")
    suited = METRICS[None if callable(loss) else loss or "cross-entropy"]
    if metric is None:
        if callable(loss):
            known = ", ".join(map(repr, suited))
            raise SessionError(
                f"a loss of your own needs a metric that says how well the network does, higher is better: {known}, "
                "or a function (output, target) -> 0 to 1; of other ranges prunelab.Metric(function, low=, high=)"
            )
    elif not callable(metric) and not isinstance(metric, Metric) and metric not in suited:
        whose = "a loss of your own" if callable(loss) else f"loss = {loss or 'cross-entropy'!r}"
        raise SessionError(f"metric = {metric!r} with {whose}: {did_you_mean(str(metric), suited)}; or a function")
    if callable(loss):
        return metric == "accuracy"
    return loss in (None, "cross-entropy")


def loss_and_metric(loss: LossLike, metric: MetricLike, target: Tensor) -> LossAndMetric:
    """The functions for ``loss`` and ``metric``, each a name, a function, or None for the default.

    target: of the training data; decides by what yes-or-no questions are judged: one by accuracy, several by exact
    match. Raises SessionError as ``takes_classes``.
    """
    classes = takes_classes(loss, metric)
    own = tuple(
        n for n, given in (("loss", loss), ("metric", metric)) if given is not None and not isinstance(given, str)
    )
    loss_name = _name(loss, "loss") if callable(loss) else loss or "cross-entropy"
    function: Loss = loss if callable(loss) else LOSSES[loss_name]
    if metric is not None and not isinstance(metric, str):
        chosen = metric if isinstance(metric, Metric) else Metric(metric)
        assert chosen.name is not None
        about = Objective(loss_name, chosen.name, chosen.low, chosen.high, classes, own)
        return LossAndMetric(about, function, chosen.function)
    several = target.dim() > 1 and target[0].numel() > 1
    metric = metric or METRICS[loss_name][1 if loss_name == "bce" and several else 0]
    low = None if metric == "R2" else 0.0
    return LossAndMetric(
        Objective(loss_name, metric, low, 1.0, classes, own), function, accuracy if classes else SCORES[metric]
    )


def _name(function: Any, otherwise: str) -> str:
    """The name of a function, or of a module's class, in words."""
    name = str(getattr(function, "__name__", type(function).__name__))
    return f"own {otherwise}" if name.startswith("<") else name.replace("_", " ").strip()[:LONGEST_NAME]
