"""Networks under torch.nn.utils.prune or a parametrization: stored as what they compute, or with their parameters."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from prunelab.sparse import PackedError, bound, load, measure, save
from support.layer_kinds import Tagger, halved, ids


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(200, 100), nn.ReLU(), nn.Linear(100, 10))


def cut(model):
    for layer in (model[0], model[2]):
        prune.l1_unstructured(layer, "weight", amount=0.9)


@pytest.mark.parametrize("form", ["module", "state dict"])
def test_a_pruned_network_is_stored_as_after_remove(tmp_path, form):
    model = network()
    cut(model)
    removed = copy.deepcopy(network())
    cut(removed)
    for layer in (removed[0], removed[2]):
        prune.remove(layer, "weight")
    given = model if form == "module" else model.state_dict()
    size = save(given, tmp_path / "net")
    assert size == save(removed, tmp_path / "removed") and bound(given) == bound(removed)
    assert (tmp_path / "net").read_bytes() == (tmp_path / "removed").read_bytes()
    assert prune.is_pruned(model), "the model is not changed"
    loaded, expected = load(tmp_path / "net", network()).state_dict(), removed.state_dict()
    assert loaded.keys() == expected.keys() and all(torch.equal(loaded[name], expected[name]) for name in expected)
    with pytest.raises(PackedError, match=r"not touched; it computes 0\.weight from others \(prune\)"):
        load(tmp_path / "net", model)


@pytest.mark.parametrize("name", ["lstm.weight_hh_l0", "words.weight", "attention.in_proj_weight"])
def test_so_is_every_kind_of_layer(tmp_path, name):
    model, path = Tagger(), name.rpartition(".")
    prune.l1_unstructured(model.get_submodule(path[0]), path[2], amount=0.9)
    save(model, tmp_path / "net")
    torch.testing.assert_close(load(tmp_path / "net", Tagger())(ids(3, 4)), model(ids(3, 4)))


def test_a_parametrization_that_cuts_is_stored_as_what_it_computes_and_others_are_kept(tmp_path):
    model = network()
    halved(model[0])
    parametrizations.spectral_norm(model[2])
    save(model, tmp_path / "net")
    stored = load(tmp_path / "net")
    assert torch.equal(stored["0.weight"], model[0].weight) and "parametrizations.weight.original" in str(list(stored))
    plain = copy.deepcopy(network())
    halved(plain[0])
    parametrize.remove_parametrizations(plain[0], "weight")
    assert save(model[0], tmp_path / "a") == save(plain[0], tmp_path / "b")
    fresh = network()
    parametrizations.spectral_norm(fresh[2])
    load(tmp_path / "net", fresh)
    torch.testing.assert_close(fresh.eval()(torch.ones(2, 200)), model.eval()(torch.ones(2, 200)))


def test_they_are_measured_as_what_they_compute():
    model, removed = network(), network()
    cut(model)
    cut(removed)
    for layer in (removed[0], removed[2]):
        prune.remove(layer, "weight")
    x = torch.randn(3, 200)
    model(x)
    found, expected = (measure(each, x, batches=(1,), threads=(1,)) for each in (model, removed))
    assert (found.kept, found.total) == (expected.kept, expected.total) == (2100, 21000)
    assert found.sizes[-2:] == expected.sizes[-2:]
    assert prune.is_pruned(model) and found.latency("converted", 1) is not None
