"""Every kind of layer that torch.nn.utils.prune can mask: the same masks, the same training, zeros that stay."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.utils import prune

import prunelab as pl
from prunelab.pruning import coverage
from support.layer_kinds import KINDS, NAMED, Tagger, alone, ids, owner


@pytest.mark.parametrize("kind", KINDS)
def test_each_weight_has_a_mask_by_itself_and_layers_name_all_of_theirs(kind):
    model, _, names = alone(kind)
    masks = pl.Masks(model)
    assert list(masks) == names == list(masks.names_of("layer"))
    assert masks.total == masks.total_in("layer") == sum(p.numel() for n, p in model.named_parameters() if n in names)
    assert list(pl.Masks(model, layers="layer")) == list(pl.Masks(model, layers=names)) == names
    with pytest.raises(ValueError, match="leave no layer"):
        pl.Masks(model, exclude="layer")
    for name in names if len(names) > 1 else ():
        assert list(pl.Masks(model, exclude=name)) == [other for other in names if other != name]


@pytest.mark.parametrize("kind", NAMED)
def test_embeddings_and_ones_own_matrices_are_masked_where_they_are_named(kind):
    model, inputs, names = alone(kind)
    with pytest.raises(ValueError, match=f"nothing to prune; layers= takes {names[0]}"):
        pl.Masks(model)
    both = nn.ModuleDict({"one": model, "two": nn.Linear(3, 3)})
    assert list(pl.Masks(both)) == ["two.weight"]
    masks = pl.Masks(model, layers=names)
    masks.prune(density=0.5)
    assert masks.density == 0.5 and int((masks.weight(names[0]) == 0).sum()) == masks.total // 2
    assert torch.isfinite(model(*inputs))


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("kind", [*KINDS, *NAMED])
def test_masks_and_training_are_those_of_torch(kind):
    model, inputs, names = alone(kind)
    twin = copy.deepcopy(model)
    masks = pl.Masks(model, layers=names)
    masks.prune(density=0.5, scope="layer")
    pairs = [owner(twin, name) for name in names]
    for name, (module, attribute) in zip(names, pairs, strict=True):
        prune.l1_unstructured(module, attribute, amount=masks[name].numel() - round(0.5 * masks[name].numel()))
        assert torch.equal(masks[name], getattr(module, f"{attribute}_mask").bool())
    # Attention reads its output projection without calling it, so torch's hook has to be called by hand.
    unheard = [module for module, _ in pairs if isinstance(module, NonDynamicallyQuantizableLinear)]
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=0.1)
    peer = torch.optim.SGD(twin.parameters(), lr=1e-3, momentum=0.9, weight_decay=0.1)
    masks.attach(optimizer)
    for _ in range(4):
        for network, steps in ((model, optimizer), (twin, peer)):
            steps.zero_grad()
            for module in unheard:
                next(iter(module._forward_pre_hooks.values()))(module, ())
            network(*inputs).square().backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            steps.step()
    assert masks.zeros_hold()
    for name, (module, attribute) in zip(names, pairs, strict=True):
        expected = (getattr(module, f"{attribute}_orig") * getattr(module, f"{attribute}_mask")).detach()
        torch.testing.assert_close(masks.weight(name).detach(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [*KINDS, *NAMED])
def test_masks_are_saved_and_copied_with_their_model(kind):
    model, _, names = alone(kind)
    masks = pl.Masks(model, layers=names)
    masks.prune(quality=0.8)
    twin = copy.deepcopy(masks)
    assert list(twin) == names and twin.model is not model and twin.zeros_hold()
    other = pl.Masks(copy.deepcopy(model), layers=names)
    other.load_state_dict(masks.state_dict())
    assert all(torch.equal(other[name], masks[name]) and torch.equal(twin[name], masks[name]) for name in names)
    assert masks.prune(quality=1.1) == other.prune(quality=1.1)


def test_a_quality_for_a_layer_is_one_for_all_of_its_weights():
    masks, twin = pl.Masks(Tagger(), exclude="words"), pl.Masks(Tagger(), exclude="words")
    cuts = masks.prune(quality={"lstm": 1.0, "attention": 0.5})
    lstm = dict.fromkeys(("lstm.weight_ih_l0", "lstm.weight_hh_l0"), 1.0)
    attention = dict.fromkeys(("attention.in_proj_weight", "attention.out_proj.weight"), 0.5)
    assert cuts == twin.prune(quality={**lstm, **attention})
    assert masks.kept_in("lstm") == sum(cuts[name].kept for name in lstm) < masks.total_in("lstm") == 512
    assert masks["head"].all() and "head" in masks and "lstm" not in masks and "lstm.weight_hh_l0" in masks
    with pytest.raises(ValueError, match="'lstm' has 2 weights, each with a mask: name one, lstm.weight_ih_l0, lstm"):
        masks["lstm"]
    with pytest.raises(ValueError, match="two of these names are of one layer"):
        masks.prune(quality={"lstm": 1.0, "lstm.weight_hh_l0": 2.0})


def test_neurons_are_cut_only_where_rows_are_neurons_and_modules_say_so():
    model = Tagger()
    masks = pl.Masks(model)
    modules = {module.name: module for module in masks.modules("neuron", ids(2, 4))}
    assert not modules["lstm"].pruned and modules["lstm"].why == coverage.NO_NEURONS
    assert modules["lstm"].counted == 512 and modules["words"].why == "only pruned where layers= names it"
    assert {m.name: m.why for m in masks.modules()}["lstm"] == "a recurrent layer; never cut: bias_ih_l0, bias_hh_l0"
    two = nn.ModuleDict({"first": nn.Linear(6, 8), "memory": nn.LSTM(8, 8), "pair": nn.Bilinear(8, 4, 6)})
    masks = pl.Masks(two, outputs="memory")
    cuts = masks.prune(density=0.5, unit="neuron", scope="layer")
    assert {name for name, cut in cuts.items() if cut.density == 0.5} == {"first.weight", "pair.weight"}
    assert cuts["memory.weight_hh_l0"].density == cuts["memory.weight_ih_l0"].density == 1
    assert torch.equal(masks["pair"].flatten(1).any(1), masks["pair"].flatten(1).all(1))
    for named in ({"memory": 0.5}, {"memory.weight_hh_l0": 0.5, "first": 0.5}):
        with pytest.raises(ValueError, match="memory.weight_.*: the rows of these weights are no neurons"):
            masks.prune(density=named, unit="neuron")
    with pytest.raises(ValueError, match="the rows of these weights are no neurons; nothing to prune"):
        pl.Masks(two, layers="memory").prune(density=0.5, unit="neuron")


def test_two_of_four_takes_every_matrix_and_no_embedding():
    masks = pl.Masks(Tagger(), layers=["lstm", "attention", "head"])
    masks.prune(density=0.5, unit="2:4")
    for mask in masks.values():
        assert (mask.reshape(-1, 4).sum(1) == 2).all()
    with pytest.raises(ValueError, match="^words.weight: 2:4 fits matrices"):
        pl.Masks(Tagger(), layers=["words", "head"]).prune(density=0.5, unit="2:4")


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from([*KINDS, *NAMED]),
    qualities=st.lists(st.floats(0, 3), min_size=1, max_size=3),
    scope=st.sampled_from(["global", "layer"]),
    density=st.floats(0.01, 1),
)
def test_cuts_only_go_deeper_whatever_the_kind(kind, qualities, scope, density):
    model, _, names = alone(kind)
    masks = pl.Masks(model, layers=names)
    before = {name: mask.clone() for name, mask in masks.items()}
    for target in (*({"quality": q} for q in qualities), {"density": density, "scope": scope}):
        masks.prune(**target)
        assert all(not bool((mask & ~before[name]).any()) and mask.any() for name, mask in masks.items())
        assert masks.zeros_hold() and masks.kept == sum(int(mask.sum()) for mask in masks.values())
        before = {name: mask.clone() for name, mask in masks.items()}
