"""Kernels: products against SciPy, transpositions, memory, and torch with or without MKL."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse as scipy_sparse

from prunelab.bench import kernels as kernel_bench
from prunelab.errors import ConvertError
from prunelab.sparse.inference import kernels
from prunelab.sparse.inference.convert import convert
from prunelab.sparse.inference.kernels import Weights, build_csr, transposed
from support.convertible import KERNELS, mlp, same


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    batch=st.integers(1, 9),
    density=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    biased=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_every_product_is_scipys(rows, columns, batch, density, dtype, biased, seed):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=generator, dtype=dtype)
    weight *= torch.rand(rows, columns, generator=generator) < density
    x = torch.randn(batch, columns, generator=generator, dtype=dtype)
    bias = torch.randn(rows, generator=generator, dtype=dtype) if biased else None
    oracle = scipy_sparse.csr_matrix(weight.numpy())
    starts, indices, values = build_csr(weight)
    np.testing.assert_array_equal(starts.numpy(), oracle.indptr)
    np.testing.assert_array_equal(indices.numpy(), oracle.indices)
    np.testing.assert_array_equal(values.numpy(), oracle.data)
    expected = torch.from_numpy(oracle @ x.numpy().T)
    expected = expected if bias is None else expected + bias[:, None]
    weights = Weights(weight, KERNELS, "w")
    same(weights.rows(bias)(x), expected.T)
    for kernel in KERNELS:
        same(weights.columns_by(kernel, bias)(transposed(x)), expected)
        same(weights.vector_by(kernel, bias)(x[0]), expected[:, 0])


@given(st.integers(0, 70), st.integers(1, 70), st.sampled_from(["plain", "turned", "strided"]))
@settings(max_examples=40, deadline=None)
def test_a_transposition_is_torchs(a, b, form):
    x = {
        "plain": torch.randn(a, b),
        "turned": torch.randn(b, a).T,
        "strided": torch.randn(a, 2 * b)[:, ::2],
    }[form]
    assert torch.equal(transposed(x), x.T) and transposed(x).is_contiguous()


@pytest.mark.parametrize("shape", [(64, 1024), (17, 2048), (1024, 64), (64, 784)])
def test_a_transposition_in_strips_is_torchs(shape):
    x = torch.randn(shape)
    assert torch.equal(transposed(x), x.T) and transposed(x).is_contiguous()


def test_a_form_of_a_weight_that_is_never_used_is_dropped():
    model = mlp(40, 30, 20)
    forms = {}
    for kernel in KERNELS:
        weights = [module for module in convert(model, kernel=kernel).modules() if isinstance(module, Weights)]
        forms[kernel] = {(w.dense is None, w.values is None) for w in weights}
    assert forms == {"dense": {(False, True)}, "csr": {(True, False)}, "scipy": {(True, False)}}
    mixed = convert(model, batches=(1, 8), kernel={"0": {1: "dense", 8: "csr"}, "2": "dense"})
    first, second = (module for module in mixed.modules() if isinstance(module, Weights))
    assert first.dense is not None and first.values is not None and second.values is None


@pytest.mark.parametrize("density", [0.02, 0.3, 1.0])
def test_building_needs_at_most_16_bytes_a_survivor_beside_the_dense_weights(density):
    weight = torch.randn(2048, 3000)
    weight *= torch.rand(weight.shape) < density
    survivors = int(torch.count_nonzero(weight))
    build_csr(weight[:2])  # whatever is set up once
    tracemalloc.start()
    try:
        parts = build_csr(weight)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept <= 8 * survivors + 8 * len(weight) + 4096 and len(parts[2]) == survivors
    assert kept > 7 * survivors  # else the measurement is blind
    assert peak <= 16 * survivors + 4 * weight.numel()


def test_without_mkl_scipy_stands_in_for_torch(monkeypatch):
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    kernels._takes_int32.cache_clear()
    model = mlp(12, 9, 3)
    x = torch.randn(5, 12)
    converted = convert(model)
    assert {k for chosen in converted.choices.values() for k in chosen.values()} <= {"dense", "scipy"}
    same(converted(x), model(x))
    with pytest.raises(ConvertError, match="without MKL"):
        convert(model, kernel="csr")
    kernels._takes_int32.cache_clear()


def test_an_mkl_of_64_bit_integers_gets_64_bit_indices(monkeypatch):
    monkeypatch.setattr(kernels, "_takes_int32", lambda: False)
    model = mlp(12, 9, 3)
    x = torch.randn(5, 12)
    for kernel in KERNELS:
        converted = convert(model, kernel=kernel)
        assert {b.dtype for n, b in converted.named_buffers() if n.endswith("columns")} <= {torch.int64}
        same(converted(x), model(x))


def test_the_bench_of_kernels_runs_and_gives_finite_ratios():
    with torch.no_grad():
        rows = kernel_bench.grid_rows(((20, 30),), rounds=1, say=lambda what: None)
    counts = [row for row in rows if row.unit == ""]
    assert len(rows) == 5 and len(counts) == 2 and all(0 <= row.figure <= 6 for row in counts)
    assert all(row.figure > 0 for row in rows if row.unit == "x")
    assert rows[1].note.count("20x30") == 2 and rows[-1].target == 8
