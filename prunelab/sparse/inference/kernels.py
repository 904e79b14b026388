"""Products of a weight matrix, dense or sparse, with feature-major activations.

Feature-major means (features, batch), so that a sparse product reads and writes whole rows of memory. With batch-major
activations the same product is several times slower, so transposing at both ends of a chain of layers pays off.
``F.linear`` with a sparse weight is even slower and is never used. Indices are 32-bit wherever torch's MKL accepts
them, because it converts 64-bit indices again in every product.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch.nn import functional as F

from prunelab.errors import ConvertError
from prunelab.pruning.packed import PackedWeight

Kernel = Literal["dense", "csr", "scipy"]
Step = Callable[[Tensor], Tensor]
KERNELS: tuple[Kernel, ...] = get_args(Kernel)
SPARSE_TYPES = (torch.float32, torch.float64)  # types that both sparse kernels support
CHUNK = 1 << 18  # weights processed at once: keeps temporary memory small compared with the layer
PAGE = 4096  # bytes: addresses this far apart compete for the same cache lines
TILE = 16  # 4-byte numbers in one cache line


def available(dtype: torch.dtype) -> tuple[Kernel, ...]:
    """The kernels available on this machine for weights of ``dtype``; dense always is."""
    if dtype not in SPARSE_TYPES:
        return ("dense",)
    return ("dense", "csr", "scipy") if torch.backends.mkl.is_available() else ("dense", "scipy")


class Weights(PackedWeight):
    """One weight matrix (out, in) in the forms that its kernels need.

    weight: (out, in) on the CPU; not copied. kernels: kernels that will be used; the sparse ones share one CSR form.
    name: of the layer, for errors. Raises ConvertError for NaN or infinite weights.
    """

    dense: Tensor | None
    starts: Tensor | None
    columns: Tensor | None
    values: Tensor | None

    def __init__(self, weight: Tensor, kernels: tuple[Kernel, ...], name: str) -> None:
        super().__init__()
        weight = weight.detach()
        self.out_features, self.in_features = weight.shape
        self.dtype = weight.dtype
        if not all(bool(torch.isfinite(rows).all()) for rows in weight.split(_rows_at_once(weight))):
            raise ConvertError(f"{name} holds NaN or infinite weights: there is nothing sound to convert")
        starts, columns, values = build_csr(weight) if set(kernels) - {"dense"} else (None, None, None)
        self.register_buffer("dense", weight)
        self.register_buffer("starts", starts)
        self.register_buffer("columns", columns)
        self.register_buffer("values", values)
        self._handles: dict[str, Any] = {}

    def keep(self, kernels: set[Kernel]) -> None:
        """Drop the forms that ``kernels`` do not need."""
        if "dense" not in kernels:
            self.dense = None
        if kernels <= {"dense"}:
            self.starts = self.columns = self.values = None
        self._handles = {kernel: handle for kernel, handle in self._handles.items() if kernel in kernels}

    def rows(self, bias: Tensor | None) -> Step:
        """Dense product with batch-major activations: (batch, in) -> (batch, out)."""
        weight = self._matrix("dense")
        return lambda x: F.linear(x, weight, bias)

    def columns_by(self, kernel: Kernel, bias: Tensor | None) -> Step:
        """Product with feature-major activations: (in, batch) -> (out, batch), in new memory."""
        column = None if bias is None else bias[:, None]
        if kernel == "scipy":
            return self._by_scipy(column)
        matrix = self._matrix(kernel)
        if column is None:
            return partial(torch.matmul, matrix)
        # The bias is free here: the product is added to it.
        return lambda x: torch.addmm(column.expand(-1, x.shape[1]), matrix, x)

    def vector_by(self, kernel: Kernel, bias: Tensor | None) -> Step:
        """Product with the activations of one sample: (in) -> (out), in new memory."""
        if kernel == "scipy":
            return self._by_scipy(bias)
        matrix = self._matrix(kernel)
        return partial(torch.mv, matrix) if bias is None else partial(torch.addmv, bias, matrix)

    def _by_scipy(self, bias: Tensor | None) -> Step:
        matrix = self._sparse("scipy")
        if bias is None:
            return lambda x: torch.from_numpy(matrix @ x.detach().numpy())
        return lambda x: torch.from_numpy(matrix @ x.detach().numpy()).add_(bias)

    def _matrix(self, kernel: Kernel) -> Tensor:
        matrix = self._sparse("csr") if kernel == "csr" else self.dense
        assert matrix is not None
        return matrix

    def to_dense(self) -> Tensor:
        """The dense matrix, rebuilt if that form was dropped."""
        return self._sparse("csr").to_dense() if self.dense is None else self.dense

    def _sparse(self, library: Literal["csr", "scipy"]) -> Any:
        """The sparse matrix as torch's or SciPy's, made at its first use."""
        if library not in self._handles:
            assert self.starts is not None and self.columns is not None and self.values is not None
            shape = self.out_features, self.in_features
            if library == "csr":
                self._handles[library] = _torch_csr(self.starts, self.columns, self.values, shape)
            else:
                parts = (self.values.numpy(), self.columns.numpy(), self.starts.numpy())
                self._handles[library] = sparse.csr_array(parts, shape=shape, copy=False)
        return self._handles[library]

    # Handles point into the buffers: they must not outlive them or be copied (torch cannot copy CSR tensors).

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handles": {}}

    def _apply(self, *args: Any, **kwargs: Any) -> Weights:
        self._handles = {}
        super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]
        return self


def build_csr(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(row starts, columns, values) of the non-zero weights of a matrix, row by row.

    weight: (rows, columns), float32 or float64, on the CPU, any strides. Memory: the result (8 bytes per survivor in
    float32, plus 4 per row), and temporaries for a small part of the matrix at a time.
    """
    array: NDArray[Any] = weight.detach().numpy()
    counts = np.concatenate([np.count_nonzero(part, axis=1) for part in _parts(array)] or [np.zeros(0, np.intp)])
    starts = np.zeros(len(array) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    index = np.int32 if max(starts[-1], *array.shape) < 2**31 and _takes_int32() else np.int64
    columns, values = np.empty(starts[-1], index), np.empty(starts[-1], array.dtype)
    filled = 0
    for part in _parts(array):
        at = np.flatnonzero(part)
        end = filled + len(at)
        values[filled:end] = part.reshape(-1)[at]
        np.remainder(at, array.shape[1], out=at)
        columns[filled:end] = at
        filled = end
    return torch.from_numpy(starts.astype(index)), torch.from_numpy(columns), torch.from_numpy(values)


def transposed(x: Tensor) -> Tensor:
    """Contiguous transpose (a, b) -> (b, a) of a float32 or float64 tensor on the CPU; may share memory with ``x``.

    NumPy's copy takes half as long as torch's, except where rows are a multiple of the page size apart; there it is
    done in strips as wide as a cache line.
    """
    source: NDArray[Any] = x.detach().resolve_neg().numpy()
    a, b = source.shape
    if a <= TILE or b * source.itemsize % PAGE or source.strides[1] != source.itemsize:
        return torch.from_numpy(np.ascontiguousarray(source.T))
    result = np.empty((b, a), source.dtype)
    for i in range(0, a, TILE):
        result[:, i : i + TILE] = source[i : i + TILE].T
    return torch.from_numpy(result)


def _rows_at_once(matrix: Tensor | NDArray[Any]) -> int:
    rows, width = matrix.shape
    return max(1, min(CHUNK, rows * width // 8) // max(1, width))


def _parts(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    step = _rows_at_once(array)
    return (array[i : i + step] for i in range(0, len(array), step))


@functools.cache
def _takes_int32() -> bool:
    """Whether torch's CSR kernel accepts 32-bit indices; an MKL with 64-bit integers does not."""
    if not torch.backends.mkl.is_available():
        return True  # only SciPy will use them
    starts, columns, ones = torch.arange(2, device="cpu"), torch.zeros(1, device="cpu"), torch.ones(1, device="cpu")
    try:
        return float(torch.mv(_torch_csr(starts.int(), columns.int(), ones, (1, 1)), ones)) == 1
    except RuntimeError:
        return False


def _torch_csr(starts: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(starts, columns, values, shape, device="cpu", check_invariants=False)
