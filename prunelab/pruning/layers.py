"""The weights of a model that can be pruned, and their names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn
from torch.nn.modules.conv import _ConvNd


def prunable(model: nn.Module) -> tuple[dict[str, nn.Parameter], dict[str, str]]:
    """Weights of Linear and Conv layers by name, and {other name: name} for tied weights.

    Raises ValueError for a weight that is computed from other parameters, or that has no shape yet.
    """
    weights: dict[str, nn.Parameter] = {}
    aliases: dict[str, str] = {}
    names: dict[int, str] = {}
    for prefix, module in model.named_modules(remove_duplicate=False):
        if not isinstance(module, nn.Linear | _ConvNd):
            continue
        name = f"{prefix}.weight" if prefix else "weight"
        weight = module._parameters.get("weight")
        if weight is None:
            raise ValueError(
                f"{name} is computed from other parameters (torch.nn.utils.prune or parametrize): "
                "take up what torch.nn.utils.prune did with Masks.from_torch(model); "
                "other reparametrisations have to be removed first"
            )
        if isinstance(weight, nn.parameter.UninitializedParameter):
            raise ValueError(f"{name} has no shape yet: run the model once before it is pruned")
        if id(weight) in names:
            aliases[name] = names[id(weight)]
        else:
            names[id(weight)] = name
            weights[name] = weight
    return weights, aliases


def transposed(model: nn.Module, weights: Mapping[str, nn.Parameter]) -> dict[str, int]:
    """Groups of each transposed convolution among ``weights``, by name: these weights have their inputs first."""
    groups = {id(m.weight): m.groups for m in model.modules() if isinstance(m, _ConvNd) and m.transposed}
    return {name: groups[id(weight)] for name, weight in weights.items() if id(weight) in groups}
