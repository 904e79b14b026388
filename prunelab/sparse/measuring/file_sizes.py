"""How many bytes a network takes in each of the formats that people use, counted on what is really written."""

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
    """The network in every format; tied weights are counted once, tensors without zeros are dense in all of them.

    model: a module, or its tensors by name.
    """
    tensors = distinct(model)
    thin = {name for name, t in tensors.items() if t.dim() > 1 and t.is_floating_point() and bool((t == 0).any())}

    def whole(sparse: Callable[[Tensor], dict[str, Tensor]]) -> int:
        parts: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            if name in thin:
                parts |= {f"{name}.{part}": value for part, value in sparse(tensor.flatten(1)).items()}
            else:
                parts[name] = tensor
        return len(safetensors.torch.save(parts))

    dense = safetensors.torch.save(dict(tensors))
    rest = len(safetensors.torch.save({name: t for name, t in tensors.items() if name not in thin}))
    return (
        Size("dense", len(dense), "every weight, zeros too"),
        Size("gzip", len(gzip.compress(dense, 6, mtime=0)), "the dense file, zipped"),
        Size("COO", whole(_coo), "row and column of each survivor, int64"),
        Size("CSR", whole(_csr), "torch's default, int64"),
        Size("npz", rest + sum(_npz(tensors[name]) for name in thin), "SciPy's CSR, int32, zipped"),
        Size("packed", len(file.packed(model)), "prunelab's own, exact"),
        Size("bound", file.bound(model), "every survivor, and the masks' entropy if places were independent"),
    )


def distinct(model: nn.Module | Tensors) -> dict[str, Tensor]:
    """The tensors of a model by name, contiguous, on the CPU, tied ones once."""
    tensors = model.state_dict() if isinstance(model, nn.Module) else model
    seen = set()
    found = {}
    for name, tensor in tensors.items():
        key = identity(tensor)
        if tensor.numel() and key in seen:
            continue
        seen.add(key)
        found[name] = tensor.detach().cpu().contiguous()
    return found


def _coo(matrix: Tensor) -> dict[str, Tensor]:
    sparse = matrix.to_sparse_coo().coalesce()
    return {"indices": sparse.indices().contiguous(), "values": sparse.values()}


def _csr(matrix: Tensor) -> dict[str, Tensor]:
    rows, columns = matrix.nonzero(as_tuple=True)
    ends = torch.zeros(len(matrix) + 1, dtype=torch.int64)
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
