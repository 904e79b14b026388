"""Round trips: what was packed comes back to the bit."""

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import prunelab as pl
from prunelab import models
from prunelab.sparse import bound, load, save
from prunelab.sparse.packing.file import packed
from support.packed_files import Tied, bits_of, floats, lenet, same, sparse_tensor

shapes = st.lists(st.integers(1, 9), min_size=0, max_size=4).map(tuple)
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


def test_minus_zeros_that_products_with_masks_leave_cost_nothing_and_come_back_as_zeros(tmp_path):
    model = models.build("lenet-300-100", (1, 28, 28), 10)
    masks = pl.Masks(model)
    masks.prune(density=0.08)
    weight = model.get_parameter("fc1.weight").detach()
    weight[~masks["fc1.weight"]] = -0.0
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


def test_saving_leaves_the_model_as_it_is(tmp_path):
    model = lenet(0.1)
    before = {name: bits_of(tensor).clone() for name, tensor in model.state_dict().items()}
    save(model, tmp_path / "net.prune", bits=2, masks=None)
    assert all(torch.equal(bits_of(t), before[name]) for name, t in model.state_dict().items())
    back = load(tmp_path / "net.prune")
    assert all(not t.requires_grad for t in back.values())


def test_views_that_only_differ_by_a_sign_are_no_ties(tmp_path):
    numbers, weight = torch.randn(4, 4, dtype=torch.complex64), torch.randn(4, 4)
    state = {"up": numbers.imag, "down": numbers.conj().imag, "weight": weight, "negated": torch._neg_view(weight)}
    save(state, tmp_path / "net")
    found = load(tmp_path / "net")
    assert torch.equal(found["down"], -found["up"]) and torch.equal(found["negated"], -weight)
    assert all(torch.equal(found[name], value) for name, value in state.items())
