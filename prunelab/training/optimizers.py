"""Torch's own optimizers, without what they load and do for torch.compile; and their state, to be saved.

As they come, making one of them imports torch's compiler (0.7 s of processor time, 75 MB), and every step tells it that
it has begun and ended. Nothing here is compiled. What is taken off are the decorators that do so; the rest, hooks too,
is as it was.
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
    """The same optimizer with undecorated methods; ``step`` keeps what its decorator did beside: no gradients."""
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in DECORATED}
    return type(kind.__name__, (kind,), methods | {"step": torch.no_grad()(inspect.unwrap(kind.step))})


def sgd(groups: list[dict[str, Any]], **settings: Any) -> Optimizer:
    """``torch.optim.SGD``."""
    made: Optimizer = _SGD(groups, **settings)
    return made


def adam(groups: list[dict[str, Any]], **settings: Any) -> Optimizer:
    """``torch.optim.Adam``."""
    made: Optimizer = _Adam(groups, **settings)
    return made


_SGD, _Adam = _plain(torch.optim.SGD), _plain(torch.optim.Adam)


def make_optimizer(
    name: str,
    weights: Sequence[nn.Parameter],
    others: Sequence[nn.Parameter],
    *,
    rate: float,
    decay: float,
) -> Optimizer:
    """SGD (momentum 0.9) or Adam. ``decay`` (the factor of an L2 penalty) acts on ``weights``, not on ``others``."""
    groups = [
        {"params": list(weights), "weight_decay": decay},
        {"params": list(others), "weight_decay": 0.0},
    ]
    if name == "adam":
        return adam(groups, lr=rate)
    return sgd(groups, lr=rate, momentum=0.9)


def optimizer_state(optimizer: Optimizer) -> dict[str, Any]:
    """An optimizer's state as {"groups": settings by group, "tensors": copies of its tensors by index and name}."""
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
