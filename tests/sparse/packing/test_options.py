"""Options that lose precision, and those that make no sense."""

import numpy as np
import pytest
import torch

from prunelab.sparse import load, save
from support.packed_files import everything, lenet, same, sparse_tensor


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


@pytest.mark.parametrize("density", [1.0, 0.9, 0.3])
@pytest.mark.parametrize("shape", [(64, 32), (16, 3, 5, 5)])
def test_bits_and_float16_hold_for_tensors_with_few_zeros_and_none(tmp_path, shape, density):
    state = {"w": sparse_tensor(shape, density), "bias": torch.randn(shape[0])}
    weights = state["w"].numel()
    for bits in (8, 5, 1):
        size = save(state, tmp_path / "w.prune", bits=bits)
        loaded = load(tmp_path / "w.prune")
        assert len(loaded["w"][loaded["w"] != 0].unique()) <= 2**bits and torch.equal(loaded["bias"], state["bias"])
        assert size < weights * bits / 8 * 1.05 + weights / 8 + 4 * (2**bits + shape[0]) + 600
    assert save(state, tmp_path / "w.prune", dtype="float16") < 2 * weights + weights / 8 + 4 * shape[0] + 600
    assert torch.equal(load(tmp_path / "w.prune")["w"], state["w"].half().float())


def test_without_options_a_dense_tensor_stays_as_it_is(tmp_path):
    state = {"w": sparse_tensor((64, 32), 1.0)}
    assert save(state, tmp_path / "w.prune") >= state["w"].nbytes
    assert torch.equal(load(tmp_path / "w.prune")["w"], state["w"])


def test_an_option_that_saves_nothing_changes_nothing(tmp_path):
    state = {"w": torch.randn(2, 2)}
    save(state, tmp_path / "w.prune", bits=8)  # a table of values and numbers of them would be larger
    assert torch.equal(load(tmp_path / "w.prune")["w"], state["w"])


def test_few_distinct_values_are_shared_without_loss(tmp_path):
    weight = sparse_tensor((60, 60), 0.3).sign() * 0.25
    assert save({"w": weight}, tmp_path / "w.prune", bits=1) < 800
    assert torch.equal(load(tmp_path / "w.prune")["w"], weight)


def test_nothing_left_can_be_packed_with_any_option(tmp_path):
    for options in ({}, {"bits": 4}, {"dtype": "float16"}):
        assert save({"w": torch.zeros(300, 784)}, tmp_path / "w.prune", **options) < 300
        assert torch.equal(load(tmp_path / "w.prune")["w"], torch.zeros(300, 784))


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
