"""Masks look whether the model still has their weights before they answer or act."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import prunelab as pl
from support.layer_kinds import Tagger


def ticket() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 5))


def assigned(model):
    model.load_state_dict({name: torch.randn_like(p) for name, p in model.state_dict().items()}, assign=True)


def replaced_layer(model):
    model[0] = nn.Linear(20, 30)


def replaced_weight(model):
    model[0].weight = nn.Parameter(model[0].weight.detach().clone())


def under_prune(model):
    prune.l1_unstructured(model[0], "weight", amount=0.1)


def under_norm(model):
    parametrizations.weight_norm(model[0])


def without_layer(model):
    model[0] = nn.Identity()


def without_weight(model):
    del model[0].weight


CHANGES = [assigned, replaced_layer, replaced_weight, under_prune, under_norm, without_layer, without_weight]
QUESTIONS = {
    "apply": lambda masks: masks.apply(),
    "zeros_hold": lambda masks: masks.zeros_hold(),
    "density": lambda masks: masks.density,
    "compression": lambda masks: masks.compression,
    "kept": lambda masks: masks.kept,
    "kept_in": lambda masks: masks.kept_in("0"),
    "model_density": lambda masks: masks.model_density,
    "prune": lambda masks: masks.prune(density=0.1),
    "plan": lambda masks: masks.plan(density=0.1),
    "load_state_dict": lambda masks: masks.load_state_dict(masks.state_dict()),
    "attach": lambda masks: masks.attach(torch.optim.SGD(masks.model.parameters(), lr=0.1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_answer_is_about_weights_that_the_model_does_not_have(change, tmp_path):
    model = ticket()
    masks = pl.Masks(model)
    masks.prune(density=0.2, scope="layer")
    before = {name: mask.clone() for name, mask in masks.items()}
    change(model)
    state = copy.deepcopy({name: p.detach() for name, p in model.named_parameters()})
    for question in QUESTIONS.values():
        with pytest.raises(ValueError, match=r"^0\.weight has been replaced since .*Masks\(model\)"):
            question(masks)
    with pytest.raises(ValueError, match="has been replaced"):
        pl.sparse.save(model, tmp_path / "net.prune", masks=masks)
    assert not list(tmp_path.iterdir())
    assert all(torch.equal(p, state[name]) for name, p in model.named_parameters())
    assert all(torch.equal(masks[name], before[name]) for name in before)
    assert "that the model no longer has" in repr(masks)


def test_what_keeps_the_parameters_keeps_the_masks(tmp_path):
    model = ticket()
    masks = pl.Masks(model)
    masks.prune(density=0.2, scope="layer")
    first = copy.deepcopy(model.state_dict())
    dense = {name: torch.randn_like(p) for name, p in first.items()}
    model.load_state_dict(dense)
    assert not masks.zeros_hold()
    masks.apply()
    assert masks.zeros_hold() and torch.equal(model[0].weight, dense["0.weight"] * masks["0"])
    for changed in (model.double, model.half, model.float, model.eval, lambda: model.requires_grad_(False)):
        changed()
        assert masks.zeros_hold() and masks.density == 0.2
    pl.sparse.save(model, tmp_path / "net.prune", masks=masks)
    pl.sparse.save(copy.deepcopy(model), tmp_path / "copy.prune", masks=masks)
    assert (tmp_path / "copy.prune").read_bytes() == (tmp_path / "net.prune").read_bytes()


def test_one_weight_of_a_layer_may_be_gone_while_the_others_answer():
    model = Tagger()
    masks = pl.Masks(model)
    model.lstm.weight_hh_l0 = nn.Parameter(torch.zeros(32, 8))
    assert masks.kept_in("lstm.weight_ih_l0") == 256 and masks.kept_in("head") == 24
    for name in ("lstm", "lstm.weight_hh_l0"):
        with pytest.raises(ValueError, match=r"^lstm\.weight_hh_l0 has been replaced"):
            masks.kept_in(name)
    with pytest.raises(ValueError, match=r"^lstm\.weight_hh_l0 has been replaced"):
        masks.zeros_hold()


def untied(model):
    model[2].weight = nn.Parameter(torch.randn(8, 8))


def replaced_twin(model):
    model[2] = nn.Linear(8, 8)


def twin_under_prune(model):
    prune.l1_unstructured(model[2], "weight", amount=0.1)


@pytest.mark.parametrize("change", [untied, replaced_twin, twin_under_prune])
def test_every_place_of_a_tied_weight_is_looked_at(change, tmp_path):
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    model[2].weight = model[0].weight
    masks = pl.Masks(model)
    masks.prune(density=0.2)
    assert masks.zeros_hold() and masks.kept_in("2") == 13
    change(model)
    for ask in (
        masks.zeros_hold,
        masks.apply,
        lambda: masks.kept_in("2"),
        lambda: masks.density,
        lambda: pl.sparse.save(model, tmp_path / "net", masks=masks),
    ):
        with pytest.raises(ValueError, match=r"2\.weight has been replaced"):
            ask()


@pytest.mark.parametrize("shape", [(8, 9), (5,), (16, 20)])
def test_weights_of_another_shape_are_told_by_whoever_is_asked(shape):
    model = ticket()
    masks = pl.Masks(model)
    masks.prune(density=0.3)
    model[0].weight.data = torch.randn(shape)
    for ask in (masks.zeros_hold, masks.apply, lambda: masks.prune(density=0.2), lambda: masks.kept):
        with pytest.raises(ValueError, match=r"0\.weight is of shape .* and its mask of shape \(30, 20\): make new"):
            ask()
