"""2:4 sparsity on the tensor cores of a GPU: Linear layers with two zeros in every four neighbouring weights.

``masks.prune(density=0.5, unit="2:4")`` gives such weights. The kernels are torch's
(``torch.sparse.to_sparse_semi_structured``); this module checks their requirements first and explains refusals.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.sparse import to_sparse_semi_structured

from prunelab.errors import ConvertError
from prunelab.pruning.reparametrisation import described
from prunelab.pruning.selection import as_names
from prunelab.sparse.inference import tracing

TYPES = (torch.float16, torch.bfloat16)
ROWS, COLUMNS = 32, 64  # multiples that both torch backends accept (the stricter of the two)
CAPABILITY = (8, 0)  # Ampere: the first tensor cores with 2:4 sparsity


def is_2_4(weight: Tensor) -> bool:
    """Whether at most two of every four neighbours in each row of a matrix (rows, columns) are non-zero.

    False if the number of columns is not a multiple of four. NaN counts as non-zero.
    """
    if weight.dim() != 2 or weight.shape[1] % 4:
        return False
    groups = (weight.detach() != 0).reshape(weight.shape[0], -1, 4)
    return bool((groups.sum(-1) <= 2).all())


def refusal(module: nn.Module) -> str | None:
    """Why a Linear or Conv cannot run as 2:4, to follow its name; None if it can."""
    weight = module._parameters.get("weight")
    if weight is None:
        return described(module, "weight")
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
            f"is on {torch.cuda.get_device_name(weight.device)}, whose tensor cores do not support 2:4; "
            "Ampere and later do"
        )
    return None


def to_2_4(model: nn.Module, layers: str | Iterable[str] | None = None) -> nn.Module:
    """A copy of ``model`` for inference on its GPU, with Linear layers in 2:4 form.

    Args:
        model: A module on a CUDA device; it is not changed.
        layers: Names of the layers to convert (a string is one); None: every Linear and Conv, all of which must fit.

    Raises:
        ConvertError: A name matches no layer, or layers do not fit (each is listed with its reason): they must be
            Linear, float16 or bfloat16, a multiple of 32 x 64 (out x in), 2:4 sparse, and on an Ampere GPU or later.
    """
    known = tracing.modules(model)
    names = list(known) if layers is None else [tracing.resolve(name, known) for name in as_names(layers)]
    if not names:
        raise ConvertError(f"{type(model).__name__} has no Linear layer" if layers is None else "layers names no layer")
    refused = [f"{name} {why}" for name in names if (why := refusal(known[name])) is not None]
    if refused:
        raise ConvertError("; ".join(refused))
    twin = tracing.skeleton(model)
    tracing.own(twin, model)
    for module in {id(m): m for n, m in tracing.modules(twin).items() if n in names}.values():
        weight = to_sparse_semi_structured(module.get_parameter("weight").detach().contiguous())
        module.weight = nn.Parameter(weight, requires_grad=False)
    return twin
