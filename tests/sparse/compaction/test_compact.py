"""Compacted networks against the dense networks they come from: the paper's, random ones, and what they stay."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import prunelab as pl
from prunelab import models
from prunelab.sparse.compaction.compact import Trimmed, compact
from support.compaction import checked, residual, settle


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("name", ["lenet-300-100", "lenet-5"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 8, 8)])
def test_the_networks_of_the_paper_shrink_and_answer_as_before(name, shape, dropout, batch_norm):
    model = settle(models.build(name, shape, 10, dropout=dropout, batch_norm=batch_norm))
    masks = pl.Masks(model)
    masks.prune(density=0.5, unit="neuron", scope="layer")
    masks.prune(density=0.1, scope="layer")
    small = checked(model, torch.rand(4, *shape), torch.rand(7, *shape))
    layers = small.compaction.layers
    hidden = list(layers)[:-1]
    for layer in hidden:
        gone = int((masks[layer].flatten(1).any(1) == 0).sum())
        assert layers[layer].removed >= gone - 1  # one may have to stay and stand for the others' constants
    assert layers[list(layers)[-1]].removed == 0
    assert small.compaction.parameters_after < 0.5 * small.compaction.parameters_before


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_random_zeros_in_small_networks(data):
    seed = data.draw(st.integers(0, 10**6))
    density = data.draw(st.floats(0.05, 0.6))
    torch.manual_seed(seed)
    activation = data.draw(st.sampled_from([nn.ReLU, nn.Sigmoid, nn.Tanh, nn.LeakyReLU]))
    steps: list[nn.Module] = []
    width = data.draw(st.integers(1, 6))
    example = torch.randn(3, width)
    for _ in range(data.draw(st.integers(1, 3))):
        wider = data.draw(st.integers(1, 7))
        steps.append(nn.Linear(width, wider, bias=data.draw(st.booleans())))
        if data.draw(st.booleans()):
            steps.append(nn.BatchNorm1d(wider))
        steps.append(activation())
        width = wider
    model = settle(nn.Sequential(*steps, nn.Linear(width, 2)), seed).double()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data *= torch.rand(parameter.shape) < density
    checked(model, example.double(), 3 * torch.randn(5, example.shape[1]).double())


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_random_zeros_in_small_convolutional_networks(data):
    torch.manual_seed(data.draw(st.integers(0, 10**6)))
    density = data.draw(st.floats(0.02, 0.4))
    padding = data.draw(st.sampled_from([0, 1]))
    groups = data.draw(st.sampled_from([1, 2, 4]))
    model = settle(
        nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=padding),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, data.draw(st.sampled_from([4, 8])), 3, padding=padding, groups=groups),
            data.draw(st.sampled_from([nn.ReLU(), nn.Tanh()])),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.LazyLinear(6),
            nn.ReLU(),
            nn.Linear(6, 3),
        ),
    )
    with torch.no_grad():
        model(x := torch.randn(2, 2, 8, 8))
    settle(model)
    for parameter in model.parameters():
        if parameter.dim() == 4:  # whole kernels and single weights
            parameter.data *= torch.rand(parameter.shape[:2])[:, :, None, None] < 2 * density
        if parameter.dim() > 1:
            parameter.data *= torch.rand(parameter.shape) < 2 * density
    checked(model.double(), x.double(), torch.randn(3, 2, 8, 8).double())


def test_a_network_without_dead_neurons_is_only_copied():
    torch.manual_seed(0)
    model = residual()
    with torch.inference_mode():
        small = compact(model, torch.randn(2, 3, 8, 8))
    assert small.compaction.removed == 0 and small.compaction.stayed == {}
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in small.state_dict().items())
    assert not any(p.is_inference() for p in small.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_number_types_stay_what_they_are(dtype):
    model = settle(models.build("lenet-300-100", (1, 8, 8), 10, batch_norm=True)).to(dtype)
    pl.Masks(model).prune(density=0.5, unit="neuron", scope="layer")
    small = compact(model, x := torch.rand(8, 1, 8, 8).to(dtype))
    assert {p.dtype for p in small.parameters()} == {dtype}
    assert small.compaction.layers["fc1.weight"] == Trimmed(150, 150)
    ours, theirs = small.eval()(x).double(), copy.deepcopy(model).eval()(x).double()
    # Against the same weights in float64: no further off than the dense network itself is, rounding for rounding.
    exact = copy.deepcopy(model).eval().double()(x.double())
    assert (ours - exact).abs().max() <= 4 * (theirs - exact).abs().max() + 1e-12


def test_a_model_in_training_mode_learns_on():
    torch.manual_seed(0)
    model = settle(models.build("lenet-300-100", (1, 8, 8), 10, dropout=0.5)).train()
    masks = pl.Masks(model)
    masks.prune(density=0.3, unit="neuron", scope="layer")
    small = checked(model, x := torch.rand(16, 1, 8, 8))
    assert small.training
    optimizer = torch.optim.SGD(small.parameters(), lr=0.1)
    loss = F.cross_entropy(small(x), torch.randint(0, 10, (16,)))
    loss.backward()
    before = [p.detach().clone() for p in small.parameters()]
    optimizer.step()
    assert all(not torch.equal(a, b) for a, b in zip(before, small.parameters(), strict=True))
    again = compact(small, x)  # what is compact is compacted at no loss
    assert again.compaction.removed == 0
