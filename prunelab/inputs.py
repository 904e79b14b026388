"""Example inputs of a model, in one form everywhere: a tensor, a tuple of arguments, or a dict of arguments by name.

And the tensors in what the model gives for them, in whatever form.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

Example = Tensor | tuple[Any, ...] | Mapping[str, Any]

NO_INPUT = (np.ndarray, np.generic, str, bytes, bool, int, float, complex, type(None))  # carry no tensor to run on
CLOSED = (Tensor, range, *NO_INPUT)  # nothing is to be looked for within


@dataclass(frozen=True, eq=False)
class Inputs:
    """The arguments of one call of a model."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @classmethod
    def of(cls, example: Any, model: nn.Module) -> Inputs:
        """The arguments that ``example`` stands for.

        A tuple holds the arguments in order. A dict holds them by name if ``model`` has arguments of these names, else
        it is one argument, as is anything else: a list of tensors, or an object that holds some. Arguments may be
        nested, and some may be no tensors. Raises ValueError, in words, for an example without a tensor.
        """
        leaves = tree_leaves(dict(example) if isinstance(example, Mapping) else example)
        if all(isinstance(leaf, NO_INPUT) for leaf in leaves):
            what = type(example).__name__ + ("" if isinstance(example, NO_INPUT) else " without a tensor")
            raise ValueError(
                f"example is a {what}: must be a tensor, a tuple of arguments, or a dict of arguments by name"
            )
        if isinstance(example, tuple):
            return cls(tuple(example), {})
        if isinstance(example, Mapping) and _takes(model, example):
            return cls((), dict(example))
        return cls((example,), {})

    def run(self, model: nn.Module) -> Any:
        """The model's outputs."""
        return model(*self.args, **self.kwargs)

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors of the arguments."""
        return [leaf for leaf in tree_leaves((self.args, dict(self.kwargs))) if isinstance(leaf, Tensor)]

    def mapped(self, function: Callable[[Tensor], Any]) -> Inputs:
        """The same arguments with ``function`` of each tensor in its place."""

        def changed(leaf: Any) -> Any:
            return function(leaf) if isinstance(leaf, Tensor) else leaf

        return Inputs(tree_map(changed, self.args), tree_map(changed, dict(self.kwargs)))

    def cloned(self) -> Inputs:
        """Copies that autograd can use, also of tensors made in inference mode."""
        with torch.inference_mode(False):
            return self.mapped(lambda x: x.detach().clone())

    def batch(self, size: int) -> Inputs:
        """The same arguments with ``size`` samples: those of the example, repeated.

        Tensors with as many rows as the first one, which counts the samples, are repeated; all others stay.
        """
        samples = self.samples
        rows = torch.arange(size, device="cpu") % max(samples, 1)

        def repeated(x: Tensor) -> Tensor:
            return x[rows.to(x.device)].contiguous() if x.dim() and len(x) == samples else x

        return self.mapped(repeated)

    @property
    def samples(self) -> int:
        """Number of samples: the length of the first tensor; 0 if that is a single number."""
        first = self.tensors[0]
        return len(first) if first.dim() else 0

    def by_name(self, model: nn.Module) -> dict[str, Any]:
        """{argument: value} of ``model``'s forward for those that are given. TypeError if it does not take them."""
        return dict(inspect.signature(model.forward).bind(*self.args, **self.kwargs).arguments)

    def __str__(self) -> str:
        shapes = [str(tuple(x.shape)) for x in self.tensors]
        return " and ".join(shapes) if shapes else type(self.args[0]).__name__


def tensors_in(outputs: Any) -> list[Tensor]:
    """All tensors in what a model gives: in containers, as arrays of NumPy, in the attributes of objects."""
    found = []
    for leaf in leaves_in(outputs):
        if isinstance(leaf, Tensor):
            found.append(leaf)
        elif isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biufc":
            found.append(_tensor_of(leaf))
    return found


def leaves_in(outputs: Any) -> list[Any]:
    """All that is in what a model gives; iterators, which can be read only once, are not looked into."""
    found: list[Any] = []
    seen: set[int] = set()
    pending = [outputs]
    while pending:
        for leaf in tree_leaves(pending.pop()):
            found.append(leaf)
            if not isinstance(leaf, (*CLOSED, type, ModuleType, nn.Module)) and id(leaf) not in seen:
                seen.add(id(leaf))
                pending.append([getattr(leaf, name, None) for name in (*getattr(leaf, "__dict__", ()), *_slots(leaf))])
                # torch looks into dicts, lists and tuples, but not into their subclasses, sets and views.
                if isinstance(leaf, Collection):
                    pending.append(list(leaf.values() if isinstance(leaf, Mapping) else leaf))
    return found


def _tensor_of(array: np.ndarray[Any, Any]) -> Tensor:
    """A copy that torch can hold: not reversed in memory, in this machine's order of bytes, long doubles as doubles."""
    kind = {"g": np.dtype(np.float64), "G": np.dtype(np.complex128)}.get(array.dtype.char, array.dtype)
    return torch.from_numpy(array.astype(kind.newbyteorder("="), order="C"))


def _slots(value: Any) -> list[str]:
    slots = [getattr(kind, "__slots__", ()) for kind in type(value).__mro__]
    return [name for names in slots for name in ((names,) if isinstance(names, str) else names)]


def _takes(model: nn.Module, names: Mapping[Any, Any]) -> bool:
    """Whether the model has arguments of these names."""
    if not all(isinstance(name, str) for name in names):
        return False
    try:
        inspect.signature(model.forward).bind(**names)
    except (TypeError, ValueError):  # other names, or a forward that shows none
        return False
    return True
