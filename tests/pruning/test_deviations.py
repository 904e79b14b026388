"""The deviation of std="dense" is remembered however masks arrived; the oracle is NumPy."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

import prunelab as pl


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 4))


def spread(weights: torch.Tensor) -> float:
    return weights.detach().double().numpy().std()


def test_masks_without_deviations_over_dense_weights():
    """As from another tool: booleans by name. The weights are still dense when the masks are loaded."""
    model = network()
    bare = {"0.weight": torch.rand(30, 20) < 0.5, "2.weight": torch.ones(4, 30, dtype=torch.bool)}
    dense = {name: spread(model.get_parameter(name)) for name in bare}
    masks = pl.Masks(model)
    masks.load_state_dict(bare)
    for name, cut in masks.prune(quality=0.8).items():
        assert cut.deviation == pytest.approx(dense[name], rel=1e-12)
        assert cut.threshold == pytest.approx(0.8 * dense[name], rel=1e-12)


def zeros_loaded(model: nn.Module) -> pl.Masks:
    masks = pl.Masks(model)
    masks.load_state_dict({name: masks.weight(name).detach() != 0 for name in masks})
    return masks


def dense_masks_on_zeros(model: nn.Module) -> pl.Masks:
    """Masks that know of no cut, whose first cut takes the zeros."""
    masks = pl.Masks(model)
    masks.prune(quality=1e-12)
    return masks


@pytest.mark.parametrize("arrival", [pl.Masks.from_zeros, zeros_loaded, dense_masks_on_zeros])
def test_zeros_that_were_there_already(arrival):
    """The dense weights are gone: the survivors' deviation comes nearest, and stays while they train."""
    model = network()
    pl.Masks(model).prune(density=0.3, scope="layer")
    survivors = {name: spread(p[p != 0]) for name, p in model.named_parameters() if p.dim() > 1}
    masks = arrival(model)
    assert masks.density == pytest.approx(0.3)
    with torch.no_grad():
        for name in masks:
            masks.weight(name).mul_(3)
    for name, cut in masks.prune(quality=0.5).items():
        assert cut.deviation == pytest.approx(survivors[name], rel=1e-9)


def test_masks_of_torch_and_copies_and_files():
    model = network()
    torch_prune.random_unstructured(model[0], "weight", amount=0.5)
    masks = pl.Masks.from_torch(model)
    expected = spread(model[0].weight[masks["0"]])
    again = pl.Masks(copy.deepcopy(model))
    again.load_state_dict(masks.state_dict())
    for each in (again, copy.deepcopy(masks), masks):
        assert each.prune(quality=0.4)["0.weight"].deviation == pytest.approx(expected, rel=1e-9)


def test_a_layer_that_is_dense_again_forgets_its_deviation():
    model = network()
    masks = pl.Masks(model)
    whole = masks.state_dict()
    masks.prune(density=0.5)
    masks.load_state_dict(whole)
    with torch.no_grad():
        model[0].weight.normal_()
    now = spread(model[0].weight)
    assert masks.prune(quality=0.4)["0.weight"].deviation == pytest.approx(now, rel=1e-12)
