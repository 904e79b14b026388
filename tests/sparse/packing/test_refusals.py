"""Files, paths and models that cannot be what was meant, refused in words."""

import io
import os
import struct

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from torch import nn

from prunelab import disk, models
from prunelab.sparse import PackedError, bound, load, save
from support.packed_files import Tied, forged, lenet

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


def test_no_model_is_a_type_error(tmp_path):
    with pytest.raises(TypeError, match="list is neither a module nor a mapping"):
        save([torch.ones(3)], tmp_path / "net.prune")
    with pytest.raises(TypeError, match="extra is dict, not a tensor"):
        save({"extra": {}}, tmp_path / "net.prune")


@pytest.mark.parametrize("masks", [[torch.ones(3)], "fc1", torch.ones(3, dtype=torch.bool), True])
def test_masks_without_names_are_a_type_error(tmp_path, masks):
    for function in (lambda: save(lenet(0.1), tmp_path / "net.prune", masks=masks), lambda: bound(lenet(0.1), masks)):
        with pytest.raises(TypeError, match=f"masks is a {type(masks).__name__}: must be a Masks"):
            function()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: models.build("lenet-300-100", (1, 28, 28), 7), r"fc3.weight is torch.float32 of shape \(10, 100\)"),
        (lambda: models.build("lenet-5", (1, 28, 28), 10), "conv1.weight is in the model only"),
        (lambda: models.build("lenet-300-100", (1, 28, 28), 10).double(), "torch.float64 of shape .* and 3 more"),
        (lambda: nn.Sequential(nn.Flatten()), "fc1.bias is in the file only"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), "0.weight has no shape yet: run the model once first"),
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


MASKED_WHOLE = {
    "bias": torch.ones(6),
    "whole numbers": torch.ones(2, 3, dtype=torch.int8),
    "booleans": torch.ones(2, 3, dtype=torch.bool),
    "float8": torch.ones(2, 3).to(torch.float8_e4m3fn),
}


@pytest.mark.parametrize("kind", MASKED_WHOLE)
@pytest.mark.parametrize("pack", [bound, lambda state, masks: save(state, io.BytesIO(), masks=masks)])
def test_a_mask_of_a_tensor_that_is_stored_whole_is_checked_too(kind, pack):
    tensor = MASKED_WHOLE[kind].clone()
    mask = torch.ones(tensor.shape, dtype=torch.bool)
    mask.view(-1)[1:3] = False
    with pytest.raises(ValueError, match="w: 2 weights outside its mask are not zero; apply the mask first"):
        pack({"w": tensor}, masks={"w": mask})
    tensor.view(torch.int8 if kind == "float8" else tensor.dtype).view(-1)[1:3] = 0
    assert pack({"w": tensor}, masks={"w": mask})


@pytest.mark.parametrize("pack", [bound, lambda model, masks: save(model, io.BytesIO(), masks=masks)])
def test_two_masks_of_one_tensor_have_to_be_the_same(pack):
    weight = torch.nn.Parameter(torch.eye(8))
    state = {"a.weight": weight, "b.weight": weight}
    mask = torch.eye(8, dtype=torch.bool)
    more = mask | mask.roll(1, 0)
    for first, second in ((mask, more), (more, mask)):
        with pytest.raises(ValueError, match="mask b.weight: a.weight is the same tensor, and has another mask"):
            pack(state, masks={"a.weight": first, "b.weight": second})
    assert pack(state, masks={"a.weight": mask, "b.weight": mask.clone()}) == pack(state, masks={"b.weight": mask})
