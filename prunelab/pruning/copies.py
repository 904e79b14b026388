"""Copies of models as they are, also in the middle of training."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

Model = TypeVar("Model", bound=nn.Module)


def copied(model: Model, memo: Mapping[int, Any] | None = None) -> Model:
    """A deep copy. What modules have kept of a forward pass is copied without its graph, which torch refuses to copy.

    Such are activations that a model remembers, and weights that hooks have set (weight_norm). memo: as for
    ``copy.deepcopy``, {id: what stands in the copy for that object}.
    """
    kept = [leaf for module in model.modules() for leaf in tree_leaves(vars(module)) if isinstance(leaf, Tensor)]
    results = {id(tensor): tensor.detach().clone() for tensor in kept if not tensor.is_leaf}
    return copy.deepcopy(model, results | dict(memo or {}))
