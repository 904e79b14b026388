"""Optimizers: torch's own, without what they load and do for torch.compile.

As they come, making one of them imports torch's compiler (0.7 s of processor time, 75 MB), and every step tells it that
it has begun and ended. Nothing here is compiled. What is taken off are the decorators that do so; the rest, hooks too,
is as it was.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
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
