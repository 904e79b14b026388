"""Networks that ``torch.nn.utils.prune`` has pruned, turned back into ordinary ones with their masks."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils import prune


def release(model: nn.Module) -> dict[str, Tensor]:
    """Undo torch's reparametrisation in place, and give the masks it held, by parameter name; True where kept.

    Each ``name_orig`` becomes ``name`` again, a parameter with its cut entries at zero; buffers and hooks go. Covers
    everything torch pruned, biases too. Raises ValueError when torch has pruned nothing here.
    """
    found: dict[str, Tensor] = {}
    for prefix, module in list(model.named_modules()):
        for hook in list(module._forward_pre_hooks.values()):
            if isinstance(hook, prune.BasePruningMethod):
                name: str = hook._tensor_name
                found[f"{prefix}.{name}" if prefix else name] = getattr(module, f"{name}_mask").bool()
                prune.remove(module, name)
    if not found:
        raise ValueError(
            f"torch.nn.utils.prune has pruned nothing in this {type(model).__name__}; "
            "for a network whose cut weights are plain zeros take Masks.from_zeros(model)"
        )
    return found
