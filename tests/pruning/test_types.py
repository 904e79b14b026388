"""Masks of networks in every type that torch trains in, whatever torch's default type is."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import prunelab as pl
from prunelab.pruning import effective
from prunelab.pruning.ranking import at_least, representable

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.fixture(params=[torch.float64, torch.bfloat16, torch.float16], ids=str)
def default_type(request):
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(before)


def network(dtype: torch.dtype | None = None, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(40, 60), nn.ReLU(), nn.Linear(60, 10)).to(dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("quality", [0.3, 0.777, 1.1, 1.5])
def test_no_survivor_lies_below_the_reported_threshold_and_nothing_cut_above(dtype, quality):
    model = network(dtype)
    masks = pl.Masks(model)
    dense = {name: masks.weight(name).detach().double().numpy().copy() for name in masks}
    for name, cut in masks.prune(quality=quality).items():
        magnitude, mask = np.abs(dense[name]), masks[name].numpy()
        assert cut.threshold == quality * cut.deviation
        assert magnitude[mask].min() >= cut.threshold > magnitude[~mask].max()
        np.testing.assert_allclose(cut.deviation, dense[name].std(), rtol=1e-12)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_the_threshold_of_a_density_cut_is_its_smallest_survivor(dtype, scope):
    model = network(dtype)
    masks = pl.Masks(model)
    cuts = masks.prune(density=0.3, scope=scope)
    for name in masks:
        survivors = masks.weight(name).detach()[masks[name]].double().abs()
        assert float(survivors.min()) >= cuts[name].threshold
    smallest = min(float(masks.weight(n).detach()[masks[n]].double().abs().min()) for n in masks)
    assert smallest == min(cut.threshold for cut in cuts.values())


@given(
    number=st.floats(0, 70000, allow_subnormal=True),
    dtype=st.sampled_from(FLOATS),
    values=st.lists(st.floats(0, 60000), min_size=1, max_size=20),
)
def test_at_least_compares_as_double_precision_does(number, dtype, values):
    weights = torch.tensor(values, dtype=torch.float64).to(dtype)
    weights[0] = torch.tensor(number, dtype=torch.float64).to(dtype)  # right beside the threshold
    expected = weights.double() >= number
    assert torch.equal(at_least(weights, torch.ones_like(expected), number), expected)
    bound = representable(number, dtype)
    assert bound >= number and (math.isinf(bound) or float(torch.tensor(bound, dtype=dtype)) == bound)


def test_effective_density_does_not_depend_on_torchs_default_type(default_type):
    model = network()
    assert model[0].weight.dtype == default_type
    masks = pl.Masks(model)
    masks.prune(density=0.05)
    x = torch.randn(2, 40)
    found = effective.trace(model, x).effective(masks)
    torch.set_default_dtype(torch.float32)
    twin = network(torch.float32)
    expected = effective.trace(twin, x.float()).effective(dict(masks))
    assert found == expected


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_zeros_stay_zero_in_every_type(dtype):
    model = network(dtype)
    masks = pl.Masks(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    masks.attach(optimizer)
    masks.prune(quality=1.0)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(8, 40, dtype=dtype)).float().square().mean().backward()
        optimizer.step()
        assert masks.zeros_hold()


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1.0, 1e4])  # squares below and above what float16 can hold
@pytest.mark.parametrize("kind", ["linear", "conv", "transposed"])
def test_neurons_are_ranked_as_double_precision_does(dtype, scale, kind):
    torch.manual_seed(0)
    layer = {
        "linear": lambda: nn.Linear(48, 64),
        "conv": lambda: nn.Conv2d(6, 64, 3),
        "transposed": lambda: nn.ConvTranspose2d(6, 64, 3),
    }[kind]()
    with torch.no_grad():
        layer.weight.normal_(std=scale)
    model = nn.Sequential(layer.to(dtype), nn.Linear(64, 2).to(dtype))
    weights = layer.weight.detach().double().numpy()
    rows = np.moveaxis(weights, 1 if kind == "transposed" else 0, 0).reshape(64, -1)
    masks = pl.Masks(model, outputs="1")
    masks.prune(density=0.5, unit="neuron")
    kept = np.moveaxis(masks["0"].numpy(), 1 if kind == "transposed" else 0, 0).reshape(64, -1).any(1)
    assert set(np.flatnonzero(kept)) == set(np.argsort(-np.square(rows).mean(1))[:32])


CUTS = {
    "quality": {"quality": 0.7},
    "density": {"density": 0.3},
    "layer": {"density": {"0": 0.3}},
    "neuron": {"density": 0.5, "unit": "neuron"},
    "2:4": {"density": 0.5, "unit": "2:4"},
}


@pytest.mark.parametrize("cut", CUTS)
def test_cuts_do_not_depend_on_torchs_default_device(cut):
    model, other = network(), network()
    masks = pl.Masks(model)
    cuts = masks.prune(**CUTS[cut])
    with torch.device("meta"):  # has no values: whatever is made there by mistake shows
        there = pl.Masks(other)
        assert there.prune(**CUTS[cut]) == cuts
        there.attach(torch.optim.Adam(other.parameters()))
        there.load_state_dict(there.state_dict())
        assert there.zeros_hold() and there.model_density == masks.model_density
    assert all(torch.equal(there[name], masks[name]) for name in masks)
