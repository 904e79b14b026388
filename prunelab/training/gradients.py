"""The gradient of the loss for all weights, also for those that are cut: which of them the network misses most."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from prunelab.torch_state import evaluating
from prunelab.training.evaluation import chunks, subset
from prunelab.training.objective import CLASSIFICATION, LossAndMetric

SAMPLES = 2000


def gradients(
    model: nn.Module,
    weights: Iterable[str],
    x: Tensor,
    y: Tensor,
    functions: LossAndMetric = CLASSIFICATION,
) -> dict[str, Tensor]:
    """The gradient of the mean loss for the parameters with these names, with dropout off and without penalty.

    x, y: training samples; at most SAMPLES of them are used, always the same. Nothing of the model changes, no
    parameter's ``grad`` either; one that is not trained, or not used, has the gradient zero.
    """
    named = dict(model.named_parameters(remove_duplicate=False))
    parameters = {name: named[name] for name in weights}
    totals = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    trained = [name for name, parameter in parameters.items() if parameter.requires_grad]
    chosen = subset(len(y), SAMPLES).to(y.device)
    with evaluating(model), torch.enable_grad():
        for some in chosen.split(chunks(len(chosen))) if trained else ():
            loss = functions.loss(model(x[some]), y[some]) * (len(some) / len(chosen))
            found = torch.autograd.grad(loss, [parameters[name] for name in trained], allow_unused=True)
            for name, gradient in zip(trained, found, strict=True):
                if gradient is not None:
                    totals[name] += gradient
    return {name: total.detach() for name, total in totals.items()}
