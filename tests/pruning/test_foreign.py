"""Networks that other tools pruned: torch.nn.utils.prune is the oracle for what was cut and what comes out."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import prunelab as pl
from prunelab.errors import LeftOutWarning


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 12), nn.ReLU(), nn.Linear(12, 3))


def batch() -> torch.Tensor:
    return torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def test_what_torch_pruned_becomes_an_ordinary_network_with_the_same_outputs_and_masks():
    model = network()
    prune.l1_unstructured(model[0], "weight", amount=0.5)
    prune.ln_structured(model[3], "weight", amount=0.25, n=2, dim=0)
    prune.random_unstructured(model[3], "weight", amount=0.3)  # on top: torch keeps a container of both
    prune.l1_unstructured(model[3], "bias", amount=4)
    expected = {"0.weight": model[0].weight_mask.bool(), "3.weight": model[3].weight_mask.bool()}
    with torch.no_grad():
        outputs, biases = model(batch()), (model[3].bias == 0).sum()
    with pytest.warns(LeftOutWarning, match=r"^3\.bias: torch pruned these too, but biases"):
        masks = pl.Masks.from_torch(model)
    assert {name: p.shape for name, p in model.named_parameters()} == {
        name: p.shape for name, p in network().named_parameters()
    }
    assert not list(model.buffers()) and not any(module._forward_pre_hooks for module in model.modules())
    assert all(torch.equal(masks[name], mask) for name, mask in expected.items())
    assert masks["5.weight"].all() and masks.zeros_hold()
    with torch.no_grad():
        assert torch.equal(model(batch()), outputs)
    assert (model[3].bias == 0).sum() == biases == 4


def test_a_survivor_that_happens_to_be_zero_is_a_survivor_in_torchs_masks_and_not_in_zeros():
    model = network()
    with torch.no_grad():
        model[5].weight[0, 0] = 0
    mask = torch.ones_like(model[5].weight)
    mask[1, 1] = 0
    prune.custom_from_mask(model[5], "weight", mask)
    masks = pl.Masks.from_torch(model)
    assert masks["5"][0, 0] and not masks["5"][1, 1] and masks.kept_in("5") == 35
    assert pl.Masks.from_zeros(model).kept_in("5") == 34


def test_zeros_are_taken_for_masks_and_pruning_and_training_go_on_from_there():
    model = network()
    first = pl.Masks(model)
    first.prune(density=0.3)
    masks = pl.Masks.from_zeros(copy.deepcopy(model))
    assert all(torch.equal(masks[name], first[name]) for name in first)
    optimizer = torch.optim.Adam(masks.model.parameters(), lr=0.01)
    masks.attach(optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        masks.model(batch()).square().sum().backward()
        optimizer.step()
    assert masks.zeros_hold() and masks.density == first.density
    survivors = masks.weight("3").detach()[masks["3"]].double()
    fresh = pl.Masks.from_zeros(masks.model)
    assert fresh.prune(quality=0.5)["3.weight"].deviation == pytest.approx(float(survivors.std(correction=0)))


def test_a_network_that_nobody_pruned_or_that_is_dead_is_refused_in_words():
    model = network()
    with pytest.raises(ValueError, match="from_zeros"):
        pl.Masks.from_torch(model)
    assert pl.Masks.from_zeros(model).density == 1.0
    nn.init.zeros_(model[3].weight)
    with pytest.raises(ValueError, match=r"3\.weight has no survivor"):
        pl.Masks.from_zeros(model)
    assert pl.Masks.from_zeros(model, exclude=["3"]).density == 1.0
