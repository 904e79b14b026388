"""Sees through the wrappers that torch puts around a model: torch.compile, DataParallel, DistributedDataParallel.

The model inside is the same; only its names have a prefix, "_orig_mod." or "module.". A forward that was replaced in
one object alone is a wrapper, too: a copy of the module may still call the original's.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Collection
from typing import Any

import torch
from torch import fx, nn

COMPILED = "_orig_mod"  # torch.compile's name for the model inside, anywhere in a name
PARALLEL = "module"  # that of both parallel wrappers, always outermost


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside the wrappers around it, or the model itself."""
    while (inside := _inside(model)) is not None:
        model = inside
    return model


def prefix(model: nn.Module) -> str:
    """What the names of a wrapped model have before those of the model inside, such as "_orig_mod."; "" for others."""
    before = ""
    while (inside := _inside(model)) is not None:
        before += f"{COMPILED if COMPILED in model._modules else PARALLEL}."
        model = inside
    return before


def unwrap_parts(model: nn.Module) -> None:
    """Put the models inside in place of all wrappers among the submodules of ``model``.

    A compiled forward becomes the method that was compiled.
    """
    for parent in list(model.modules()):
        forward = _own_forward(parent)
        method = _uncompiled(forward)
        if isinstance(method, types.MethodType) and method is not forward:
            parent.forward = types.MethodType(method.__func__, parent)
            if method.__func__ is type(parent).forward:
                del parent.forward
        for name, child in parent._modules.items():
            if child is not None:
                parent._modules[name] = unwrapped(child)


def replaced_forward(module: nn.Module) -> bool:
    """Whether a call of this module does something else than the forward of its class."""
    own_call = type(module).__call__ is not nn.Module.__call__ and not isinstance(module, fx.GraphModule)
    return _own_forward(module) is not None or own_call


def uncopied_forward(model: nn.Module) -> str | None:
    """In words, the first forward of ``model`` whose copy would run the weights of ``model``; None if there is none.

    A copy takes methods along (torch.compile's too, see ``unwrap_parts``) and partial functions, but no others.
    """
    for name, module in model.named_modules():
        forward = _uncompiled(_own_forward(module))
        if forward is not None and not isinstance(forward, types.MethodType | functools.partial):
            return (
                f"{name or type(module).__name__}.forward was replaced by a function, and a copy would still run the "
                "original's weights: make it a method (types.MethodType(function, module)), or give the model "
                "before forward is replaced"
            )
    return None


def _own_forward(module: nn.Module) -> Any:
    """The forward that was put into this one module; None for that of its class. Wrappers and TorchScript have none."""
    other = COMPILED in module._modules or isinstance(module, torch.jit.ScriptModule)
    return None if other else vars(module).get("forward")


def _uncompiled(forward: Any) -> Any:
    """What torch.compile was given to compile, or ``forward`` itself."""
    return getattr(forward, "_torchdynamo_orig_callable", forward)


def _inside(model: nn.Module) -> nn.Module | None:
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        inside = model.module
    else:
        inside = getattr(model, COMPILED, None)
    return inside if isinstance(inside, nn.Module) else None


def aligned(names: Collection[str], others: Collection[str]) -> dict[str, str] | None:
    """{name: the same name among ``others``}, where wrappers' prefixes do not count.

    None if one of ``names`` is not among them, or two of them are one.
    """
    if set(names) <= set(others):
        return {name: name for name in names}
    for parallel in (False, True):
        known = {_plain(name, parallel and _all_parallel(others)): name for name in others}
        found = {name: known.get(_plain(name, parallel and _all_parallel(names))) for name in names}
        same = {name: other for name, other in found.items() if other is not None}
        if len(same) == len(names) == len(set(same.values())):
            return same
    return None


def plain(name: str) -> str:
    """``name`` without the prefixes that torch.compile put into it."""
    return _plain(name, parallel=False)


def _plain(name: str, parallel: bool) -> str:
    parts = [part for part in name.split(".") if part != COMPILED]
    return ".".join(parts[1:] if parallel and parts[0] == PARALLEL else parts)


def _all_parallel(names: Collection[str]) -> bool:
    return all(_plain(name, parallel=False).startswith(f"{PARALLEL}.") for name in names)
