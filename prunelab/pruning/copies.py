"""Copies of models as they are, also in the middle of training."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

Copied = TypeVar("Copied")


def copied(original: Copied, memo: Mapping[int, Any] | None = None) -> Copied:
    """A deep copy. What modules have kept of a forward pass is copied without its graph, which torch refuses to copy.

    Such are activations that a model remembers, and weights that hooks have set (weight_norm). original: a model, or a
    tuple of one and what goes with it. memo: as for ``copy.deepcopy``, {id: what stands in the copy for that object}.
    """
    modules = [m for part in tree_leaves(original) if isinstance(part, nn.Module) for m in part.modules()]
    kept = [leaf for module in modules for leaf in tree_leaves(vars(module)) if isinstance(leaf, Tensor)]
    results = {id(tensor): tensor.detach().clone() for tensor in kept if not tensor.is_leaf}
    return copy.deepcopy(original, results | dict(memo or {}))
