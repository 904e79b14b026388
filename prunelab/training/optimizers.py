"""torch's optimizers without their torch.compile overhead, and saving of their state.

Creating an ordinary torch optimizer imports torch's compiler (0.7 s of CPU time, 75 MB), and each step calls it. As
nothing here is compiled, the decorators that do this are removed; everything else, hooks included, is unchanged.
Checked with torch 2.13; tests/training/test_optimizers.py compares with torch's own, step by step.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

DECORATED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def _plain(kind: Any) -> Any:
    """The optimizer class with undecorated methods; ``step`` stays under no_grad, as with its decorator."""
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in DECORATED}
    return type(kind.__name__, (kind,), methods | {"step": torch.no_grad()(inspect.unwrap(kind.step))})


def sgd(groups: list[dict[str, Any]], **settings: Any) -> Optimizer:
    """``torch.optim.SGD``."""
    optimizer: Optimizer = _SGD(groups, **settings)
    return optimizer


def adam(groups: list[dict[str, Any]], **settings: Any) -> Optimizer:
    """``torch.optim.Adam``."""
    optimizer: Optimizer = _Adam(groups, **settings)
    return optimizer


_SGD, _Adam = _plain(torch.optim.SGD), _plain(torch.optim.Adam)


def make_optimizer(
    name: str,
    weights: Sequence[nn.Parameter],
    others: Sequence[nn.Parameter],
    *,
    rate: float,
    decay: float,
) -> Optimizer:
    """SGD (momentum 0.9) or Adam. ``decay`` (factor of an L2 penalty) applies to ``weights``, not to ``others``."""
    groups = [
        {"params": list(weights), "weight_decay": decay},
        {"params": list(others), "weight_decay": 0.0},
    ]
    if name == "adam":
        return adam(groups, lr=rate)
    return sgd(groups, lr=rate, momentum=0.9)


def optimizer_state(optimizer: Optimizer) -> dict[str, Any]:
    """State of an optimizer: {"groups": settings by group, "tensors": copies of its tensors by "index/name"}."""
    state = optimizer.state_dict()
    tensors = {
        f"{index}/{name}": value.detach().clone()
        for index, moments in state["state"].items()
        for name, value in moments.items()
        if isinstance(value, Tensor)
    }
    return {"groups": state["param_groups"], "tensors": tensors}


def restore_optimizer(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """The inverse of ``optimizer_state``, for an optimizer over the same parameters."""
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in state["tensors"].items():
        index, name = key.split("/", 1)
        moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": moments, "param_groups": state["groups"]})
