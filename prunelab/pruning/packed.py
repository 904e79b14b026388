"""Weights of a model that are none of its parameters: packed for their kernels, they cannot be cut."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from prunelab.pruning.model_state import QUANTISED


class PackedWeight(nn.Module):
    """A module whose weight stands in buffers, in a form that its kernels need."""

    def to_dense(self) -> Tensor:
        """The weight as it would stand in a layer."""
        raise NotImplementedError


def packed(model: nn.Module) -> dict[str, Mapping[str, Tensor] | None]:
    """{module: its packed weights by name} in the model's order; None for what holds some that cannot be read.

    Read are those of torch's quantisation and of its MKL-DNN modules, and what ``sparse.convert`` made.
    """
    found: dict[str, Mapping[str, Tensor] | None] = {}
    for path, module in model.named_modules():
        if any(path.startswith(f"{known}.") for known in found):
            continue
        weights = _read(module)
        if weights:
            found[path] = weights
        elif any(isinstance(value, torch.ScriptObject) for value in vars(module).values()):
            found[path] = None
    return found


def _read(module: nn.Module) -> Mapping[str, Tensor]:
    """The weights that a module packs, by name; {} if it packs none, or does not say."""
    if isinstance(module, PackedWeight):
        return {"weight": module.to_dense()}
    if any(kind.__module__.startswith(QUANTISED) for kind in type(module).__mro__) and not [*module.parameters()]:
        read = getattr(module, "get_weight", None) or getattr(module, "weight", None)
        weights = read() if callable(read) else {}
        return weights if isinstance(weights, Mapping) else {"weight": weights}
    return {
        name: buffer for name, buffer in module.named_buffers(recurse=False) if buffer.is_mkldnn and buffer.dim() > 1
    }
