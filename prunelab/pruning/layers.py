"""The weights of a model that can be pruned, and their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd


def linear_and_conv(model: nn.Module) -> Iterator[tuple[str, nn.Module, nn.Parameter]]:
    """(parameter name, layer, weight) of every Linear and Conv, shared modules under each of their names.

    Raises ValueError for weights that are computed from other parameters, or have no shape yet.
    """
    for prefix, module in model.named_modules(remove_duplicate=False):
        if not isinstance(module, nn.Linear | _ConvNd):
            continue
        name = f"{prefix}.weight" if prefix else "weight"
        weight = module._parameters.get("weight")
        if weight is None:
            raise ValueError(
                f"{name} is computed from other parameters (torch.nn.utils.prune or parametrize): "
                "take up what torch.nn.utils.prune did with Masks.from_torch(model), or remove it with "
                "torch.nn.utils.prune.remove(module, 'weight'); other reparametrisations have to be removed first"
            )
        if isinstance(weight, nn.parameter.UninitializedParameter):
            raise ValueError(f"{name} has no shape yet: run the model once first")
        yield name, module, weight


def prunable(model: nn.Module) -> tuple[dict[str, nn.Parameter], dict[str, str]]:
    """Weights of Linear and Conv layers by name, and the further names of those that are tied. ValueError as above."""
    weights: dict[str, nn.Parameter] = {}
    aliases: dict[str, str] = {}
    names: dict[int, str] = {}
    for name, _, weight in linear_and_conv(model):
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


def identity(tensor: Tensor) -> Any:
    """The same for two tensors if and only if they are one in memory: tied weights have one identity."""
    return tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()
