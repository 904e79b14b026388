"""Files that claim what they do not hold: refused before memory is spent on them."""

import struct
import tracemalloc

import pytest
import torch

from prunelab.sparse import PackedError, load, save
from support.packed_files import deflated, forged, lenet, same, sparse_tensor


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
    assert peak <= needed + 100_000


def test_a_dense_file_is_counted_with_the_copy_that_reading_makes(tmp_path):
    path = tmp_path / "dense.prune"
    save({"w": torch.rand(1000, 1000)}, path)
    size = path.stat().st_size
    tracemalloc.start()
    try:
        with pytest.raises(
            PackedError, match="needs 8,00.* bytes of memory, 4,000,000 for its dense tensors; the limit"
        ):
            load(path, limit=int(1.05 * size))
        refused = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        assert load(path, limit=2 * size)["w"].shape == (1000, 1000)
        loaded = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused <= 1.05 * size + 100_000 and loaded <= 2 * size + 100_000


ONES = b"\xff" * 6_000_000
LIVE = b"\x80" + b"\xff" * 250_000
HEADS = {
    "longer than its survivors need": ("10x10 1 rice0 6000000", ONES, 1, "longer than 1 survivors among 100 can need"),
    "longer with low bits": ("10x10 1 rice3 6000000", ONES, 1, "longer than 1 survivors among 100 can need"),
    "more survivors than there are": ("8000x6000 1 rice0 6000000", ONES, 1, "does not have 1 survivors among 48000000"),
    "low bits": ("2048x1024 1048576 rice21 2883584", ONES[:2_883_584], 2**20, "does not have 1048576 survivors"),
    "columns that are alive": ("1x2000000 1 live rice0 250002", LIVE + b"\x80", 1, None),
    "stream with a tail": (
        f"10x10 1 bytes {len(deflated(b'5')) + 6_000_000}",
        deflated(b"5") + ONES,
        1,
        "at most 1 bytes",
    ),
}


@pytest.mark.parametrize("name", HEADS)
def test_masks_that_are_forged_take_no_more_than_the_limit(tmp_path, name):
    words, head, kept, refusal = HEADS[name]
    path = tmp_path / "forged.prune"
    path.write_bytes(forged({"w": f"F16 {words}"}, head + bytes(2 * kept)))
    with pytest.raises(PackedError, match="needs") as caught:
        load(path, limit=path.stat().st_size)
    needed = int(str(caught.value).split("needs ")[1].split(" ")[0].replace(",", ""))
    tracemalloc.start()
    try:
        if refusal is None:
            assert load(path, limit=needed)["w"].count_nonzero() == 0
        else:
            with pytest.raises(PackedError, match=refusal):
                load(path, limit=needed)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= needed + 100_000
