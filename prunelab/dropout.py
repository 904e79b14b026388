"""The dropout rule: a pruned layer has fewer connections to overfit with, so it needs less dropout."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from prunelab.masks import Masks

Owners = Mapping[str, str]  # dropout module -> parameter name of the layer it belongs to


def rate(original: float, kept: int, total: int) -> float:
    """Dropout rate after pruning: D_o x sqrt(C_ir / C_io), with C the connections of the layer before the dropout.

    original: 0 to 1. kept: 0 to total. Source: Han et al. 2015, section 3.2.
    """
    return original * math.sqrt(kept / total)


def owners(model: nn.Module, masks: Masks, example: Tensor | None = None) -> dict[str, str]:
    """For each dropout module, by name, the weight (parameter name) of the prunable layer that runs before it.

    Found by one forward pass of ``example`` (a batch), or, without an example, by tracing the model symbolically.
    A dropout that no prunable layer precedes (on the input, say) has no owner and keeps its rate. Raises ValueError
    when the model cannot be traced without an example.
    """
    found: dict[str, str] = {}
    layer: str | None = None
    modules = dict(model.named_modules())
    for name in _execution_order(model, example):
        if isinstance(modules[name], _DropoutNd):
            if layer is not None:
                found[name] = layer
        else:
            try:
                layer = masks.resolve(name)
            except ValueError:
                continue  # a layer without a mask: activation, normalisation, excluded
    return found


def adjust_dropout(
    model: nn.Module, masks: Masks, *, example: Tensor | None = None, owners: Owners | None = None
) -> dict[str, float]:
    """Set every dropout of ``model`` to its rate under ``masks``; returns the rates by module name.

    The original rate is remembered on the module the first time, so calling this again after every round is right.
    example: a batch, for models that cannot be traced without one. owners: {dropout: layer} instead of what is found.
    Raises ValueError for names that match nothing.
    """
    modules = dict(model.named_modules())
    belongs = {name: masks.resolve(layer) for name, layer in (owners or {}).items()}
    for name in belongs:
        if not isinstance(modules.get(name), _DropoutNd):
            known = [n for n, m in modules.items() if isinstance(m, _DropoutNd)]
            raise ValueError(f"{name!r} is no dropout of this model; there are: {', '.join(known) or 'none'}")
    if owners is None:
        belongs = _find_owners(model, masks, example)
    rates = {}
    for name, layer in belongs.items():
        module: Any = modules[name]
        if not hasattr(module, "original_p"):
            module.original_p = module.p
        module.p = rate(module.original_p, masks.kept_in(layer), masks[layer].numel())
        rates[name] = module.p
    return rates


_find_owners = owners  # the argument of adjust_dropout hides the function's name


def rates(model: nn.Module) -> dict[str, tuple[float, float]]:
    """(original rate, rate now) of every dropout, by module name."""
    return {
        name: (getattr(module, "original_p", module.p), module.p)
        for name, module in model.named_modules()
        if isinstance(module, _DropoutNd)
    }


def _execution_order(model: nn.Module, example: Tensor | None) -> list[str]:
    """Names of the leaf modules in the order in which they run, once for each time they run."""
    if not any(isinstance(module, _DropoutNd) for module in model.modules()):
        return []
    if example is None:
        try:
            graph = torch.fx.symbolic_trace(model).graph
        except Exception as error:  # tracing runs the model's own code: anything can come out of it
            raise ValueError(
                f"{type(model).__name__} cannot be traced without data ({error}); "
                "give example=, a batch of its input, or owners={dropout: layer}"
            ) from error
        return [str(node.target) for node in graph.nodes if node.op == "call_module"]
    order: list[str] = []

    def recorder(name: str) -> Callable[..., None]:
        return lambda *_: order.append(name)

    leaves = [(n, m) for n, m in model.named_modules() if not any(m.children())]
    hooks = [module.register_forward_pre_hook(recorder(name)) for name, module in leaves]
    training = model.training
    try:
        model.eval()
        with torch.no_grad():
            model(example)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return order
