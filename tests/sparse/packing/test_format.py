"""The format: a reader that follows docs/explanation/packed-file.md and uses nothing of prunelab reads the same."""

import hashlib
import json
import struct
import zlib

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from prunelab.sparse import load, save
from prunelab.sparse.packing import container
from prunelab.sparse.packing.file import packed
from support.packed_files import everything, lenet, same


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


def test_same_network_same_bytes():
    assert packed(lenet(0.1)) == packed(lenet(0.1)) == packed(dict(reversed(lenet(0.1).state_dict().items())))


def test_plain_tensors_can_be_read_by_safetensors_itself(tmp_path):
    model = lenet(0.1)
    save(model, tmp_path / "net.prune")
    assert torch.equal(safetensors.torch.load_file(tmp_path / "net.prune")["fc1.bias"], model.get_parameter("fc1.bias"))
