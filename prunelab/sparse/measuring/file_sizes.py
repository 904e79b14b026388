"""File size of a network in common formats, measured on the bytes that are really written."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Mapping

import numpy as np
import safetensors.torch
import scipy.sparse
import torch
from torch import Tensor, nn

from prunelab.pruning.layers import identity
from prunelab.results.measurement import Size
from prunelab.sparse.packing import file

Tensors = Mapping[str, Tensor]


def sizes(model: nn.Module | Tensors) -> tuple[Size, ...]:
    """Size of the network in each format. Tied weights count once; tensors without zeros are dense in all formats.

    model: a module, or its tensors by name.
    """
    tensors = distinct(model)
    sparse_names = {name for name, t in tensors.items() if t.dim() > 1 and _has_arithmetic(t) and bool((t == 0).any())}

    def sparse_file_size(sparse: Callable[[Tensor], dict[str, Tensor]]) -> int:
        parts: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            if name in sparse_names:
                parts |= {f"{name}.{part}": value for part, value in sparse(tensor.flatten(1)).items()}
            else:
                parts[name] = tensor
        return len(safetensors.torch.save(parts))

    dense = safetensors.torch.save(dict(tensors))
    zeros_alike = safetensors.torch.save({name: _without_signed_zeros(tensor) for name, tensor in tensors.items()})
    rest = len(safetensors.torch.save({name: t for name, t in tensors.items() if name not in sparse_names}))
    return (
        Size("dense", len(dense), "every weight, zeros too"),
        Size("gzip", len(gzip.compress(zeros_alike, 6, mtime=0)), "the dense file, zipped"),
        Size("COO", sparse_file_size(_coo), "row and column of each survivor, int64"),
        Size("CSR", sparse_file_size(_csr), "torch's default, int64"),
        Size("npz", rest + sum(_npz(tensors[name]) for name in sparse_names), "SciPy's CSR, int32, zipped"),
        Size("packed", len(file.packed(model)), "prunelab's own, exact"),
        Size("bound", file.bound(model), "every survivor, and the masks' entropy if places were independent"),
    )


def distinct(model: nn.Module | Tensors) -> dict[str, Tensor]:
    """The tensors of a model by name, contiguous and on the CPU; tied ones once."""
    tensors = model.state_dict() if isinstance(model, nn.Module) else model
    seen = set()
    tensors_by_name = {}
    for name, tensor in tensors.items():
        key = identity(tensor)
        if tensor.numel() and key in seen:
            continue
        seen.add(key)
        tensors_by_name[name] = tensor.detach().cpu().contiguous()
    return tensors_by_name


def _without_signed_zeros(tensor: Tensor) -> Tensor:
    """The tensor with +0.0 for -0.0: products with masks leave both, a packed file one, and zipped they differ."""
    return tensor + 0.0 if _has_arithmetic(tensor) else tensor


def _has_arithmetic(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.itemsize > 1  # floats of 8 bits have none, nor sparse forms


def _coo(matrix: Tensor) -> dict[str, Tensor]:
    sparse = matrix.to_sparse_coo().coalesce()
    return {"indices": sparse.indices().contiguous(), "values": sparse.values()}


def _csr(matrix: Tensor) -> dict[str, Tensor]:
    rows, columns = matrix.nonzero(as_tuple=True)
    ends = torch.zeros(len(matrix) + 1, dtype=torch.int64, device="cpu")
    ends[1:] = torch.bincount(rows, minlength=len(matrix)).cumsum(0)
    return {"rows": ends, "columns": columns, "values": matrix[rows, columns]}


def _npz(tensor: Tensor) -> int:
    buffer = io.BytesIO()
    values = tensor.flatten(1)
    array: np.ndarray[tuple[int, int], np.dtype[np.float32]] = (
        values.numpy() if values.dtype in (torch.float32, torch.float64) else values.float().numpy()
    )
    scipy.sparse.save_npz(buffer, scipy.sparse.csr_matrix(array))
    return buffer.getbuffer().nbytes
