"""Checks that a loss takes the outputs of a model and the targets of the data."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from prunelab.data import Data
from prunelab.data.custom import OTHER_TARGETS
from prunelab.errors import SessionError, first_line
from prunelab.recipe import Recipe
from prunelab.results.objective import Objective
from prunelab.torch_state import evaluating
from prunelab.training.objective import LossAndMetric, bce


def check_distillation(recipe: Recipe, objective: Objective) -> None:
    """Raise SessionError for a recipe that distills what is no classification: only classes have soft outputs."""
    if recipe.distill and not objective.classifies:
        raise SessionError(
            f"distill = {recipe.distill:g}: for classification only; the loss here is {objective.loss}. Take distill=0"
        )


def check(
    model: nn.Module, data: Data, sample: tuple[Tensor, Tensor], output: Tensor, functions: LossAndMetric
) -> None:
    """Raise SessionError unless ``output``, the model's for ``sample``, is what the loss is made for."""
    x, target = sample
    if functions.objective.classifies:
        _check_classes(output, data)
    if functions.loss is bce:
        _check_yes_or_no(model, x, data)
    _check_loss(output, target, functions)


def _check_classes(output: Tensor, data: Data) -> None:
    assert data.classes is not None
    if output.dim() != 2:
        raise SessionError(
            f"the model must give one row of class scores a sample, (N, classes); it gives shape "
            f"{tuple(output.shape)}: {OTHER_TARGETS}"
        )
    if output.shape[1] < data.classes:
        single = f"; or, as {OTHER_TARGETS}" if output.shape[1] == 1 else ""
        raise SessionError(
            f"the model has {output.shape[1]} outputs, but the data have {data.classes} classes "
            f"(labels 0 to {data.classes - 1}): give its last layer one output a class{single}"
        )


def _check_yes_or_no(model: nn.Module, x: Tensor, data: Data) -> None:
    """Raise SessionError unless targets are 0 to 1, and the outputs are scores: a second sigmoid would learn badly."""
    for what, y in (("train", data.train_y), ("test", data.test_y)):
        low, high = (float(bound) for bound in torch.aminmax(y))
        if low < 0 or high > 1:
            wrong = low if low < 0 else high
            raise SessionError(f"{what} y: {wrong:g}, but loss = 'bce' needs targets from 0 to 1")
    last = _last_sigmoid(model, x)
    if last is not None:
        raise SessionError(
            f"{last} is a sigmoid at the end of the model, but loss = 'bce' takes scores from before it: leave it out, "
            "or pass loss=torch.nn.functional.binary_cross_entropy, with a metric"
        )


def _last_sigmoid(model: nn.Module, x: Tensor) -> str | None:
    """Name of the sigmoid module whose output is the model's, whatever its shape; None if there is none."""
    given: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda _module, _args, output: given.__setitem__(name, output.clone())

    sigmoids = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Sigmoid)]
    hooks = [module.register_forward_hook(keep(name)) for name, module in sigmoids]
    try:
        with evaluating(model), torch.no_grad():
            output = model(x)
    finally:
        for hook in hooks:
            hook.remove()
    same = (name for name, values in given.items() if torch.equal(values.flatten().to(output.dtype), output.flatten()))
    return next(same, None)


def _check_loss(output: Tensor, target: Tensor, functions: LossAndMetric) -> None:
    """Raise SessionError unless the loss gives one finite-typed number for an output of the model and its targets."""
    name = functions.objective.loss
    try:
        with torch.no_grad():
            loss = functions.loss(output, target)
    except Exception as error:  # a loss of the user's can raise anything
        shapes = f"outputs of shape {tuple(output.shape)} and targets of shape {tuple(target.shape)}"
        raise SessionError(f"the loss {name} cannot take {shapes}, {target.dtype}: {first_line(error)}") from error
    if not isinstance(loss, Tensor) or loss.dim() or not loss.is_floating_point():
        got = f"shape {tuple(loss.shape)}, {loss.dtype}" if isinstance(loss, Tensor) else type(loss).__name__
        raise SessionError(f"the loss {name} must give one number as a tensor, the mean over a batch; it gives {got}")
    if "loss" not in functions.objective.own:
        return
    with torch.no_grad():
        twice = functions.loss(torch.cat([output, output]), torch.cat([target, target]))
    if math.isfinite(loss) and loss and torch.allclose(twice, 2 * loss, rtol=1e-3, atol=0):
        raise SessionError(
            f"the loss {name} is a sum over a batch: for the same samples twice it gives twice as much. It must be "
            'their mean, which does not depend on the size of a batch (torch\'s: reduction="mean")'
        )
