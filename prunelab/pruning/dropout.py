"""Dropout rates after pruning: fewer connections overfit less, so they need less dropout."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from prunelab.errors import DropoutWarning, warn
from prunelab.formatting import module_of
from prunelab.inputs import Example
from prunelab.pruning.dataflow import dataflow, functional_dropouts
from prunelab.pruning.masks import Masks

Owners = Mapping[str, str]  # dropout module -> parameter name of the layer it belongs to


def rate(original: float, kept: int, total: int) -> float:
    """Dropout rate after pruning: D_o x sqrt(C_ir / C_io), with C the connections of the layer before the dropout.

    original: 0 to 1. kept: 0 to total. Source: Han et al. 2015, section 3.2.
    """
    return original * math.sqrt(kept / total)


class Found(NamedTuple):
    """Owners of dropouts, {module name: parameter name of a layer}, and what keeps its rate.

    missed: {module name: why}; others: in words, dropouts that are no modules.
    """

    owners: dict[str, str]
    missed: dict[str, str]
    others: list[str]

    def warn(self, named: Collection[str] = (), stacklevel: int = 3) -> None:
        """A DropoutWarning of what keeps its rate, if anything does. named: modules with an owner by name."""
        kept = [f"{name} ({why})" for name, why in self.missed.items() if name not in named] + self.others
        if kept:
            warn(
                f"this dropout keeps its rate as connections go: {'; '.join(kept)}. Where that is too much, set it by "
                "hand: original rate x sqrt(kept / total) of the layer before it",
                DropoutWarning,
                stacklevel=stacklevel,
            )


def find(model: nn.Module, masks: Masks, example: Example | None = None) -> Found:
    """Owner of each dropout: the last layer with a mask that runs before it, with no other weights between.

    A dropout with no weights before it (on the input) has no owner and keeps its rate; one that runs several times
    belongs to the layer before its first call. example: a batch for one forward pass; without it, the model is traced
    symbolically. Raises ValueError if the model cannot be traced without an example, or cannot run on it.
    """
    modules = {name: module for name, module in model.named_modules() if isinstance(module, _DropoutNd)}
    owners: dict[str, str] = {}
    missed: dict[str, str] = {}
    if modules:
        before = dataflow(model, _stops(model, masks), example).dropouts
        for name, module in modules.items():
            owner = next((layer for layer in reversed(before.get(name, ())) if layer in masks), None)
            if owner is not None:
                owners[name] = owner
            elif module.p and before.get(name):
                missed[name] = f"{module.p:g}, behind {before[name][-1]}, which has no mask"
            elif module.p and name not in before:
                why = "inside a module that torch.fx does not look into: give example=" if example is None else "unused"
                missed[name] = f"{module.p:g}, {why}"
    return Found(owners, missed, [*_numbers(model), *_functions(model, example)])


def owners(model: nn.Module, masks: Masks, example: Example | None = None) -> dict[str, str]:
    """The owners that ``find`` finds."""
    return find(model, masks, example).owners


def _stops(model: nn.Module, masks: Masks) -> dict[str, str]:
    """The weights that stand between a dropout and what runs before: all, except those of layers that were left out."""
    stops = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        left_out = isinstance(model.get_submodule(name.rpartition(".")[0]), nn.Linear | _ConvNd)
        if name in masks:
            stops[name] = masks.resolve(name)
        elif parameter.dim() > 1 and not left_out:
            stops[name] = name
    return stops


def _numbers(model: nn.Module) -> Iterator[str]:
    """Modules that drop out by themselves, with the rate as a number."""
    for name, module in model.named_modules():
        if isinstance(module, nn.RNNBase | nn.MultiheadAttention) and module.dropout:
            yield f"{name or 'the model'} ({type(module).__name__}, dropout={module.dropout:g})"


def _functions(model: nn.Module, example: Example | None) -> list[str]:
    try:
        rates = functional_dropouts(model, example)
    except ValueError:
        if example is not None:
            raise
        return ["functions such as F.dropout, if it calls any (give example=: it cannot be traced without)"]
    return [f"a function in the code of {type(model).__name__} (F.dropout or the like, {rate:g})" for rate in rates]


def weights_beside(masks: Masks, owner: str) -> list[str]:
    """Names of all masked weights of the layer that ``owner`` is one of: those of an LSTM count together."""
    return [name for name in masks if module_of(name) == module_of(owner)]


def named_owners(model: nn.Module, masks: Masks, names: Owners) -> dict[str, str]:
    """``names``, {dropout: layer}, with the name of a weight of each layer. Raises ValueError for unknown names."""
    _check_dropouts(model, names)
    return {name: masks.names_of(layer)[0] for name, layer in names.items()}


def _check_dropouts(model: nn.Module, names: Iterable[str]) -> None:
    modules = dict(model.named_modules())
    for name in names:
        if not isinstance(modules.get(name), _DropoutNd):
            known = [n for n, m in modules.items() if isinstance(m, _DropoutNd)]
            raise ValueError(f"{name!r} is no dropout of this model; there are: {', '.join(known) or 'none'}")


def adjust_dropout(
    model: nn.Module,
    masks: Masks,
    *,
    example: Example | None = None,
    owners: Owners | None = None,
    originals: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Set the dropout rates of ``model`` for its masks: original rate x sqrt(kept / total) of the layer before.

    All weights of a layer count, such as both of a GRU. Call it after each round. Source: Han et al. 2015, section 3.2.

    Args:
        model: The masked model; its dropout modules are changed in place.
        masks: Masks of this model.
        example: A batch of input (a tensor, a tuple of arguments, or a dict of arguments by name), for models that
            cannot be traced without one; attention is looked into only with one.
        owners: {dropout: layer}, to override the execution order. The owners of other dropouts are determined only if
            there is an example; without one these keep their rates.
        originals: {dropout: rate before pruning, 0 to 1}, of each that is adjusted. None: see ``original_rates``.

    Returns:
        The new rates by module name, 0 to 1. A DropoutWarning names the dropouts that keep their rates (functions such
        as F.dropout, rates of LSTM or MultiheadAttention, and modules behind weights without a mask).

    Raises:
        ValueError: A name matches no dropout or layer, a rate in ``originals`` is missing or not 0 to 1, or the model
            cannot be traced without an example. No rate is changed then.
    """
    modules = dict(model.named_modules())
    layer_of_dropout = named_owners(model, masks, owners or {})
    if owners is None or example is not None:
        found = find(model, masks, example)
        found.warn(layer_of_dropout)
        layer_of_dropout = found.owners | layer_of_dropout
    before = original_rates(model) if originals is None else _checked(model, layer_of_dropout, originals)
    rates = {
        name: rate(before[name], sum(map(masks.kept_in, layer)), sum(map(masks.total_in, layer)))
        for name, layer in ((name, weights_beside(masks, owner)) for name, owner in layer_of_dropout.items())
    }
    for name, value in rates.items():
        set_rate(modules[name], before[name], value)
    return rates


