"""Packed files: exact round trips, sizes near the bound; any other bytes end in an error or in the exact data."""

import hashlib
import json
import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import scipy.sparse
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

import prunelab as pl
from prunelab import disk, models
from prunelab.sparse import PackedError, bound, load, save
from prunelab.sparse.packing import container
from prunelab.sparse.packing.file import entropy, packed


def lenet(density, seed=0):
    """LeNet-300-100 whose weights survive independently; what is cut is 0.0 or, as after masking, -0.0."""
    model = models.build("lenet-300-100", (1, 28, 28), 10, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(torch.rand(parameter.shape, generator=generator) < density)
    return model


def sparse_tensor(shape, density, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator) * 0.1
    return torch.where(torch.rand(shape, generator=generator) < density, values, 0.0).to(dtype)


def everything():
    """A state with each kind of entry: all codings of masks, dense and tied tensors, several types."""
    banded = sparse_tensor((40, 60), 0.2, 1)
    banded[::3] = 0
    banded[:, 25:45] = 0
    shared = sparse_tensor((30, 40), 0.05, 2)
    return {
        "banded": banded,
        "columns": torch.cat([sparse_tensor((300, 20), 0.5, 3), sparse_tensor((300, 180), 0.004, 4)], 1),
        "full rows": sparse_tensor((20, 10), 1.0, 7) * (torch.arange(20) % 2)[:, None],
        "shared.a": shared,
        "shared.b": shared,
        "half": sparse_tensor((9, 5, 3), 0.3, 5, torch.float16),
        "double": sparse_tensor((9, 8), 0.3, 6, torch.float64),
        "bias": torch.arange(7) / 7,
        "steps": torch.tensor(12),
    }


def same(found, expected):
    """Equal names, types, shapes and values."""
    return found.keys() == expected.keys() and all(
        found[name].dtype == t.dtype and found[name].shape == t.shape and torch.equal(found[name], t)
        for name, t in expected.items()
    )


def bits_of(tensor):
    return tensor.contiguous().view({2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.itemsize])


# A reader that follows docs/packed-file.md and uses nothing of prunelab


def read_by_the_document(blob):
    (length,) = struct.unpack("<Q", blob[:8])
    header = json.loads(blob[8 : 8 + length])
    assert header.pop("__metadata__")["prunelab"] == "1"
    start = 8 + length
    begin, end = (start + offset for offset in header.pop("_")["data_offsets"])
    assert hashlib.sha256(blob[:begin] + blob[begin + 32 :]).digest() == blob[begin : begin + 32]
    types = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8"}
    arrays = {}
    for name, entry in header.items():
        a, b = entry["data_offsets"]
        arrays[name] = np.frombuffer(blob[start + a : start + b], types[entry["dtype"]]).reshape(entry["shape"])
    (length,) = struct.unpack("<I", blob[begin + 32 : begin + 36])
    place = begin + 36 + length
    index = json.loads(zlib.decompress(blob[begin + 36 : place], -15))
    for name, text in index.items():
        if text.startswith("is "):
            continue
        text, _, lossy = text.partition(" as ")
        dtype, shape, kept, *form, mask_length = text.split(" ")
        shape, kept = tuple(int(n) for n in shape.split("x")), int(kept)
        mask, place = blob[place : place + int(mask_length)], place + int(mask_length)
        rows, columns = np.arange(shape[0]), np.arange(int(np.prod(shape[1:])))
        if "live" in form:
            for_rows = -(-len(rows) // 8)
            for_columns = -(-len(columns) // 8)
            alive_rows = np.unpackbits(np.frombuffer(mask[:for_rows], np.uint8))[: len(rows)]
            alive_columns = np.unpackbits(np.frombuffer(mask[for_rows:][:for_columns], np.uint8))[: len(columns)]
            rows, columns, mask = rows[alive_rows == 1], columns[alive_columns == 1], mask[for_rows + for_columns :]
        if form[-1] == "all":
            distances = [0] * (len(rows) * len(columns))
        elif form[-1] == "bytes":
            distances, sum_so_far = [], 0
            for byte in zlib.decompress(mask, -15):
                sum_so_far += byte
                if byte != 255:
                    distances.append(sum_so_far)
                    sum_so_far = 0
        else:
            k = int(form[-1].removeprefix("rice"))
            text_bits = "".join(f"{byte:08b}" for byte in mask)
            unary = text_bits[-(-kept * k // 8) * 8 :].split("1")[:kept]
            distances = [len(unary[i]) << k | int(text_bits[i * k : i * k + k] or "0", 2) for i in range(kept)]
        counted = np.cumsum(np.array(distances, np.int64) + 1) - 1
        if "columns" in form:
            where = sorted((rows[n % len(rows)], columns[n // len(rows)]) for n in counted)
        else:
            where = [(rows[n // len(columns)], columns[n % len(columns)]) for n in counted]
        words = lossy.split(" ")
        stored = words[-1] if len(words) == 1 and lossy else words[1] if lossy else dtype
        count = int(words[0]) if len(words) == 3 else kept
        size = count * np.dtype(types[stored]).itemsize
        values, place = np.frombuffer(blob[place : place + size], types[stored]), place + size
        if len(words) == 3:
            codes, place = zlib.decompress(blob[place : place + int(words[2])], -15), place + int(words[2])
            values = values[list(codes)]
        dense = np.zeros((shape[0], int(np.prod(shape[1:]))), types[dtype])
        for (row, column), value in zip(where, values, strict=True):
            dense[row, column] = value
        arrays[name] = dense.reshape(shape)
    assert place == end
    return arrays | {name: arrays[text[3:]] for name, text in index.items() if text.startswith("is ")}


@pytest.mark.parametrize("options", [{}, {"dtype": "float16"}, {"bits": 3}, {"bits": 5, "dtype": "float16"}])
@pytest.mark.parametrize("state", [everything(), lenet(0.03).state_dict()], ids=["everything", "lenet"])
def test_a_reader_written_from_the_document_reads_the_same(tmp_path, state, options):
    save(state, tmp_path / "net.prune", **options)
    expected = load(tmp_path / "net.prune")
    found = read_by_the_document((tmp_path / "net.prune").read_bytes())
    assert same({name: torch.from_numpy(array.copy()) for name, array in found.items()}, expected)


def test_every_form_of_mask_is_in_the_file_that_these_tests_read_and_damage():
    blob = packed(everything())
    begin, _ = container._Header.of(blob).entry
    index = json.loads(zlib.decompressobj(-15).decompress(blob[begin + 36 :]))
    forms = " ".join(index.values())
    assert all(f" {word} " in forms for word in ("live", "columns", "all", "bytes")) and " rice" in forms
    assert index["shared.b"] == "is shared.a"


# Round trips


shapes = st.lists(st.integers(1, 9), min_size=0, max_size=4).map(tuple)
floats = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
others = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(shapes, st.tuples(st.integers(1, 60), st.integers(1, 60)), st.just((3, 0, 2))),
            st.sampled_from([0.0, 0.01, 0.1, 0.5, 0.9, 1.0]),
            st.sampled_from([*floats, *others]),
            st.booleans(),
        ),
        max_size=5,
    )
)
def test_any_state_comes_back_exactly(tmp_path_factory, drawn):
    state = {}
    for i, (shape, density, dtype, transposed) in enumerate(drawn):
        tensor = (sparse_tensor(shape, density, i) * 50).to(dtype)
        state[f"layer{i}.weight"] = tensor.mT if transposed and tensor.ndim >= 2 else tensor
    path = tmp_path_factory.getbasetemp() / "round.prune"
    size = save(state, path)
    assert size == path.stat().st_size
    assert same(load(path), state)


@pytest.mark.parametrize("dtype", floats)
def test_survivors_come_back_bit_for_bit(tmp_path, dtype):
    info = torch.finfo(dtype)
    values = [info.max, info.min, info.tiny, info.smallest_normal / 2, -info.smallest_normal / 4]
    odd = torch.tensor([*values, float("inf"), -float("inf"), 1 / 3], dtype=dtype)
    weight = torch.zeros(40, 40, dtype=dtype)
    weight.view(-1)[::200] = odd
    save({"w": weight, "b": odd}, tmp_path / "w.prune")
    back = load(tmp_path / "w.prune")
    assert torch.equal(bits_of(back["w"]), bits_of(weight)) and torch.equal(bits_of(back["b"]), bits_of(odd))


def test_subnormal_weights_survive_where_torch_flushes_them(tmp_path):
    weight = torch.zeros(20, 20)
    weight[3, 4] = 1e-40
    if not torch.set_flush_denormal(True):
        pytest.fail("this processor can't flush subnormal numbers: the test proves nothing")
    try:
        save({"w": weight}, tmp_path / "w.prune")
        back = load(tmp_path / "w.prune")["w"]
    finally:
        torch.set_flush_denormal(False)
    assert torch.equal(bits_of(back), bits_of(weight)) and back[3, 4] > 0


def test_minus_zeros_that_masking_leaves_cost_nothing_and_come_back_as_zeros(tmp_path):
    model = models.build("lenet-300-100", (1, 28, 28), 10)
    masks = pl.Masks(model)
    masks.prune(density=0.08)
    weight = model.get_parameter("fc1.weight").detach()
    assert (bits_of(weight) == -(2**31)).sum() > 1000
    size = save(model, tmp_path / "net.prune")
    plain = {name: torch.where(t == 0, 0.0, t) for name, t in model.state_dict().items()}
    assert size == len(packed(plain)) and same(load(tmp_path / "net.prune"), plain)
    kept = masks["fc1.weight"]
    back = load(tmp_path / "net.prune")["fc1.weight"]
    assert torch.equal(bits_of(back)[kept], bits_of(weight)[kept]) and not bits_of(back)[~kept].any()


def test_a_mask_makes_zero_weights_survivors_to_the_bit(tmp_path):
    weight = sparse_tensor((50, 50), 0.1)
    mask = weight != 0
    mask[7, :5] = True
    weight[7, :5] = torch.tensor([-0.0, 0.0, -0.0, 2.0, -0.0])
    without = save({"w": weight}, tmp_path / "a.prune")
    assert save({"w": weight}, tmp_path / "b.prune", masks={"w": mask}) > without
    assert torch.equal(bits_of(load(tmp_path / "b.prune")["w"]), bits_of(weight))


def test_masks_of_the_engine_are_taken_and_count_in_the_bound(tmp_path):
    model = lenet(1.0)
    masks = pl.Masks(model)
    masks.prune(density=0.1)
    model.get_parameter("fc1.weight").data[masks["fc1.weight"]] = 0
    assert save(model, tmp_path / "net.prune", masks=masks) > 1.15 * save(model, tmp_path / "net.prune")  # their mask
    assert bound(model, masks) > 1.5 * bound(model)
    assert same(load(tmp_path / "net.prune"), model.state_dict())


def test_survivors_and_their_values_are_those_of_scipys_csr(tmp_path):
    model = lenet(0.08)
    save(model, tmp_path / "net.prune")
    for name, tensor in load(tmp_path / "net.prune").items():
        if tensor.ndim == 2:
            ours, oracle = (scipy.sparse.csr_array(t.numpy()) for t in (tensor, model.state_dict()[name]))
            assert np.array_equal(ours.indptr, oracle.indptr) and np.array_equal(ours.indices, oracle.indices)
            assert np.array_equal(ours.data, oracle.data)


class Tied(nn.Module):
    def __init__(self, tie=True):
        super().__init__()
        self.encoder = nn.Embedding(200, 30)
        self.decoder = nn.Linear(30, 200)
        if tie:
            self.decoder.weight = self.encoder.weight


def test_tied_weights_are_stored_once_and_come_back_as_one(tmp_path):
    model, loose = Tied(), Tied(tie=False)
    for module in (model, loose):
        module.encoder.weight.data *= torch.rand(200, 30, generator=torch.Generator().manual_seed(1)) < 0.2
    loose.decoder.weight.data = loose.encoder.weight.data.clone()
    size = save(model, tmp_path / "tied.prune")
    assert size < 0.6 * save(loose, tmp_path / "loose.prune")
    assert bound(model) < 0.6 * bound(loose)
    back = load(tmp_path / "tied.prune")
    assert back["encoder.weight"] is back["decoder.weight"] and same(back, model.state_dict())
    other = Tied()
    assert load(tmp_path / "tied.prune", other) is other and other.decoder.weight is other.encoder.weight
    assert same(other.state_dict(), model.state_dict())
    assert save(model, tmp_path / "b.prune", masks={"decoder.weight": model.decoder.weight != 0}) == size


def test_views_of_one_storage_are_not_taken_for_tied(tmp_path):
    whole = sparse_tensor((40, 40), 0.2)
    state = {"whole": whole, "part": whole[10:30], "turned": whole.T, "bias": whole[0], "again": whole[0, :20]}
    save(state, tmp_path / "views.prune")
    assert same(load(tmp_path / "views.prune"), state)


def test_same_network_same_bytes():
    assert packed(lenet(0.1)) == packed(lenet(0.1)) == packed(dict(reversed(lenet(0.1).state_dict().items())))


def test_a_network_with_batch_norm_and_grouped_convolutions_computes_the_same(tmp_path):
    def network():
        return nn.Sequential(nn.Conv2d(4, 16, 3, groups=2), nn.BatchNorm2d(16), nn.Flatten(), nn.Linear(16 * 36, 5))

    torch.manual_seed(0)
    model, other = network(), network()
    model(torch.randn(32, 4, 8, 8))  # statistics of batch norm
    pl.Masks(model).prune(density=0.15)
    save(model, tmp_path / "conv.prune")
    x = torch.randn(3, 4, 8, 8)
    assert torch.equal(load(tmp_path / "conv.prune", other).eval()(x), model.eval()(x))


def test_plain_tensors_can_be_read_by_safetensors_itself(tmp_path):
    model = lenet(0.1)
    save(model, tmp_path / "net.prune")
    assert torch.equal(safetensors.torch.load_file(tmp_path / "net.prune")["fc1.bias"], model.get_parameter("fc1.bias"))


# Options that lose precision


def test_float16_rounds_survivors_in_float32_and_nothing_else(tmp_path):
    state = everything()
    exact = save(state, tmp_path / "a.prune")
    assert save(state, tmp_path / "b.prune", dtype="float16") < exact
    rounded = {"banded", "columns", "full rows", "shared.a", "shared.b"}
    expected = {name: t.half().float() if name in rounded else t for name, t in state.items()}
    assert same(load(tmp_path / "b.prune"), expected)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_bits_leave_at_most_that_many_values_and_the_mask_as_it_is(tmp_path, bits):
    model = lenet(0.1)
    save(model, tmp_path / "net.prune", bits=bits)
    for name, tensor in load(tmp_path / "net.prune").items():
        original = model.state_dict()[name]
        if tensor.ndim == 1:
            assert torch.equal(tensor, original)
        else:
            assert len(tensor[tensor != 0].unique()) <= 2**bits
            assert torch.equal(original[tensor == 0], torch.zeros(int((tensor == 0).sum()))) or bits == 1
            step = (original.max() - original.min()) / (2**bits - 1)
            assert (tensor - original).abs().max() <= step


def test_few_distinct_values_are_shared_without_loss(tmp_path):
    weight = sparse_tensor((60, 60), 0.3).sign() * 0.25
    assert save({"w": weight}, tmp_path / "w.prune", bits=1) < 800
    assert torch.equal(load(tmp_path / "w.prune")["w"], weight)


def test_nothing_left_can_be_packed_with_any_option(tmp_path):
    for options in ({}, {"bits": 4}, {"dtype": "float16"}):
        assert save({"w": torch.zeros(300, 784)}, tmp_path / "w.prune", **options) < 300
        assert torch.equal(load(tmp_path / "w.prune")["w"], torch.zeros(300, 784))


# Sizes


@pytest.mark.parametrize("density", [0.5, 0.3, 0.2, 0.1, 0.08, 0.05, 0.025, 0.01])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_files_of_independent_masks_are_within_3_percent_of_values_and_entropy(density, seed):
    model = lenet(density, seed)
    weights = {name: t.numpy() for name, t in model.state_dict().items() if t.ndim == 2}
    least = 4 * 410  # biases
    for weight in weights.values():
        p = np.count_nonzero(weight) / weight.size
        least += np.count_nonzero(weight) * 4 + weight.size * -(p * np.log2(p) + (1 - p) * np.log2(1 - p)) / 8
    assert bound(model) == int(np.ceil(least))
    assert least < len(packed(model)) <= 1.03 * least


def test_lenet_with_6655_survivors_in_5_bits_takes_at_most_20_kilobytes():
    model = lenet(1.0)
    masks = pl.Masks(model)
    masks.prune(density=6655 / 266_200)
    assert masks.kept in (6655, 6656)  # by rounding
    assert len(packed(model, bits=5)) <= 20_000


def test_the_bound_of_a_dense_network_is_its_bytes():
    model = models.build("lenet-5", (1, 28, 28), 10)
    assert bound(model) == sum(p.nbytes for p in model.parameters())


# Damage


@pytest.fixture(scope="module")
def whole():
    state = everything()
    return packed(state), state


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


def forged(index, sections=b"", *, version="1", entries=(), header_extra=None, index_bytes=None):
    """A file with a right digest and whatever is claimed in it; made by hand."""
    text = index_bytes if index_bytes is not None else json.dumps(index).encode()
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = squeezed.compress(text) + squeezed.flush()
    content = bytes(32) + struct.pack("<I", len(stream)) + stream + sections
    header = {"__metadata__": {"prunelab": version}, **dict(entries)}
    header["_"] = {"dtype": "U8", "shape": [len(content)], "data_offsets": [0, len(content)]}
    head = json.dumps(header | (header_extra or {})).encode()
    begin = 8 + len(head)
    blob = struct.pack("<Q", len(head)) + head + content
    return blob[:begin] + hashlib.sha256(blob[:begin] + blob[begin + 32 :]).digest() + blob[begin + 32 :]


def deflated(data):
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -15)
    return squeezed.compress(data) + squeezed.flush()


def test_the_forger_can_make_a_sound_file(tmp_path):
    path = tmp_path / "forged.prune"
    path.write_bytes(forged({"w": "F32 2x3 1 rice0 1"}, b"\x20" + struct.pack("<f", 2.5)))
    assert torch.equal(load(path)["w"], torch.tensor([[0, 0, 2.5], [0, 0, 0]]))


BOMBS = {
    "shape": (forged({"w": "F32 1000000x1000000 0 rice0 0"}), "4,000,000,000,000 for its dense tensors"),
    "many": (forged({f"w{i}": "F64 100000x1000 0 rice0 0" for i in range(100)}), "80,000,000,000 for its dense"),
    "product": (forged({"w": "F32 999999999999999x999999999999999 0 rice0 0"}), "can't have 0 survivors in shape"),
    "digits": (forged({"w": f"F32 {'9' * 5000}x1 0 rice0 0"}), "does not say what 'w' is"),
    "dimensions": (forged({"w": f"F32 {'x'.join('1' * 99)} 0 rice0 0"}), "survivors in shape"),
    "survivors": (forged({"w": "F32 99999x9999 999000000 rice0 0"}), "needs .* bytes|its index tells of"),
    "more survivors": (forged({"w": "F32 2x2 5 rice0 0"}, bytes(20)), "can't have 5 survivors"),
    "index": (forged({}, index_bytes=b" " * 50_000_000), "at most 4194304 bytes"),
    "nested": (forged({}, index_bytes=b"[" * 1_000_000), "nested"),
    "nested header": (
        struct.pack("<Q", 10**6) + b'{"__metadata__":{"prunelab":"1"},"a":' + b"[" * 10**6,
        "header can't be read",
    ),
    "list": (forged([["w", "F32"]]), "does not say in words"),
    "nothing": (forged({}, index_bytes=b""), "Expecting value"),
    "mask": (
        forged({"w": f"F32 9x9 1 bytes {len(deflated(bytes(10**8)))}"}, deflated(bytes(10**8)) + bytes(4)),
        "at most 1 bytes",
    ),
    "levels": (
        forged({"w": f"F32 2x2 4 all 0 as 1 F32 {len(deflated(bytes(10**8)))}"}, bytes(4) + deflated(bytes(10**8))),
        "at most 4 bytes",
    ),
    "no such level": (forged({"w": "F32 2x2 4 all 0 as 1 F32 6"}, bytes(4) + deflated(b"\1\0\0\0")[:6]), "damaged"),
    "levels of double": (forged({"w": "F64 2x2 4 all 0 as F16"}, bytes(8)), "can't have"),
    "pickled": (forged({"w": "PKL 2x2 4 all 0"}), "does not say what"),
    "tied to itself": (forged({"w": "is w"}), "ties one that is not there"),
    "tied in a ring": (forged({"v": "is w", "w": "is v"}), "ties one that is not there"),
    "twice": (forged({"_": "F32 2x2 0 rice0 0", "w": "is _"}), None),
    "section": (forged({"w": "F32 2x2 1 rice0 1"}, b"\x80"), "its index tells of"),
    "leftover": (forged({}, b"more"), "its index tells of"),
    "header length": (struct.pack("<Q", 2**60) + forged({})[8:], "not even its header"),
    "entry": (
        forged({}, header_extra={"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}),
        "truncated",
    ),
    "lying entry": (
        forged({}, header_extra={"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 8]}}),
        "safetensors refuses it",
    ),
    "huge offsets": (
        forged({}, header_extra={"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1e400]}}),
        "header can't be read",
    ),
    "odd offsets": (forged({}, header_extra={"w": {"data_offsets": "ab"}}), "header can't be read"),
    "no entry": (forged({}, header_extra={"_": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}), "damaged"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_made_up_claims_are_refused_before_memory_is_spent_on_them(tmp_path, name):
    blob, words = BOMBS[name]
    path = tmp_path / "bomb.prune"
    path.write_bytes(blob)
    tracemalloc.start()
    try:
        if words is None:  # odd, but sound: only the hull can't hold two entries of a name
            assert load(path)["w"].shape == (2, 2)
        else:
            with pytest.raises(PackedError, match=words):
                load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12_000_000 + 4 * len(blob)


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


def test_the_limit_is_named_and_can_be_raised(tmp_path):
    path = tmp_path / "net.prune"
    save(lenet(0.05), path)
    with pytest.raises(PackedError, match=r"needs [\d,]+ bytes of memory.*the limit is 1,000,000. Give limit= more"):
        load(path, limit=1_000_000)
    with pytest.raises(PackedError, match="the limit is 10,000"):
        load(path, limit=10_000)
    assert same(load(path, limit=4_000_000), lenet(0.05).state_dict())


@pytest.mark.parametrize("density", [0.9, 0.45, 0.05])
@pytest.mark.parametrize("bits", [None, 3])
def test_unpacking_takes_no_more_memory_than_was_asked_of_the_limit(tmp_path, density, bits):
    path = tmp_path / "w.prune"
    save({"w": sparse_tensor((700, 700), density)}, path, bits=bits)
    with pytest.raises(PackedError, match="needs") as caught:
        load(path, limit=path.stat().st_size)
    needed = int(str(caught.value).split("needs ")[1].split(" ")[0].replace(",", ""))
    tracemalloc.start()
    try:
        load(path, limit=needed)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= needed + 2 * path.stat().st_size + 100_000


FOREIGN = {
    "empty": (b"", "is empty"),
    "text": (b"weights = 3\n" * 9, "not a safetensors file"),
    "short": (b"abc", "not a safetensors file"),
    "other safetensors": (safetensors.numpy.save({"w": np.zeros(3)}), "safetensors file of something else"),
    "other metadata": (
        safetensors.numpy.save({"w": np.zeros(3)}, {"format": "pt"}),
        "something else; try safetensors.torch.load_file",
    ),
    "zip": (b"PK\x03\x04" + bytes(90), "not a safetensors file"),
    "newer": (forged({}, version="2"), "format '2', this version of prunelab reads format 1. Update prunelab"),
    "json": (struct.pack("<Q", 2) + b"[]", "not a safetensors file"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_told_apart(tmp_path, name):
    content, words = FOREIGN[name]
    path = tmp_path / "foreign.prune"
    path.write_bytes(content)
    with pytest.raises(PackedError, match=words):
        load(path)


def test_what_is_no_file_is_refused_in_words(tmp_path):
    with pytest.raises(PackedError, match="missing.prune cannot be read: No such file"):
        load(tmp_path / "missing.prune")
    with pytest.raises(PackedError, match="is not a file but a directory"):
        load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PackedError, match="is not a file but a device"):
        load(tmp_path / "pipe")
    torch.save({"w": torch.ones(3)}, tmp_path / "pickled.pt")
    with pytest.raises(PackedError, match="not a packed file"):
        load(tmp_path / "pickled.pt")


# Writing, and models that don't fit


def test_a_path_that_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    model = lenet(0.05)
    with pytest.raises(PackedError, match="cannot be written: No such file or directory"):
        save(model, tmp_path / "nowhere" / "net.prune")
    (tmp_path / "folder.prune").mkdir()
    with pytest.raises(PackedError, match="cannot be written: Is a directory"):
        save(model, tmp_path / "folder.prune")
    path = tmp_path / "net.prune"
    save(lenet(0.5), path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk.os, "fsync", full)
    with pytest.raises(PackedError, match="No space left on device. Nothing was changed"):
        save(model, path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.prune", "net.prune"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s["fc1.weight"].__setitem__((3, 4), float("nan")), "fc1.weight holds NaN"),
        (lambda s: s["fc2.bias"].fill_(float("nan")), "fc2.bias holds NaN"),
        (lambda s: s.update(odd=torch.zeros(2, dtype=torch.complex128)), "odd is torch.complex128"),
        (lambda s: s.update(odd=torch.eye(3).to_sparse()), "odd is torch.float32, torch.sparse_coo"),
        (lambda s: s.update(odd=torch.empty(3, 3, device="meta")), "odd is .* on meta"),
        (lambda s: s.update(odd=nn.LazyLinear(3).weight), "odd has no shape yet"),
        (lambda s: s.update(_=torch.zeros(3)), "can't be called '_'"),
        (lambda s: s.update({5: torch.zeros(3)}), "can't be called 5"),
    ],
)
def test_what_cannot_be_packed_is_named(tmp_path, change, words):
    state = lenet(0.1).state_dict()
    change(state)
    for function in (lambda: save(state, tmp_path / "net.prune"), lambda: bound(state)):
        with pytest.raises(ValueError, match=words):
            function()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dtype": "float8"}, "dtype = 'float8'"),
        ({"bits": 0}, "bits = 0"),
        ({"bits": 9}, "bits = 9"),
        ({"bits": True}, "bits = True"),
        ({"masks": {"fc1.wieght": torch.ones(2, 2, dtype=torch.bool)}}, "did you mean 'fc1.weight'"),
        ({"masks": {"fc1.weight": torch.ones(2, 2, dtype=torch.bool)}}, r"needed: torch.bool of shape \(300, 784\)"),
        ({"masks": {"fc1.weight": torch.ones(300, 784)}}, "mask fc1.weight is torch.float32"),
        ({"masks": {"fc1.weight": np.ones((300, 784), bool)}}, "mask fc1.weight is ndarray"),
        ({"masks": {"fc1.weight": torch.zeros(300, 784, dtype=torch.bool)}}, "weights outside its mask are not zero"),
    ],
)
def test_options_that_make_no_sense_are_named(tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        save(lenet(0.1), tmp_path / "net.prune", **options)


def test_values_that_an_option_cannot_hold_are_named(tmp_path):
    state = {"w": sparse_tensor((30, 30), 0.2)}
    state["w"][4, 4] = 1e6
    with pytest.raises(ValueError, match=r"w holds 1e\+06, beyond float16's 65504"):
        save(state, tmp_path / "w.prune", dtype="float16")
    state["w"][4, 4] = float("inf")
    save(state, tmp_path / "w.prune", dtype="float16")
    assert load(tmp_path / "w.prune")["w"][4, 4] == float("inf")
    with pytest.raises(ValueError, match="w holds infinite weights"):
        save(state, tmp_path / "w.prune", bits=4)


def test_no_model_is_a_type_error(tmp_path):
    with pytest.raises(TypeError, match="list is neither a module nor a mapping"):
        save([torch.ones(3)], tmp_path / "net.prune")
    with pytest.raises(TypeError, match="extra is dict, not a tensor"):
        save({"extra": {}}, tmp_path / "net.prune")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: models.build("lenet-300-100", (1, 28, 28), 7), r"fc3.weight is torch.float32 of shape \(10, 100\)"),
        (lambda: models.build("lenet-5", (1, 28, 28), 10), "conv1.weight is in the model only"),
        (lambda: models.build("lenet-300-100", (1, 28, 28), 10).double(), "torch.float64 of shape .* and 3 more"),
        (lambda: nn.Sequential(nn.Flatten()), "fc1.bias is in the file only"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), "0.weight is in the model only"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_and_not_touched(tmp_path, other, words):
    save(lenet(0.05), tmp_path / "net.prune")
    model = other()
    before = {n: t.clone() for n, t in model.state_dict().items() if not nn.parameter.is_lazy(t)}
    with pytest.raises(PackedError, match=words) as caught:
        load(tmp_path / "net.prune", model)
    assert "The model was not touched" in str(caught.value)
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())


def test_a_model_that_ties_what_differs_in_the_file_is_refused(tmp_path):
    save(Tied(tie=False), tmp_path / "loose.prune")
    with pytest.raises(PackedError, match=r"decoder.weight and encoder.weight are one tensor in the model, two"):
        load(tmp_path / "loose.prune", Tied())


def test_saving_leaves_the_model_as_it_is(tmp_path):
    model = lenet(0.1)
    before = {name: bits_of(tensor).clone() for name, tensor in model.state_dict().items()}
    save(model, tmp_path / "net.prune", bits=2, masks=None)
    assert all(torch.equal(bits_of(t), before[name]) for name, t in model.state_dict().items())
    back = load(tmp_path / "net.prune")
    assert all(not t.requires_grad for t in back.values())


def test_packing_is_reported_by_the_bench(tmp_path):
    from prunelab.bench import packing

    rows = packing.rows(quick=True, say=lambda _: None)
    assert len(rows) == 8 and all(row.met for row in rows[:6])
    assert all(row.figure > 0 for row in rows)


def test_a_network_whose_values_were_shared_before_is_packed_exactly_and_as_small(tmp_path):
    weight = torch.zeros(200, 300)
    weight[torch.rand(200, 300, generator=torch.Generator().manual_seed(2)) < 0.1] = 1.0
    weight *= torch.randint(1, 17, (200, 300), generator=torch.Generator().manual_seed(3)) / 7
    size = save({"w": weight}, tmp_path / "w")
    assert torch.equal(load(tmp_path / "w")["w"], weight)
    survivors = int((weight != 0).sum())
    assert size < survivors * (4 / 8 + entropy(0.1) / 0.1 / 8) * 1.1 + 500, "four bits a value, not thirty-two"
