"""Networks and states to pack, and files forged by hand."""

import hashlib
import json
import struct
import zlib

import torch
from torch import nn

from prunelab import models


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


floats = [torch.float32, torch.float64, torch.float16, torch.bfloat16]


class Tied(nn.Module):
    def __init__(self, tie=True):
        super().__init__()
        self.encoder = nn.Embedding(200, 30)
        self.decoder = nn.Linear(30, 200)
        if tie:
            self.decoder.weight = self.encoder.weight


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
