"""Puts the tensors of a packed file into a model, all or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from prunelab.errors import PackedError
from prunelab.pruning import model_state, wrappers
from prunelab.pruning.layers import identity
from prunelab.pruning.reparametrisation import computed

NAMED = 3  # differences that an error names


def fill(model: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load ``tensors`` into ``model`` if names, shapes, types and ties match; else PackedError, with it unchanged.

    Prefixes of wrappers (torch.compile, DataParallel) count neither in the file's names nor in the model's. source:
    what the tensors come from, for the error.
    """
    if reason := model_state.quantised(model) or model_state.without_values(model):
        raise PackedError(f"{source} cannot be loaded: {reason}. The model was not touched")
    expected = model.state_dict()
    names = wrappers.aligned(tensors, expected) or {name: name for name in tensors}
    named = {names[name]: tensor for name, tensor in tensors.items()}
    wrong = list(_differences(expected, named))
    if wrong:
        more = f", and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        words = f"{'; '.join(wrong[:NAMED])}{more}. The model was not touched"
        if weight := next(computed(model), None):
            words += f"; it computes {weight.full_name} from others ({weight.by}), where the file may hold the result"
        raise PackedError(f"{source} is not of this {type(model).__name__}: {words}")
    model.load_state_dict(named)


def _differences(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Iterator[str]:
    yield from (f"{name} is in the model only" for name in expected if name not in given)
    yield from (f"{name} is in the file only" for name in given if name not in expected)
    first: dict[Any, str] = {}
    for name, current in ((name, current) for name, current in expected.items() if name in given):
        stored = given[name]
        if stored.shape != current.shape or stored.dtype != current.dtype:
            in_file, in_model = (f"{t.dtype} of shape {tuple(t.shape)}" for t in (stored, current))
            yield f"{name} is {in_file} in the file, {in_model} in the model"
        elif current.numel() and not _equal(stored, given[first.setdefault(identity(current), name)]):
            yield f"{name} and {first[identity(current)]} are one tensor in the model, two in the file"


def _equal(a: Tensor, b: Tensor) -> bool:
    if a is b:
        return True
    if a.is_floating_point() and a.itemsize == 1:  # torch does not compare these types
        a, b = a.float(), b.float()
    return torch.equal(a, b)
