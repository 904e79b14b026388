"""Coding against oracles: SciPy for coordinates and for k-means, the entropy for the size."""

import re
import zlib

import numpy as np
import pytest
import scipy.cluster.vq
import scipy.sparse
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunelab.sparse.packing import mask_coding
from prunelab.sparse.packing.file import entropy


def drawn(shape, density, seed=0):
    return np.random.default_rng(seed).random(shape) < density


def banded(seed=0):
    """A mask like that of a trained first layer: dead rows, dead columns, 28 bands."""
    generator = np.random.default_rng(seed)
    pixel = np.exp(-(((np.arange(784) % 28 - 14) / 5) ** 2)) * np.exp(-(((np.arange(784) // 28 - 14) / 5) ** 2))
    unit = generator.random((300, 1)) * (generator.random((300, 1)) < 0.6)
    return generator.random((300, 784)) < 0.6 * pixel * unit


sizes = st.integers(1, 40)
masks = st.one_of(
    hnp.arrays(bool, st.tuples(sizes, sizes)),
    st.builds(
        lambda rows, columns, density, seed: drawn((rows, columns), density, seed),
        sizes,
        st.integers(1, 600),
        st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.4, 0.6, 0.99, 1.0]),
        st.integers(0, 9),
    ),
)


@settings(max_examples=200, deadline=None)
@given(masks)
@example(np.eye(1, 100_000, 99_999, dtype=bool))  # one survivor after a long way
@example(np.zeros((7, 9), bool))
@example(np.ones((7, 9), bool))
@example(banded())
def test_a_mask_comes_back_with_the_coordinates_that_scipy_gives(mask):
    form, data = mask_coding.encode_mask(mask)
    back = mask_coding.decode_mask(form, data, mask.shape, int(mask.sum()))
    oracle = scipy.sparse.coo_array(mask)
    assert back.dtype == bool and np.array_equal(np.argwhere(back), np.argwhere(oracle.toarray()))
    assert scipy.sparse.coo_array(back).nnz == oracle.nnz


@settings(max_examples=60, deadline=None)
@given(masks, st.sampled_from(["", "columns "]), st.integers(0, 6))
def test_every_form_can_be_read_not_only_the_smallest(mask, order, k):
    matrix = mask.T if order else mask
    distances = np.diff(scipy.sparse.csr_array(matrix.reshape(1, -1)).indices.astype(np.int64), prepend=-1) - 1
    as_bytes = mask_coding.deflate(b"".join(b"\xff" * (d // 255) + bytes([d % 255]) for d in distances.tolist()))
    text = "".join(f"{d % 2**k:0{k}b}" for d in distances.tolist()) if k else ""
    unary = "".join("0" * (d >> k) + "1" for d in distances.tolist())
    rice = b"".join(
        int(part.ljust(-(-len(part) // 8) * 8, "0"), 2).to_bytes(-(-len(part) // 8)) for part in (text, unary) if part
    )
    kept = int(mask.sum())
    assert np.array_equal(mask_coding.decode_mask(f"{order}bytes", as_bytes, mask.shape, kept), mask)
    if 2**k <= mask.size:
        assert np.array_equal(mask_coding.decode_mask(f"{order}rice{k}", rice, mask.shape, kept), mask)


@pytest.mark.parametrize("density", [0.5, 0.45, 0.3, 0.2, 0.1, 0.08, 0.05, 0.025, 0.01])
def test_independent_masks_come_within_a_percent_of_their_entropy(density):
    mask = drawn((300, 784), density)
    assert len(mask_coding.encode_mask(mask)[1]) <= 1.013 * mask.size * entropy(float(mask.mean())) / 8


def test_dead_rows_columns_and_bands_bring_a_mask_below_its_entropy():
    mask = banded()
    form, data = mask_coding.encode_mask(mask)
    assert form.startswith("live ") and len(data) < 0.8 * mask.size * entropy(float(mask.mean())) / 8


@pytest.mark.parametrize(
    ("mask", "most"),
    [
        (np.repeat(drawn((300, 1), 0.5), 784, axis=1), 136),  # whole neurons: only which
        (np.tile([True, False, False, True], (300, 196)), 300),
        (np.kron(drawn((75, 196), 0.1), np.ones((4, 4), bool)), 2600),
    ],
)
def test_patterned_masks_take_a_fraction_of_their_entropy(mask, most):
    assert len(mask_coding.encode_mask(mask)[1]) <= most


@pytest.mark.parametrize(
    ("form", "data", "shape", "kept", "words"),
    [
        ("rice", b"", (2, 2), 0, "unknown form"),
        ("live rows rice1", b"", (2, 2), 0, "unknown form"),
        ("all", b"", (2, 2), 3, "full, 4 survivors"),
        ("all", b"x", (2, 2), 4, "full"),
        ("live all", b"\x80", (2, 2), 1, "ends after 0"),
        ("rice0", b"\xff", (2, 2), 9, "can't hold 9"),
        ("rice0", b"\xff", (2, 4), 7, "does not have 7"),
        ("rice0", b"\x08", (2, 2), 1, "does not have 1"),
        ("rice50", b"\xff" * 7, (2, 2), 1, "can't hold"),
        ("rice3", b"\xe0\x00", (3, 3), 1, "does not have 1"),
        ("bytes", b"\xff\xff", (2, 2), 1, "does not unpack"),
        ("bytes", mask_coding.deflate(b"\x04"), (2, 2), 1, "does not have 1"),
        ("bytes", mask_coding.deflate(b"\x01\xff"), (20, 20), 1, "does not have 1"),
        ("bytes", mask_coding.deflate(b"\x00" * 9), (2, 2), 1, "at most 1 bytes"),
        ("bytes", mask_coding.deflate(b"\x00") + b"more", (2, 2), 1, "at most 1 bytes"),
        ("bytes", mask_coding.deflate(b"\x00")[:-1], (2, 2), 1, "at most 1 bytes|does not unpack"),
    ],
)
def test_bytes_that_are_no_such_mask_are_refused_in_words(form, data, shape, kept, words):
    with pytest.raises(ValueError, match=words):
        mask_coding.decode_mask(form, data, shape, kept)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["bytes", "columns bytes", "live bytes", "rice0", "rice3", "rice9", "live columns rice2", "all"]),
    st.binary(max_size=40),
    st.booleans(),
    st.tuples(sizes, sizes),
    st.integers(0, 60),
)
def test_any_bytes_are_a_mask_with_the_claimed_survivors_or_a_value_error(form, data, packed, shape, kept):
    data = mask_coding.deflate(data) if packed else data
    try:
        mask = mask_coding.decode_mask(form, data, shape, kept)
    except ValueError:
        return
    assert mask.shape == shape and int(mask.sum()) == kept


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.float32, st.integers(1, 200), elements=st.floats(-9, 9, width=32)), st.integers(1, 8))
def test_every_value_gets_its_nearest_level(values, bits):
    levels, codes = mask_coding.share(values, bits)
    assert len(levels) <= 2**bits and np.array_equal(levels, np.sort(levels)) and codes.dtype == np.uint8
    off = np.abs(values.astype(np.float64)[:, None] - levels).min(axis=1)
    assert np.allclose(np.abs(values - levels[codes]), off, rtol=1e-12, atol=1e-12)
    if len(np.unique(values)) <= 2**bits:
        assert np.array_equal(levels[codes], values)


@pytest.mark.filterwarnings("ignore:One of the clusters is empty")
@pytest.mark.parametrize("bits", [1, 3, 5])
def test_levels_are_those_of_scipys_k_means_from_the_same_start(bits):
    generator = np.random.default_rng(bits)
    values = np.concatenate([generator.normal(-0.1, 0.03, 900), generator.normal(0.1, 0.03, 900)]).astype(np.float32)
    exact = values.astype(np.float64)
    start = np.linspace(exact.min(), exact.max(), 2**bits)[:, None]
    oracle, _ = scipy.cluster.vq.kmeans2(exact[:, None], start, iter=mask_coding.ROUNDS, minit="matrix")
    assert np.allclose(mask_coding.share(values, bits)[0], np.sort(oracle[:, 0]), rtol=1e-9)


def test_no_more_is_inflated_than_is_allowed():
    bomb = mask_coding.deflate(bytes(10**7), zlib.Z_DEFAULT_STRATEGY)
    assert mask_coding.inflate(bomb, 10**7) == bytes(10**7)
    with pytest.raises(ValueError, match=re.escape("at most 1000 bytes")):
        mask_coding.inflate(bomb, 1000)
