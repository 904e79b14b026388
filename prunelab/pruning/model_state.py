"""States of a model in which its weights cannot be read or cut: quantised, TorchScript, without values, overlapping.

Each function says in words what is in the way and what to do, or None.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

# Types that numbers can be compared, multiplied and trained in.
ARITHMETIC = {
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.complex64, torch.complex128),
}
QUANTISED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torch.ao.nn.sparse.quantized")


def obstacle(model: nn.Module) -> str | None:
    """Why a model as a whole cannot be worked on."""
    return scripted(model) or quantised(model) or without_values(model)


def checked_module(model: Any) -> nn.Module:
    """``model``; TypeError if it is no module but what is often at hand in its place."""
    if isinstance(model, nn.Module):
        return model
    if isinstance(model, type):
        raise TypeError(f"model is the class {model.__name__}: make a network of it first, {model.__name__}(...)")
    state = "; load_state_dict of a network takes up a state dict" if isinstance(model, Mapping) else ""
    raise TypeError(f"model is a {type(model).__name__}: must be a torch.nn.Module{state}")


def scripted(model: nn.Module) -> str | None:
    """The first module that is TorchScript, which has no Python modules that could be looked into."""
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            return f"{_place(name, module)} is TorchScript: give the module that was scripted or traced"
    return None


def quantised(model: nn.Module) -> str | None:
    """The first module that torch quantised: its weights are packed integers."""
    for name, module in model.named_modules():
        if type(module).__module__.startswith(QUANTISED):
            return (
                f"{_place(name, module)} is quantised (a {type(module).__module__}.{type(module).__name__}): "
                "prune, save and convert the network before it is quantised"
            )
    return None


def without_values(model: nn.Module) -> str | None:
    """The first parameter or buffer on the meta device, or without a shape."""
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        if nn.parameter.is_lazy(tensor):
            return f"{name} has no shape yet: run the model once first"
        if tensor.is_meta:
            return _on_meta(name)
    return None


def cuttable(weights: Mapping[str, nn.Parameter]) -> dict[str, nn.Parameter]:
    """Those of ``weights`` that have any entries; ValueError if a mask cannot be put on one, or on none."""
    filled = {name: weight for name, weight in weights.items() if weight.numel()}
    if not filled:
        raise ValueError(f"{', '.join(weights)}: no entries, there is nothing to prune")
    for reason in map(uncuttable, filled, filled.values()):
        if reason:
            raise ValueError(reason)
    if reason := overlapping(filled):
        raise ValueError(reason)
    return filled


def uncuttable(name: str, weight: Tensor) -> str | None:
    """Why no mask can be put on one weight."""
    if hasattr(weight, "__tensor_flatten__"):  # torch's protocol for tensors that are made of others
        return (
            f"{name} is a {type(weight).__name__}, a tensor made of others: prune before it is quantised or distributed"
        )
    if weight.layout != torch.strided:
        return (
            f"{name} is stored as {weight.layout}: masks need all of its entries; make it dense, "
            "nn.Parameter(weight.to_dense()), and prunelab.Masks.from_zeros takes its zeros up"
        )
    if weight.is_conj() or weight.is_neg():
        return (
            f"{name} is a view that conjugates or negates another tensor: make it one of its own, "
            "nn.Parameter(weight.resolve_conj().resolve_neg().clone())"
        )
    if weight.dtype not in ARITHMETIC:
        return (
            f"{name} is {weight.dtype}: masks need weights in float16, bfloat16, float32, float64 or complex; prune "
            "before the network is quantised"
        )
    if weight.is_meta:
        return _on_meta(name)
    if _spread(weight) < weight.numel():
        return (
            f"{name} is expanded, several of its entries are one number in memory: make it a tensor of its own, "
            "nn.Parameter(weight.contiguous())"
        )
    return None


def unwritable(name: str, weight: Tensor) -> str | None:
    """Why one weight cannot be set to zero: it may have been given other values since its mask was made."""
    if weight.is_inference() and not torch.is_inference_mode_enabled():
        return (
            f"{name} was made in torch.inference_mode() and cannot be changed outside of it: prune a copy, "
            "copy.deepcopy(model)"
        )
    return uncuttable(name, weight)


def overlapping(weights: Mapping[str, Tensor]) -> str | None:
    """Two weights of different names that share some of their memory, so that a cut in one would cut the other."""
    by_storage: dict[Any, list[tuple[str, Tensor]]] = {}
    for name, weight in weights.items():
        if weight.numel() and not weight.is_meta:
            by_storage.setdefault((weight.device, weight.untyped_storage().data_ptr()), []).append((name, weight))
    for views in by_storage.values():
        before: list[tuple[str, Tensor]] = []  # those that may reach into the next one
        for name, weight in sorted(views, key=lambda view: _extent(view[1])):
            before = [(other, view) for other, view in before if _extent(view)[1] > _extent(weight)[0]]
            for other, view in before:
                if _share(view, weight):
                    return (
                        f"{name} and {other} are different views of the same memory: a cut in one would cut the other. "
                        "Tie them as one Parameter, or make one a copy"
                    )
            before.append((name, weight))
    return None


def _share(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors over one storage have a byte in common."""
    taken = torch.zeros(max(_extent(a)[1], _extent(b)[1]), dtype=torch.bool, device="cpu")
    _bytes(taken, a).fill_(True)
    return bool(_bytes(taken, b).any())


def _extent(view: Tensor) -> tuple[int, int]:
    """First byte of a view in its storage, and the first one behind it."""
    last = sum((size - 1) * stride for size, stride in zip(view.shape, view.stride(), strict=True))
    start = int(view.storage_offset())
    return start * view.itemsize, (start + int(last) + 1) * view.itemsize


def _bytes(storage: Tensor, view: Tensor) -> Tensor:
    """The bytes of ``view`` in ``storage``, which has an element for each byte."""
    strides = [stride * view.itemsize for stride in view.stride()]
    return storage.as_strided((*view.shape, view.itemsize), (*strides, 1), _extent(view)[0])


def _spread(view: Tensor) -> int:
    """Number of different places of a view in memory, if no two of its dimensions overlap."""
    spread = 1
    for size, stride in zip(view.shape, view.stride(), strict=True):
        spread *= size if stride else min(size, 1)
    return spread


def _on_meta(name: str) -> str:
    return (
        f"{name} is on meta, the device without values: make the model on a real device, or call "
        "model.to_empty(device='cpu') and fill it first"
    )


def _place(name: str, module: nn.Module) -> str:
    return name or type(module).__name__
