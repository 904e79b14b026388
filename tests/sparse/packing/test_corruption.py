"""Damage: any other bytes end in an error or in the exact data."""

import hashlib

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prunelab.sparse import PackedError, load
from prunelab.sparse.packing import container
from prunelab.sparse.packing.file import packed
from support.packed_files import everything, forged, same


def attempt(tmp_path_factory, blob, expected):
    """Load ``blob``: PackedError, or the exact data."""
    path = tmp_path_factory.getbasetemp() / "damaged.prune"
    path.write_bytes(blob)
    try:
        found = load(path)
    except PackedError as error:
        assert str(path) in str(error)
        return
    assert same(found, expected)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_altered_bytes_end_in_an_error_or_in_exact_data(tmp_path_factory, whole, data):
    blob, state = bytearray(whole[0]), whole[1]
    begin = data.draw(st.one_of(st.integers(0, len(blob) - 1), st.integers(0, 500)))
    other = data.draw(st.binary(min_size=1, max_size=60))[: len(blob) - begin]
    blob[begin : begin + len(other)] = bytes(a ^ b for a, b in zip(blob[begin:], other, strict=False))
    attempt(tmp_path_factory, bytes(blob), state)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_file_cut_short_or_made_longer_anywhere_ends_in_an_error(tmp_path_factory, whole, data):
    blob, state = whole
    begin = data.draw(st.integers(0, len(blob)))
    end = data.draw(st.sampled_from([begin, begin + 1, len(blob)]))
    attempt(tmp_path_factory, blob[:begin] + data.draw(st.binary(max_size=9)) + blob[end:], state)


def test_every_single_byte_counts(tmp_path, whole):
    blob, _ = whole
    path = tmp_path / "flipped.prune"
    for i in range(0, len(blob), max(len(blob) // 400, 1)):
        path.write_bytes(blob[:i] + bytes([blob[i] ^ 1]) + blob[i + 1 :])
        with pytest.raises(PackedError):
            load(path)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_under_a_right_digest_still_ends_in_an_error_or_in_tensors(tmp_path_factory, whole, data):
    blob = bytearray(packed(everything(), bits=3)) if data.draw(st.booleans()) else bytearray(whole[0])
    begin, end = container._Header.of(blob).entry
    at = data.draw(st.integers(begin + 32, end - 1))
    other = data.draw(st.binary(min_size=1, max_size=20))[: end - at]
    blob[at : at + len(other)] = other
    blob[begin : begin + 32] = hashlib.sha256(blob[:begin] + blob[begin + 32 :]).digest()
    path = tmp_path_factory.getbasetemp() / "signed.prune"
    path.write_bytes(blob)
    try:
        found = load(path)
    except PackedError as error:
        assert str(path) in str(error)
    else:
        assert all(isinstance(tensor, torch.Tensor) for tensor in found.values())


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "is", "_"]),
        st.one_of(
            st.from_regex(
                r"(F32|F64|BF16|Q8) [0-9]{1,3}x[0-9]{1,2} [0-9]{1,3} "
                r"(live )?(columns )?(all|bytes|rice[0-9]) [0-9]{1,2}"
                r"( as ([0-9]{1,3} )?F(16|32)( [0-9]{1,2})?)?",
                fullmatch=True,
            ),
            st.sampled_from(["is a", "is b", "is c", "", "F32"]),
            st.integers(),
        ),
        max_size=3,
    ),
    st.binary(max_size=80),
)
@example({"a": "F32 2x3 1 rice0 1"}, b"\x20" + bytes(4))
def test_any_index_under_a_right_digest_ends_in_an_error_or_in_tensors(tmp_path_factory, index, sections):
    path = tmp_path_factory.getbasetemp() / "index.prune"
    path.write_bytes(forged(index, sections))
    try:
        found = load(path)
    except PackedError:
        return
    assert found.keys() == index.keys()
