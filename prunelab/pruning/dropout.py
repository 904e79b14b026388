"""Dropout rates after pruning: fewer connections overfit less, so they need less dropout."""

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
    """Owner of each dropout: {module name: parameter name of the last layer with a mask that runs before it}.

    A dropout without such a layer (on the input, for example) has no owner and keeps its rate; one that runs several
    times belongs to the layer before its first call. example: a batch for one forward pass; without it, the model is
    traced symbolically. Raises ValueError if the model cannot be traced without an example.
    """
    if not any(isinstance(module, _DropoutNd) for module in model.modules()):
        return {}
    owners: dict[str, str] = {}
    layer: str | None = None
    modules = dict(model.named_modules())
    for name in execution_order.execution(model, example):
        if isinstance(modules[name], _DropoutNd):
            if layer is not None:
                owners.setdefault(name, layer)
        else:
            try:
                layer = masks.resolve(name)
            except ValueError:
                continue  # a layer without a mask: activation, normalisation, excluded
    return owners


def named_owners(model: nn.Module, masks: Masks, names: Owners) -> dict[str, str]:
    """``names``, {dropout: layer}, with layers by parameter name. Raises ValueError for unknown names."""
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
    """Set the dropout rates of ``model`` for its masks: original rate x sqrt(kept / total) of the layer before.

    Call it after each round. Source: Han et al. 2015, section 3.2.

    Args:
        model: The masked model; its dropout modules are changed in place.
        masks: Masks of this model.
        example: A batch, for models that cannot be traced without one.
        owners: {dropout: layer}, to override the execution order. The owners of other dropouts are determined only if
            there is an example; without one these keep their rates.
        originals: {dropout: rate before pruning, 0 to 1}. None: the rate is stored on each module at the first call,
            so that repeated calls do not compound.

    Returns:
        The new rates by module name, 0 to 1.

    Raises:
        ValueError: A name matches no dropout or layer, or the model cannot be traced without an example.
    """
    modules = dict(model.named_modules())
    layer_of_dropout = _find_owners(model, masks, example) if owners is None or example is not None else {}
    layer_of_dropout |= named_owners(model, masks, owners or {})
    rates = {}
    for name, layer in layer_of_dropout.items():
        module: Any = modules[name]
        if originals is not None:
            original = originals[name]
        else:
            original = module.original_p = getattr(module, "original_p", module.p)
        rates[name] = module.p = rate(original, masks.kept_in(layer), masks[layer].numel())
    return rates


_find_owners = owners  # an argument of adjust_dropout shadows the name


def rates(model: nn.Module) -> dict[str, float]:
    """Current rate of every dropout, by module name."""
    return {name: module.p for name, module in model.named_modules() if isinstance(module, _DropoutNd)}


def original_rates(model: nn.Module) -> dict[str, float]:
    """Rate of every dropout before pruning, by module name: as stored by ``adjust_dropout``, else the current one."""
    modules = dict(model.named_modules())
    return {name: getattr(modules[name], "original_p", now) for name, now in rates(model).items()}
