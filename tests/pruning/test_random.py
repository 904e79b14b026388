"""Random pruning at equal density: the control that shows what magnitudes are worth."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

import prunelab as pl
from prunelab.pruning import planning
from support.sessions import finished, quick, same


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(40, 50), nn.ReLU(), nn.Conv1d(1, 6, 5), nn.Flatten(), nn.Linear(30, 10))


def plan(masks, *, round=1, **values):
    recipe = pl.Recipe(rule="density", criterion="random", rounds=1, **values)
    return planning.plan(masks, recipe, round, recipe.final_target, torch.empty(0))


@given(st.floats(0.01, 1), st.sampled_from(["global", "layer"]), st.integers(0, 99))
def test_as_many_are_cut_as_by_magnitude(density, scope, seed):
    masks = pl.Masks(network())
    cuts = plan(masks, density=density, scope=scope, seed=seed).cuts
    target = pl.Recipe(rule="density", density=density, rounds=1).final_target
    expected = masks.plan(target, scope=scope).cuts
    if scope == "layer":
        assert {n: c.kept for n, c in cuts.items()} == {n: c.kept for n, c in expected.items()}
    else:
        spared = sum(c.spared for c in cuts.values())
        assert 0 <= sum(c.kept for c in cuts.values()) - max(round(density * masks.total), 1) <= spared
    assert all(cut.threshold is None and cut.deviation is None for cut in cuts.values())


@pytest.mark.parametrize("density", [0.9, 0.35, 0.04])
def test_a_layer_keeps_as_many_as_under_torchs_own_random_pruning(density):
    model = network()
    cuts = plan(pl.Masks(model), density=density, scope="layer").cuts
    for name, cut in cuts.items():
        layer = model.get_submodule(name.removesuffix(".weight"))
        prune.random_unstructured(layer, "weight", 1 - density)
        assert cut.kept == int(layer.weight_mask.sum())


def test_over_all_layers_together_each_keeps_its_share_within_chance():
    """What a layer keeps is hypergeometric: beyond five deviations of the mean is less than one in a million."""
    masks = pl.Masks(network())
    for seed in range(200):
        for cut in plan(masks, density=0.3, seed=seed).cuts.values():
            deviation = math.sqrt(cut.total * 0.3 * 0.7 * (masks.total - cut.total) / (masks.total - 1))
            assert abs(cut.kept - 0.3 * cut.total) < 5 * deviation + 1


def test_every_connection_has_the_same_chance_whatever_it_is_worth():
    masks, often = pl.Masks(network()), None
    for seed in range(400):
        mask = plan(masks, density=0.5, seed=seed).masks["0.weight"].float()
        often = mask if often is None else often + mask
    assert often is not None and abs(often.mean() / 400 - 0.5) < 0.01
    assert (often / 400 - 0.5).abs().max() < 5 * 0.5 / math.sqrt(400)
    magnitude = masks.weight("0.weight").detach().abs()
    assert abs(torch.corrcoef(torch.stack([often.flatten(), magnitude.flatten()]))[0, 1]) < 0.1


def test_each_round_and_seed_draws_anew_and_two_cuts_in_one_round_are_nested():
    masks = pl.Masks(network())
    first = plan(masks, density=0.5).masks["0.weight"]
    assert torch.equal(first, plan(masks, density=0.5).masks["0.weight"])
    assert not torch.equal(first, plan(masks, density=0.5, round=2).masks["0.weight"])
    assert not torch.equal(first, plan(masks, density=0.5, seed=1).masks["0.weight"])
    assert bool((plan(masks, density=0.2).masks["0.weight"] <= first).all())


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_what_is_cut_stays_cut_through_all_rounds(scope):
    session, before = pl.Session(quick(rule="density", criterion="random", density=0.2, rounds=3, scope=scope)), None
    for snapshot in session:
        if snapshot.settled:
            masks = {name: mask.clone() for name, mask in session.masks.items()}
            assert snapshot.zeros_hold
            assert before is None or all(bool((masks[name] <= before[name]).all()) for name in masks)
            before = masks
    assert session.masks.density == pytest.approx(0.2, abs=1e-3)


def test_a_run_that_is_resumed_anywhere_cuts_the_same(tmp_path):
    recipe = quick(rule="density", criterion="random", density=0.1)
    whole, part = finished(pl.Session(recipe)), pl.Session(recipe)
    for snapshot in part:
        if snapshot.phase == "retraining":
            break
    part.save(tmp_path)
    same(whole, finished(pl.Session.load(tmp_path)))


def test_magnitude_keeps_more_accuracy_than_chance():
    by = {
        criterion: finished(pl.Session(quick(rule="density", density=0.1, criterion=criterion, epochs=20, rounds=3)))
        for criterion in ("magnitude", "random")
    }
    assert by["magnitude"].masks.kept == by["random"].masks.kept
    assert by["magnitude"].snapshot().test_accuracy > by["random"].snapshot().test_accuracy + 0.05


@pytest.mark.parametrize("values", [{"quality": 1.0}, {"density": 0.5, "unit": "neuron"}])
def test_scores_rank_single_weights_only(values):
    masks = pl.Masks(network())
    with pytest.raises(ValueError, match="scores= and regrowth= are of single weights"):
        masks.plan(**values, scores=planning.random_scores(masks, 0, 1))
