"""Masks and models that hold them are copied, pickled and stored whole, and attached to nothing."""

import copy
import io
import multiprocessing
import pickle

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.pruning import effective
from prunelab.pruning.copies import copied
from prunelab.pruning.layers import EMBEDDING
from support.own_models import HOLDING, blobs


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 5))


class Holder(nn.Module):
    """A model that holds its own masks, as Lightning modules do."""

    def __init__(self) -> None:
        super().__init__()
        self.body = network()
        self.masks = pl.Masks(self.body)
        self.own = pl.Masks(self)

    def forward(self, x):
        return self.body(x)


def pickled(value):
    return pickle.loads(pickle.dumps(value))


def stored(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


WAYS = [copy.deepcopy, pickled, stored]


def step(model, optimizer) -> None:
    optimizer.zero_grad()
    model(torch.randn(8, 20)).square().sum().backward()
    optimizer.step()


def trained(model) -> tuple[pl.Masks, torch.optim.Optimizer]:
    masks, optimizer = pl.Masks(model), torch.optim.Adam(model.parameters(), lr=0.01)
    masks.attach(optimizer)
    step(model, optimizer)
    masks.prune(quality=1.0)
    step(model, optimizer)
    return masks, optimizer


@pytest.mark.parametrize("way", WAYS)
def test_masks_come_with_a_model_of_their_own(way):
    model = network()
    masks, optimizer = trained(model)
    twin = way(masks)
    assert twin.model is not model and all(torch.equal(twin[name], masks[name]) for name in masks)
    assert twin.state_dict().keys() == masks.state_dict().keys()
    assert twin.prune(quality=1.5) == masks.prune(quality=1.5), "the deviations of the dense weights are known"
    assert all(torch.equal(a, b) for a, b in zip(twin.model.parameters(), model.parameters(), strict=True))
    other = torch.optim.Adam(twin.model.parameters(), lr=0.01)
    twin.attach(other)
    for _ in range(2):
        step(twin.model, other)
        step(model, optimizer)
        assert twin.zeros_hold() and masks.zeros_hold()


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_is_attached_to_nothing(way):
    model = network()
    masks, _ = trained(model)
    twin = way(masks)
    step(twin.model, torch.optim.SGD(twin.model.parameters(), lr=0.1))
    assert not twin.zeros_hold() and masks.zeros_hold()


@pytest.mark.parametrize("way", WAYS)
def test_a_model_and_its_masks_stay_together(way):
    model = network()
    masks, _ = trained(model)
    again, twin = way((model, masks))
    assert twin.model is again and twin.weight("0") is again[0].weight
    again, twin = way((masks, model))[::-1]
    assert twin.model is again and twin.weight("0") is again[0].weight


@pytest.mark.parametrize("way", WAYS)
def test_a_model_that_holds_its_masks(way):
    model = Holder()
    model.masks.prune(density=0.3)
    model.masks.attach(torch.optim.SGD(model.parameters(), lr=0.1))
    twin = way(model)
    assert twin.masks.model is twin.body and twin.masks.weight("0") is twin.body[0].weight and twin.own.model is twin
    assert twin.masks.zeros_hold() and twin.masks.density == pytest.approx(0.3)
    twin.masks.prune(density=0.1)
    assert model.masks.density == pytest.approx(0.3)


def test_a_shallow_copy_shares_the_model_and_nothing_else():
    model = network()
    masks, _ = trained(model)
    twin = copy.copy(masks)
    assert twin.model is model
    kept = masks.kept
    twin.prune(density=0.05)
    assert masks.kept == kept and twin.kept < kept


def test_tied_weights_stay_tied_in_copies():
    model = nn.Sequential(nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 20))
    model[2].weight = model[0].weight
    masks = pl.Masks(model)
    masks.prune(density=0.3)
    for way in WAYS:
        twin = way(masks)
        assert len(twin) == 1 and twin.model[0].weight is twin.model[2].weight is twin.weight("2")


@pytest.mark.parametrize("way", WAYS)
def test_kinds_of_layers_are_known_in_copies(way):
    model = nn.ModuleList(
        [nn.Embedding(8, 4), nn.LSTM(4, 4), nn.MultiheadAttention(4, 2), nn.Linear(4, 4), nn.Conv1d(4, 4, 1)]
    )
    masks = pl.Masks(model, layers=["0", "1", "2", "3", "4"])
    twin = way(masks)
    kinds = [{name: place.kind for name, place in each._names.places.items()} for each in (masks, twin)]
    assert kinds[0] == kinds[1] and EMBEDDING in kinds[1].values()
    assert [m.why for m in twin.modules()] == [m.why for m in masks.modules()]


def test_masks_reach_another_process():
    masks = pl.Masks(network())
    masks.prune(density=0.3)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(pl.Masks.zeros_hold, (masks,))


def test_a_model_is_pickled_while_attached_as_if_it_were_not():
    model = network()
    masks, _ = trained(model)
    twin = pickled(model)
    assert all(torch.equal(a, b) for a, b in zip(twin.parameters(), model.parameters(), strict=True))
    step(twin, torch.optim.SGD(twin.parameters(), lr=0.1))
    assert masks.zeros_hold() and not all(bool((twin[i].weight[~masks[f"{i}"]] == 0).all()) for i in (0, 2))


@pytest.mark.parametrize("kind", HOLDING)
def test_a_model_that_holds_results_of_its_last_forward_pass_is_copied(kind):
    build, layer = HOLDING[kind]
    model, (x, _) = build(), blobs()
    model(x).sum().backward()
    twin = copied(model)
    model.eval(), twin.eval()
    assert torch.equal(twin(x), model(x))
    with torch.no_grad():
        twin.get_submodule(layer).weight.zero_()
    assert model.get_submodule(layer).weight.any()


@pytest.mark.parametrize("kind", HOLDING)
def test_a_model_that_holds_results_is_looked_into_as_before(kind):
    build, layer = HOLDING[kind]
    found = []
    for trained in (False, True):
        model, (x, _) = build(), blobs()
        if trained:
            model(x).sum().backward()
        masks = pl.Masks(model, layers=layer)
        masks.prune(density=0.25)
        found.append((masks.outputs(x), pl.adjust_dropout(model, masks, example=x)))
        if kind == "activations":  # there are no paths through weights that are computed
            found[-1] += (effective.trace(model, x).effective(masks).kept,)
    assert found[0] == found[1]
