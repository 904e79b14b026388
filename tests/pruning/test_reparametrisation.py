"""Computed weights: what they are, and what a network is without the computation."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from prunelab.pruning.reparametrisation import computed, effective_state, plain_copy
from support.layer_kinds import Doubled, Tagger, halved, ids


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))


def old_weight_norm(layer):
    with pytest.warns(FutureWarning, match="deprecated"):
        nn.utils.weight_norm(layer)


def twice(layer):
    parametrize.register_parametrization(layer, "weight", Doubled())
    parametrize.register_parametrization(layer, "weight", Doubled())


WAYS = {
    "prune": lambda layer: prune.l1_unstructured(layer, "weight", amount=0.6),
    "prune, twice": lambda layer: [prune.random_unstructured(layer, "weight", amount=0.3) for _ in range(2)],
    "prune, bias": lambda layer: prune.l1_unstructured(layer, "bias", amount=2),
    "parametrization that cuts": halved,
    "parametrizations": twice,
    "spectral_norm": parametrizations.spectral_norm,
    "weight_norm": parametrizations.weight_norm,
    "orthogonal": parametrizations.orthogonal,
    "old spectral_norm": nn.utils.spectral_norm,
    "old weight_norm": old_weight_norm,
}
CUTTING = ["prune", "prune, twice", "prune, bias", "parametrization that cuts"]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_plain_copy_gives_the_same_outputs_and_leaves_the_model_as_it_was(way, training):
    model = network()
    WAYS[way](model[2])
    x = torch.randn(4, 6)
    model(x)  # hooks have set their weights by now
    model.train(training)
    before = copy.deepcopy({name: value.detach() for name, value in model.state_dict().items()})
    plain = plain_copy(model)
    assert not list(computed(plain)) and [name for name, _ in plain.named_parameters()].count("2.weight") == 1
    assert model.state_dict().keys() == before.keys() and model.training == training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    expected = plain.state_dict()
    state = effective_state(model)
    if way in CUTTING:
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[name], expected[name]) for name in expected)
    else:
        assert state.keys() == before.keys(), "what cuts nothing is kept with its parameters"
    torch.testing.assert_close(plain(x), model.eval()(x))


@pytest.mark.parametrize("name", ["lstm.weight_hh_l0", "words.weight", "attention.in_proj_weight", "head.weight"])
def test_layers_of_every_kind_are_freed_of_torchs_masks(name):
    model = Tagger()
    path, _, attribute = name.rpartition(".")
    prune.l1_unstructured(model.get_submodule(path), attribute, amount=0.7)
    x = ids(3, 5)
    outputs = model(x)
    plain = plain_copy(model)
    torch.testing.assert_close(plain(x), outputs)
    assert torch.equal(dict(plain.named_parameters())[name], getattr(model.get_submodule(path), attribute))
    assert [each.full_name for each in computed(model)] == [name] and not list(computed(plain))


def test_state_dicts_of_torchs_pruning_are_seen_through_and_others_are_not():
    model = network()
    prune.l1_unstructured(model[0], "weight", amount=0.5)
    state = model.state_dict()
    assert set(effective_state(state)) == set(network().state_dict())
    assert torch.equal(effective_state(state)["0.weight"], model[0].weight)
    assert "0.weight_orig" in state, "what was given is not changed"
    own = {"w_orig": torch.ones(3), "w_mask": torch.ones(4), "v_orig": torch.ones(2), "u_mask": torch.ones(2)}
    assert effective_state(own) == own


def test_a_shared_module_is_computed_under_each_of_its_names():
    shared = nn.Linear(6, 6)
    prune.l1_unstructured(shared, "weight", amount=0.5)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    state = effective_state(model)
    assert set(state) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert torch.equal(state["0.weight"], shared.weight) and torch.equal(state["2.weight"], shared.weight)


def test_recurrent_layers_under_a_parametrization_have_plain_copies():
    model = Tagger().eval()
    halved(model.lstm, "weight_hh_l0")
    x = ids(3, 5)
    outputs = model(x)
    plain = plain_copy(model)
    assert torch.equal(plain(x), outputs) and int((plain.lstm.weight_hh_l0 == 0).sum()) == 128
    assert torch.equal(model(x), outputs), "the model still computes"


def test_tied_weights_that_torch_cut_alike_stay_one_tensor():
    model = nn.ModuleDict({"words": nn.Embedding(12, 8), "head": nn.Linear(8, 12), "apart": nn.Linear(8, 12)})
    model["head"].weight = model["words"].weight
    mask = torch.rand(12, 8) < 0.5
    for layer in model.values():
        prune.custom_from_mask(layer, "weight", mask)
    state = effective_state(model)
    assert state["words.weight"] is state["head.weight"] is not state["apart.weight"]
