"""Regrowth: some of what is cut comes back where the loss asks for it, and the density stays what was asked for."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import prunelab as pl
from prunelab.pruning.strategies import Regrowth
from prunelab.training.gradients import gradients
from support.own_models import blobs, small
from support.sessions import finished, quick, same


def regrowing(share=0.5, **changes) -> pl.Recipe:
    return quick(**{"rule": "density", "density": 0.1, "regrow": share, "rounds": 3, **changes})


def test_by_hand():
    """Ten weights, four of them cut before."""
    layer = nn.Linear(10, 1, bias=False)
    masks = pl.Masks(layer)
    layer.weight.data = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0, 0.0, 0.0]])
    masks.load_state_dict({"weight": torch.tensor([[True] * 6 + [False] * 4])})
    asked = Regrowth(0.5, {"weight": torch.tensor([[9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 0.1, -0.7, 0.3, 0.2]])})
    plan = masks.plan(density=0.2, regrowth=asked)  # 6 - 2 = 4 go, half of them, 2, come back; but one stays at least
    assert plan.masks["weight"].tolist() == [[False] * 5 + [True] + [False, True, False, False]]
    assert plan.cuts["weight"].kept == 2 and plan.cuts["weight"].threshold == 6.0
    plan = masks.plan(density=0.4, regrowth=asked)  # 2 go, 1 comes back
    assert plan.masks["weight"].tolist() == [[False] * 3 + [True] * 3 + [False, True, False, False]]
    masks.commit(plan)
    assert layer.weight.tolist() == [[0.0, 0.0, 0.0, 4.0, 5.0, 6.0, 0.0, 0.0, 0.0, 0.0]], "it begins at zero"
    assert masks.zeros_hold()


@given(st.floats(0, 1), st.floats(0.02, 1), st.floats(0.02, 1), st.sampled_from(["global", "layer"]))
def test_the_density_is_what_was_asked_for(share, first, second, scope):
    torch.manual_seed(0)
    masks = pl.Masks(nn.Sequential(nn.Linear(12, 20), nn.Linear(20, 5)))
    asked = Regrowth(share, {name: torch.randn(mask.shape) for name, mask in masks.items()})
    masks.commit(masks.plan(density=max(first, second), scope=scope))
    before = dict(masks)
    plan, plain = (masks.plan(density=min(first, second), scope=scope, regrowth=r) for r in (asked, None))
    spared = sum(cut.spared for cut in (*plan.cuts.values(), *plain.cuts.values()))
    assert abs(sum(c.kept for c in plan.cuts.values()) - sum(c.kept for c in plain.cuts.values())) <= spared
    gone = sum(int((before[name] & ~mask).sum()) for name, mask in plan.masks.items())
    back = sum(int((~before[name] & mask).sum()) for name, mask in plan.masks.items())
    assert back <= share * gone + 1 and all(bool(mask.any()) for mask in plan.masks.values())


def test_gradients_are_those_of_the_whole_loss_for_cut_weights_too():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.5), nn.ReLU(), nn.Linear(6, 3))
    masks = pl.Masks(model)
    masks.prune(density=0.3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attachment = masks.attach(optimizer)
    x, y = blobs(samples=700)
    found = gradients(model, masks, x, y)
    assert all(p.grad is None for p in model.parameters()) and model.training and model[1].training
    attachment.remove()
    model.eval()
    nn.functional.cross_entropy(model(x), y).backward()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, masks.weight(name).grad, rtol=1e-4, atol=1e-6)
        assert bool((gradient[~masks[name]] != 0).any())


def test_what_is_not_trained_or_not_used_has_no_gradient():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    model.unused = nn.Linear(2, 2)
    model.forward = lambda x: model[2](model[1](model[0](x)))
    model[0].weight.requires_grad_(False)
    found = gradients(model, ("0.weight", "2.weight", "unused.weight"), *blobs())
    assert not found["0.weight"].any() and not found["unused.weight"].any() and found["2.weight"].any()


def test_connections_come_back_in_a_run_and_zeros_hold(tmp_path):
    session, before, back = pl.Session(regrowing()), None, []
    for snapshot in session:
        assert snapshot.zeros_hold
        if snapshot.phase == "pruned":
            masks = {name: mask.clone() for name, mask in session.masks.items()}
            if before is not None:
                back.append(sum(int((masks[name] & ~before[name]).sum()) for name in masks))
            for name, mask in masks.items():
                assert not session._pruned.cut_values[name][mask].any(), "what came back is not cut"
                if before is not None:
                    assert not session.masks.weight(name)[mask & ~before[name]].any()
            before = masks
    assert all(number > 10 for number in back) and len(back) == 2
    assert session.masks.density == pytest.approx(0.1, abs=1e-3)
    trained = sum(int((session.masks.weight(name)[mask] != 0).sum()) for name, mask in session.masks.items())
    assert trained == session.masks.kept, "what came back has learned"


def test_the_first_cut_is_a_plain_one():
    plain, more = pl.Session(regrowing(0.0)), pl.Session(regrowing(0.9))
    for session in (plain, more):
        list(session.train())
        session.prune()
    assert all(torch.equal(plain.masks[name], more.masks[name]) for name in plain.masks)


def test_a_preview_shows_the_cut_that_prune_makes_and_changes_nothing():
    session = pl.Session(regrowing())
    list(session.train())
    for _ in range(2):
        session.prune()
        list(session.retrain())
        before = session.state()["model"]["weights"]
        preview = session.preview()
        assert all(torch.equal(before[name], value) for name, value in session.model.state_dict().items())
        pruned = session.prune()
        assert preview.test_accuracy == pruned.test_accuracy
        for seen, done in zip(preview.layers, pruned.layers, strict=True):
            assert seen.packed == done.packed and (seen.kept_counts == done.kept_counts).all()
            assert seen.kept_counts.sum() == done.kept


@pytest.mark.parametrize(
    "changes", [{}, {"scope": "layer", "optimizer": "adam", "learning_rate": 0.01}, {"gradual": True}]
)
def test_stopped_anywhere_saved_and_loaded_it_goes_on_bit_for_bit(tmp_path, changes):
    recipe = regrowing(dropout=0.3, **changes)
    whole = finished(pl.Session(recipe))
    for stop in (69, 100, 118, 119, 140, 167):
        part = pl.Session(recipe)
        for _ in itertools.islice(part.ticks("run"), stop):
            pass
        part.save(tmp_path / str(stop))
        same(whole, finished(pl.Session.load(tmp_path / str(stop))))


def test_other_losses_regrow_too():
    x, _ = blobs()
    y = x[:, :1] - x[:, 1:2]
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    session = finished(pl.Session(regrowing(density=0.4), model=model, data=((x, y), (x, y)), loss="mse"))
    assert session.masks.zeros_hold() and session.masks.density == pytest.approx(0.4, abs=0.03)


def test_regrowth_is_of_single_weights_by_density():
    masks = pl.Masks(small())
    with pytest.raises(ValueError, match="need density="):
        masks.plan(quality=1.0, regrowth=Regrowth(0.5, {}))