def set_rate(module: Any, original: float, now: float) -> None:
    """Set a dropout's rate ``now``, and remember its ``original`` one, so that repeated adjustments do not compound."""
    module.p = module.adjusted_p = now
    module.original_p = original


def _checked(model: nn.Module, adjusted: Collection[str], originals: Mapping[str, float]) -> Mapping[str, float]:
    """``originals``; ValueError unless they are rates of dropouts of ``model``, of the ``adjusted`` ones among them."""
    _check_dropouts(model, originals)
    if missing := [name for name in adjusted if name not in originals]:
        raise ValueError(
            f"originals = {dict(originals)!r}: the rate of {', '.join(missing)} is missing; give that of each dropout "
            f"that is adjusted: {', '.join(adjusted)}"
        )
    for name, value in originals.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= value <= 1:
            raise ValueError(f"originals of {name} = {value!r}: must be a rate, 0 to 1")
    return originals


def rates(model: nn.Module) -> dict[str, float]:
    """Current rate of every dropout, by module name."""
    return {name: module.p for name, module in model.named_modules() if isinstance(module, _DropoutNd)}


def original_rates(model: nn.Module) -> dict[str, float]:
    """Rate of every dropout before pruning, by module name: as ``set_rate`` remembers it, else the current one.

    A rate that was set by hand since then is a new original.
    """
    modules = dict(model.named_modules())
    return {
        name: getattr(modules[name], "original_p", now) if getattr(modules[name], "adjusted_p", now) == now else now
        for name, now in rates(model).items()
    }
