"""Whether two networks agree: their outputs, of any structure, compared tensor by tensor."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

HALF = 0.05  # of the largest output: by so much may a model differ that computes some of its parts in half precision


def rounded(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors of one type are the same up to rounding."""
    return a.dtype == b.dtype and torch.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True)


def near(a: Tensor, b: Tensor) -> bool:
    """Whether no value differs by more than HALF, where both are finite: a cut weight may make a dense one NaN.

    Whole numbers and booleans, such as predicted classes, may differ: the least rounding decides where two are level.
    """
    if not (a.is_floating_point() or a.is_complex()):
        return True
    known = torch.isfinite(a) & torch.isfinite(b)
    a, b = a[known].to(torch.complex128), b[known].to(torch.complex128)
    return not len(b) or bool((a - b).abs().max() <= HALF * b.abs().max() + 1e-5)


def same(a: Any, b: Any, alike: Callable[[Tensor, Tensor], bool] = rounded) -> bool:
    """Whether two outputs have the same structure, and tensors of the same shapes that are ``alike``.

    Numbers count as tensors, texts must be equal; of objects that are neither containers nor dataclasses only the types
    are compared.
    """
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and alike(a, b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key], alike) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y, alike) for x, y in zip(a, b, strict=True))
    if dataclasses.is_dataclass(a) and type(a) is type(b):
        return all(same(getattr(a, f.name), getattr(b, f.name), alike) for f in dataclasses.fields(a))
    if isinstance(a, int | float | complex) and type(a) is type(b):
        return alike(torch.as_tensor(a), torch.as_tensor(b))
    return type(a) is type(b) and (not isinstance(a, str) or a == b)
