"""2:4: Linear layers of which two in every four neighbouring weights are zero, on the tensor cores of a GPU.

Such weights come from ``masks.prune(density=0.5, unit="2:4")``. The kernels are torch's
(``torch.sparse.to_sparse_semi_structured``); here is what they need, checked before, and refused in words.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.sparse import to_sparse_semi_structured

from prunelab.errors import ConvertError
from prunelab.sparse.inference import tracing

TYPES = (torch.float16, torch.bfloat16)
ROWS, COLUMNS = 32, 64  # what both of torch's backends take (the stricter of the two)
CAPABILITY = (8, 0)  # Ampere: the first tensor cores that skip zeros


def is_2_4(weight: Tensor) -> bool:
    """Whether at most two of every four neighbours in each row of a matrix (rows, columns) are non-zero.

    False for columns that are not a multiple of four. NaN is not zero.
    """
    if weight.dim() != 2 or weight.shape[1] % 4:
        return False
    groups = (weight.detach() != 0).reshape(weight.shape[0], -1, 4)
    return bool((groups.sum(-1) <= 2).all())


def refusal(module: nn.Module) -> str | None:
    """Why a Linear or Conv cannot run as 2:4, ready to follow its name; None if it can."""
    weight = module.get_parameter("weight")
    if not (isinstance(module, nn.Linear) and tracing.is_plain(module)):
        return f"is a {type(module).__name__}: only Linear layers, without hooks, have a 2:4 kernel"
    if weight.dtype not in TYPES:
        return f"is {weight.dtype}: 2:4 kernels take half or bfloat16; convert it first, as with model.half()"
    rows, columns = weight.shape
    if not rows or not columns or rows % ROWS or columns % COLUMNS:
        return f"is {rows} x {columns}: 2:4 kernels take multiples of {ROWS} x {COLUMNS}"
    if not is_2_4(weight):
        return 'has more than two of four neighbours left: prune it with masks.prune(density=0.5, unit="2:4")'
    if weight.device.type != "cuda":
        return f"is on {weight.device}: 2:4 kernels run on CUDA devices only; on the CPU take convert()"
    if torch.cuda.get_device_capability(weight.device) < CAPABILITY:
        return (
            f"is on {torch.cuda.get_device_name(weight.device)}, whose tensor cores know no 2:4 (Ampere and later do)"
        )
    return None


def to_2_4(model: nn.Module, layers: Iterable[str] | None = None) -> nn.Module:
    """A copy of ``model`` for inference on its GPU, Linear layers as 2:4; ``model`` itself stays untouched.

    layers: these alone, by name; None: every Linear and Conv, all of which must fit. Raises ConvertError for names that
    match nothing, and for layers that do not fit: it names each, with the reason.
    """
    known = tracing.weighted(model)
    names = list(known) if layers is None else [tracing.resolve(name, known) for name in layers]
    if not names:
        raise ConvertError(f"{type(model).__name__} has no Linear layer" if layers is None else "layers names no layer")
    refused = [f"{name} {why}" for name in names if (why := refusal(known[name])) is not None]
    if refused:
        raise ConvertError("; ".join(refused))
    twin = tracing.skeleton(model)
    tracing.own(twin, model)
    for module in {id(m): m for n, m in tracing.weighted(twin).items() if n in names}.values():
        weight = to_sparse_semi_structured(module.get_parameter("weight").detach().contiguous())
        module.weight = nn.Parameter(weight, requires_grad=False)
    return twin
