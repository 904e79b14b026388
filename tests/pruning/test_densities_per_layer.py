"""A density for each layer: against torch.nn.utils.prune with an amount for each module, and by hand."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune as torch_prune

import prunelab as pl


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 20), nn.ReLU(), nn.Linear(20, 4))


def torchs(model: nn.Sequential, densities: dict[str, float]) -> dict[str, torch.Tensor]:
    """The masks of ``torch.nn.utils.prune``; a layer without a density stays whole."""
    peer = copy.deepcopy(model)
    masks = {}
    for name in ("0", "3", "5"):
        total = peer[int(name)].weight.numel()
        torch_prune.l1_unstructured(peer[int(name)], "weight", total - round(densities.get(name, 1.0) * total))
        masks[f"{name}.weight"] = peer[int(name)].weight_mask.bool()
    return masks


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    densities=st.dictionaries(st.sampled_from(["0", "3", "5"]), st.floats(0.05, 1.0), min_size=1),
    scope=st.sampled_from(["global", "layer"]),
)
def test_each_layer_at_its_density_is_what_torch_cuts(seed, densities, scope):
    model = network(seed)
    expected = torchs(model, densities)
    masks = pl.Masks(model)
    cuts = masks.prune(density=densities, scope=scope)
    for name, mask in expected.items():
        assert torch.equal(masks[name], mask)
        assert (cuts[name].kept, cuts[name].total) == (int(mask.sum()), mask.numel())
        assert (cuts[name].threshold is None) == (name.removesuffix(".weight") not in densities)
    assert list(cuts) == list(masks)


def test_what_a_scan_says_each_layer_needs_can_be_asked_for():
    model = network()
    x, y = torch.randn(60, 2, 4, 4), torch.arange(60) % 4
    scan = pl.sensitivity(model, (x, y), densities=[0.5, 0.25])
    needs = scan.needs(tolerance=0.05)
    assert needs == {name: scan.needs(name, tolerance=0.05) for name in scan.layers}
    masks = pl.Masks(model)
    masks.prune(density=needs)
    for name, part in needs.items():
        assert masks.kept_in(name) == round(part * masks[name].numel())


def test_whole_neurons_by_layer():
    model = network()
    sizes = model[3].weight.detach().square().mean(1)
    masks = pl.Masks(model)
    masks.prune(density={"3": 0.25}, unit="neuron")
    assert set(masks["3"].any(1).nonzero().flatten().tolist()) == set(sizes.topk(5).indices.tolist())
    assert masks["0"].all() and masks["5"].all()
    with pytest.raises(ValueError, match=r"^5\.weight: these neurons are the network's outputs"):
        masks.prune(density={"3": 0.2, "5": 0.5}, unit="neuron")


def test_two_of_four_in_the_named_layers_only():
    model = network()
    masks = pl.Masks(model)
    masks.prune(density={"5": 0.5}, unit="2:4")
    assert (masks["5"].view(-1, 4).sum(1) == 2).all() and masks["0"].all() and masks["3"].all()
    with pytest.raises(ValueError, match="density = 0.25: two of four is 0.5"):
        masks.prune(density={"3": 0.25}, unit="2:4")


@pytest.mark.parametrize(
    ("density", "words"),
    [
        ({"3": 0.0}, "density = 0.0: must be above 0"),
        ({"3": True}, "density = True"),
        ({"3": {"3": 1.0}}, "or a mapping from layer to such a number"),
        ({"4": 0.5}, "'4' matches no layer with a mask"),
        ({"3": 0.5, "3.weight": 0.2}, "3, 3.weight: two of these names are of one layer"),
    ],
)
def test_what_is_no_density_of_a_layer_is_refused_and_nothing_is_cut(density, words):
    masks = pl.Masks(network())
    with pytest.raises(ValueError, match=words):
        masks.prune(density=density)
    assert masks.density == 1.0


def test_a_session_cuts_saves_and_tells_densities_by_layer(tmp_path):
    x, y = torch.randn(40, 2, 4, 4), torch.arange(40) % 4
    data = ((x, y), (x, y))
    recipe = pl.Recipe(rounds=1, retrain_epochs=1)
    session = pl.Session(recipe, model=network(), data=data, trained=True)
    densities = {"3": 0.25, "5": 0.5}
    preview = session.preview(density=densities)
    snapshot = session.prune(density=densities)
    assert [layer.kept for layer in snapshot.layers] == [108, 120, 40] == [layer.kept for layer in preview.layers]
    assert snapshot.target.to_dict() == {"quality": None, "density": densities} and snapshot.quality is None
    session.save(tmp_path / "run")
    again = pl.Session.load(tmp_path / "run", model=network(1), data=data)
    assert again.snapshot().target == snapshot.target
    assert [layer.kept for layer in again.snapshot().layers] == [108, 120, 40]
