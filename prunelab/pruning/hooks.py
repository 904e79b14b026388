"""Forward hooks that change activations: what torch.fx does not see, where it takes a module as a whole."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from prunelab.inputs import Inputs, tensors_in
from prunelab.pruning.copies import copied


def changing(model: nn.Module, names: Iterable[str], inputs: Inputs) -> str | None:
    """The first of the modules with ``names`` that has a forward hook or pre-hook which changes activations.

    A copy of ``model`` runs on the inputs in eval mode, if any of the modules has a hook at all: hooks that only record
    change nothing. Raises whatever the model raises.
    """
    hooked = {name for name in names if _hooks(model.get_submodule(name))}
    if not hooked:
        return None
    twin = copied(model).eval()
    found: dict[str, None] = {}
    for name in hooked:
        module = twin.get_submodule(name)
        for hooks, before in ((module._forward_pre_hooks, True), (module._forward_hooks, False)):
            for key, hook in hooks.items():
                hooks[key] = functools.partial(_watch, hook, before, functools.partial(found.setdefault, name))
    with torch.no_grad():
        inputs.cloned().run(twin)
    return next(iter(found), None)


def remove(module: nn.Module) -> None:
    """Take all forward hooks and pre-hooks off a module."""
    module._forward_pre_hooks.clear()
    module._forward_hooks.clear()


def _hooks(module: nn.Module) -> bool:
    return bool(module._forward_pre_hooks or module._forward_hooks)


def _watch(hook: Callable[..., Any], before: bool, tell: Callable[[], Any], module: nn.Module, *given: Any) -> Any:
    """Call a hook, and ``tell`` if it changes what it is given, in place or by what it returns."""
    values = [x.detach().clone() for x in tensors_in(given)]
    result = hook(module, *given)
    if result is None:
        now = given
    elif before:  # the arguments, or those and the ones by name
        now = result if len(given) > 1 else (result if isinstance(result, tuple) else (result,),)
    else:
        now = (*given[:-1], result)
    if not _same(values, tensors_in(now)):
        tell()
    return result


def _same(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) and all(map(_equal, a, b))


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())
