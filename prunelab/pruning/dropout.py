"""The dropout rule: a pruned layer has fewer connections to overfit with, so it needs less dropout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from prunelab.pruning import execution_order
from prunelab.pruning.masks import Masks

Owners = Mapping[str, str]  # dropout module -> parameter name of the layer it belongs to


def rate(original: float, kept: int, total: int) -> float:
    """Dropout rate after pruning: D_o x sqrt(C_ir / C_io), with C the connections of the layer before the dropout.

    original: 0 to 1. kept: 0 to total. Source: Han et al. 2015, section 3.2.
    """
    return original * math.sqrt(kept / total)


def owners(model: nn.Module, masks: Masks, example: Tensor | None = None) -> dict[str, str]:
    """For each dropout module, by name, the weight (parameter name) of the prunable layer that runs before it.

    Found by one forward pass of ``example`` (a batch), or, without an example, by tracing the model symbolically.
    A dropout that no prunable layer precedes (on the input, say) has no owner and keeps its rate; one that runs several
    times belongs to the layer before its first run. Raises ValueError when the model cannot be traced without an
    example.
    """
    if not any(isinstance(module, _DropoutNd) for module in model.modules()):
        return {}
    found: dict[str, str] = {}
    layer: str | None = None
    modules = dict(model.named_modules())
    for name in execution_order.execution(model, example):
        if isinstance(modules[name], _DropoutNd):
            if layer is not None:
                found.setdefault(name, layer)
        else:
            try:
                layer = masks.resolve(name)
            except ValueError:
                continue  # a layer without a mask: activation, normalisation, excluded
    return found


def named_owners(model: nn.Module, masks: Masks, names: Owners) -> dict[str, str]:
    """``names``, {dropout: layer}, with parameter names for the layers. ValueError for names that match nothing."""
    modules = dict(model.named_modules())
    for name in names:
        if not isinstance(modules.get(name), _DropoutNd):
            known = [n for n, m in modules.items() if isinstance(m, _DropoutNd)]
            raise ValueError(f"{name!r} is no dropout of this model; there are: {', '.join(known) or 'none'}")
    return {name: masks.resolve(layer) for name, layer in names.items()}


def adjust_dropout(
    model: nn.Module,
    masks: Masks,
    *,
    example: Tensor | None = None,
    owners: Owners | None = None,
    originals: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Set every dropout of ``model`` to its rate under ``masks``; returns the rates by module name.

    example: a batch, for models that cannot be traced without one. owners: {dropout: layer} where the order does not
    tell; with an example the others are found, without one they keep their rates. originals: {dropout: rate before
    pruning}; without, the rate is remembered on the module the first time, so that calling this again after every round
    is right. Raises ValueError for names that match nothing.
    """
    modules = dict(model.named_modules())
    belongs = _find_owners(model, masks, example) if owners is None or example is not None else {}
    belongs |= named_owners(model, masks, owners or {})
    rates = {}
    for name, layer in belongs.items():
        module: Any = modules[name]
        if originals is not None:
            original = originals[name]
        else:
            original = module.original_p = getattr(module, "original_p", module.p)
        rates[name] = module.p = rate(original, masks.kept_in(layer), masks[layer].numel())
    return rates


_find_owners = owners  # the argument of adjust_dropout hides the function's name


def rates(model: nn.Module) -> dict[str, float]:
    """The rate of every dropout now, by module name."""
    return {name: module.p for name, module in model.named_modules() if isinstance(module, _DropoutNd)}


def original_rates(model: nn.Module) -> dict[str, float]:
    """The rate of every dropout before any pruning, as far as ``adjust_dropout`` has remembered it."""
    modules = dict(model.named_modules())
    return {name: getattr(modules[name], "original_p", now) for name, now in rates(model).items()}
