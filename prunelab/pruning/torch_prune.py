"""Converts networks pruned by ``torch.nn.utils.prune`` into ordinary ones plus masks."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils import prune


def release(model: nn.Module) -> dict[str, Tensor]:
    """Undo torch's reparametrisation in place; returns its masks by parameter name, True where kept.

    Each ``name_orig`` becomes the parameter ``name`` again, with its cut entries at zero; torch's buffers and hooks are
    removed. Covers everything torch pruned, biases included. Raises ValueError if torch pruned nothing here.
    """
    masks: dict[str, Tensor] = {}
    for prefix, module in list(model.named_modules()):
        for hook in list(module._forward_pre_hooks.values()):
            if isinstance(hook, prune.BasePruningMethod):
                name: str = hook._tensor_name
                masks[f"{prefix}.{name}" if prefix else name] = getattr(module, f"{name}_mask").bool()
                prune.remove(module, name)
    if not masks:
        raise ValueError(
            f"torch.nn.utils.prune has pruned nothing in this {type(model).__name__}; "
            "for a network whose cut weights are plain zeros take Masks.from_zeros(model)"
        )
    return masks
