"""The packed file: a pruned network in about the size of its surviving values plus the entropy of its masks.

``save`` uses the zeros in the weights, whichever tool pruned them. docs/explanation/packed-file.md describes the
format, so that readers can be written in any language.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, overload

import torch
from torch import Tensor, nn

from prunelab import hardware
from prunelab.errors import PackedError
from prunelab.pruning import model_state, wrappers
from prunelab.pruning.layers import identity
from prunelab.pruning.masks import Masks
from prunelab.pruning.reparametrisation import effective_state
from prunelab.sparse.packing import container, index
from prunelab.sparse.packing.container import ENTRY, damaged
from prunelab.sparse.packing.filling import fill
from prunelab.sparse.packing.index import NAMES, Record
from prunelab.sparse.packing.place import Place, name_of, write

__all__ = ["PackedError", "bound", "load", "save"]

M = TypeVar("M", bound=nn.Module)
Source = nn.Module | Mapping[str, Tensor]
# Types that every supported version of safetensors has a name for.
STORABLE = {
    *NAMES,
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.float8_e4m3fn, torch.float8_e5m2),
}
DEFAULT_LIMIT = 4 * 2**30  # bytes, where the system does not report free memory


def save(
    model: Source,
    path: Place,
    *,
    masks: Mapping[str, Tensor] | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    bits: int | None = None,
) -> int:
    """Pack a pruned network into a file.

    Floating-point tensors of two or more dimensions are stored as their survivors where that is smaller, all others
    dense, tied tensors once. Values are restored bit for bit, in their type, except that cut weights become 0.0, also
    where masking left -0.0. The options ``dtype`` and ``bits`` lose precision: in float32 tensors of two or more
    dimensions, with or without zeros. Biases and the numbers of batch norm stay exact.

    What torch.nn.utils.prune or another reparametrisation cuts is stored as the ordinary weight that it computes, as
    after ``prune.remove``: load it into a model that is not reparametrised. Reparametrisations that cut nothing
    (spectral_norm) are stored as their parameters.

    Args:
        model: A module or its state dict; it is not changed.
        path: The file; an existing one is replaced atomically. Or a binary file object, such as io.BytesIO, which is
            written at its position.
        masks: A Masks, or bool tensors by parameter name, with or without the prefixes of wrappers: weights that are
            True survive, zero or not. None: the non-zero weights survive.
        dtype: "float16" rounds survivors; "float32" keeps them exact.
        bits: 1 to 8: the survivors of a tensor share 2 ** bits values, computed by k-means (Han et al. 2016, section
            3). None: exact.

    Returns:
        The size of the file in bytes.

    Raises:
        PackedError: The file cannot be written.
        ValueError: NaN, a mask that does not fit, non-zero weights outside their mask, a Masks of this model whose
            weights have been replaced, or values that an option cannot represent; names the tensor.
        TypeError: ``model`` is not a model, ``masks`` has no names, or ``path`` is neither a path nor a binary file.
    """
    blob = packed(model, masks=masks, dtype=dtype, bits=bits)
    write(path, blob)
    return len(blob)


def packed(
    model: Source,
    *,
    masks: Mapping[str, Tensor] | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    bits: int | None = None,
) -> bytes:
    """The bytes that ``save`` writes. Arguments and errors are the same, but for the path."""
    if dtype not in ("float32", "float16"):
        raise ValueError(f"dtype = {dtype!r}: must be float32 or float16")
    if bits is not None and (isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= 8):
        raise ValueError(f"bits = {bits!r}: must be a whole number from 1 to 8, or None for exact values")
    tensors, ties = _tensors(model)
    if isinstance(masks, Masks) and isinstance(model, nn.Module) and masks.model is wrappers.unwrapped(model):
        masks.check_current()
    valid_masks = _masks(masks, tensors, ties)
    sparse: dict[str, tuple[Record, bytes]] = {}
    dense: dict[str, Tensor] = {}
    for name in sorted(tensors):
        packed_tensor = index.pack(
            name, tensors[name], valid_masks.get(name), "F16" if dtype == "float16" else "F32", bits
        )
        if packed_tensor is None:
            dense[name] = tensors[name].clone()  # safetensors refuses tensors that share memory
        else:
            sparse[name] = packed_tensor
    table = index.write_index((record for record, _ in sparse.values()), ties)
    return container.pack(dense, table + b"".join(section for _, section in sparse.values()))


@overload
def load(path: Place, model: None = None, *, limit: int | None = None) -> dict[str, Tensor]: ...
@overload
def load(path: Place, model: M, *, limit: int | None = None) -> M: ...
def load(path: Place, model: nn.Module | None = None, *, limit: int | None = None) -> dict[str, Tensor] | nn.Module:
    """Load a packed file.

    Args:
        path: The file. Or a binary file object that can seek, from its position on.
        model: A module to fill; it must have exactly the names, shapes and types in the file, as for load_state_dict
            with strict=True. Prefixes of wrappers (torch.compile, DataParallel) do not count.
        limit: Bytes of memory that reading and unpacking may use, the file's own and a copy of it included; None: the
            free memory.

    Returns:
        The dense tensors by name, or ``model`` if given. Tied tensors are one tensor under several names.

    Raises:
        PackedError: The file is missing, damaged, not a packed file, of a newer format, beyond the limit, or of another
            network. Raised before memory is allocated and before the model is changed.
    """
    name = name_of(path)
    if limit is None:
        limit = hardware.memory() or DEFAULT_LIMIT
    file = container.unpack(path, limit)
    try:
        sparse, ties, sections = index.read_index(file.content, file.names)
        dense = file.dense + sum(record.nbytes for record in sparse)
        # Beside the file: first a copy of all that it holds, then the dense tensors and the work on a sparse one.
        needed = len(file.blob) + max(
            file.dense + len(file.content), dense + max((record.work for record in sparse), default=0)
        )
        if needed > limit:
            raise PackedError(
                f"{name} needs {needed:,} bytes of memory, {dense:,} for its dense tensors; the limit is {limit:,}. "
                "Give limit= more if there is more"
            )
        tensors = file.tensors()
        for record, section in zip(sparse, sections, strict=True):
            tensors[record.name] = index.unpack(record, section)
    except ValueError as error:
        raise damaged(name, error) from error
    tensors |= {alias: tensors[name] for alias, name in ties.items()}
    if model is None:
        return tensors
    fill(model, tensors, name)
    return model


def bound(model: Source, masks: Mapping[str, Tensor] | None = None) -> int:
    """Lower bound in bytes for a file with independent masks: exact values, entropy of the masks, all else dense.

    The entropy of a mask with density p is H(p) = -p log2 p - (1 - p) log2 (1 - p) bits per weight. Files of real masks
    can be smaller, because these have dead rows and bands. Tied tensors count once. Raises as ``save``.
    """
    tensors, ties = _tensors(model)
    valid_masks = _masks(masks, tensors, ties)
    total = 0.0
    for name, tensor in tensors.items():
        size = float(tensor.nbytes)
        if index.can_be_sparse(tensor):
            kept = int(index.survivors(name, tensor, valid_masks.get(name)).sum())
            size = min(size, kept * tensor.itemsize + tensor.numel() * entropy(kept / tensor.numel()) / 8)
        total += size
    return math.ceil(total)


def entropy(density: float) -> float:
    """H(density), bits per weight, of a mask whose connections survive independently. density: 0 to 1."""
    return -sum(p * math.log2(p) for p in (density, 1 - density) if p > 0)


def _tensors(model: Source) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The distinct tensors of a model on the CPU, and {other name: name} for tied ones."""
    if not isinstance(model, nn.Module | Mapping):
        raise TypeError(f"{type(model).__name__} is neither a module nor a mapping of tensors by name")
    if isinstance(model, nn.Module) and (reason := model_state.quantised(model) or model_state.without_values(model)):
        raise ValueError(reason)
    tensors: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    first: dict[Any, str] = {}
    for name, tensor in effective_state(model).items():
        if not isinstance(name, str) or name in (ENTRY, "__metadata__"):
            raise ValueError(f"a tensor of a packed file can't be called {name!r}: rename it, or put it into a module")
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} is {type(tensor).__name__}, not a tensor: leave it out of the state dict")
        if nn.parameter.is_lazy(tensor):
            raise ValueError(f"{name} has no shape yet: run the model once before it is saved")
        if tensor.layout != torch.strided or tensor.is_meta or tensor.dtype not in STORABLE:
            raise ValueError(
                f"{name} is {tensor.dtype}, {tensor.layout}, on {tensor.device}: it cannot be stored; bring it to a "
                "real, dense type first (torch.view_as_real, to_dense), or leave it out of the state dict"
            )
        key = identity(tensor)
        if tensor.numel() and key in first:
            ties[name] = first[key]
            continue
        first[key] = name
        tensor = tensor.detach().cpu().resolve_neg().contiguous()
        numbers = tensor.float() if tensor.is_floating_point() and tensor.itemsize == 1 else tensor
        if bool(numbers.isnan().any()):
            raise ValueError(f"{name} holds NaN: the network is broken, there is nothing sound to save")
        tensors[name] = tensor
    return tensors, ties


