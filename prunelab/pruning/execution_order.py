"""The order in which a model's modules run, and the layers that give the network's outputs.

The order of registration shows neither: modules can be registered in one order and run in another.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from prunelab.errors import GuessWarning, warn
from prunelab.inputs import Example, Inputs
from prunelab.pruning.dataflow import Names, dataflow
from prunelab.torch_state import evaluating


def execution(model: nn.Module, example: Example) -> list[str]:
    """Names of the leaf modules in execution order, once per call, in one forward pass of the example."""
    order: list[str] = []

    def recorder(name: str) -> Callable[..., None]:
        return lambda *_: order.append(name)

    leaves = [(name, module) for name, module in model.named_modules() if not any(module.children())]
    hooks = [module.register_forward_pre_hook(recorder(name)) for name, module in leaves]
    try:
        with evaluating(model), torch.no_grad():
            Inputs.of(example, model).run(model)
    finally:
        for hook in hooks:
            hook.remove()
    return order


def outputs(model: nn.Module, weights: Names, example: Example | None = None) -> frozenset[str] | None:
    """Canonical names of the layers with ``weights`` whose neurons are the network's outputs; None if unknown.

    weights: each name of a prunable weight -> its canonical name (these differ for tied weights). The model is followed
    back from its outputs: a layer counts if no other layer follows it. Raises ValueError, in words, if the model cannot
    run on the example.
    """
    try:
        return frozenset(dataflow(model, weights, example).outputs) or None
    except ValueError:
        if example is not None:
            raise
        return None


def guessed_outputs(model: nn.Module, weights: Names) -> frozenset[str]:
    """The layer registered last, for a model whose outputs are unknown, with a GuessWarning that names it."""
    last = list(weights.values())[-1]
    warn(
        f"{type(model).__name__} does not show which layers give its outputs: {last}, registered last, is taken "
        "for the only one, and keeps all its neurons; call masks.outputs(example) first, or say outputs=[...]",
        GuessWarning,
        stacklevel=3,
    )
    return frozenset([last])