def _masks(
    masks: Mapping[str, Tensor] | None, tensors: Mapping[str, Tensor], ties: Mapping[str, str]
) -> dict[str, Tensor]:
    """Masks on the CPU by stored name, each with the shape of its tensor; ValueError for masks that do not fit."""
    if not isinstance(masks, Mapping | None):
        raise TypeError(f"masks is a {type(masks).__name__}: must be a Masks, or bool tensors by parameter name")
    checked: dict[str, Tensor] = {}
    aligned = wrappers.aligned(masks or {}, [*tensors, *ties]) or {}
    for name, mask in (masks or {}).items():
        known = aligned.get(name, name)
        stored_name = ties.get(known, known)
        if stored_name not in tensors:
            near = difflib.get_close_matches(name, [*tensors, *ties], n=1)
            raise ValueError(f"mask {name!r} belongs to no tensor" + (f"; did you mean {near[0]!r}?" if near else ""))
        tensor = tensors[stored_name]
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != tensor.shape:
            given = f"{mask.dtype} of shape {tuple(mask.shape)}" if isinstance(mask, Tensor) else type(mask).__name__
            raise ValueError(f"mask {name} is {given}; needed: torch.bool of shape {tuple(tensor.shape)}")
        mask = mask.detach().cpu()
        if stored_name in checked and not torch.equal(checked[stored_name], mask):
            raise ValueError(f"mask {name}: {stored_name} is the same tensor, and has another mask; give one of them")
        if not index.can_be_sparse(tensor):  # stored whole, such as a bias: its mask says nothing but what is zero
            index.check_zeros(name, int((tensor.float() != 0)[~mask].sum()))
        checked[stored_name] = mask
    return checked
