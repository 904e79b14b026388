"""What a prune cuts, by quality, density, layer or neuron; and previews of it."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.errors import SessionError
from prunelab.pruning import planning
from prunelab.recipe import Target
from prunelab.training import evaluation
from support.own_models import TwoDrops, blobs
from support.sessions import finished, quick


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_preview_is_what_the_prune_then_gives_and_changes_nothing(batch_norm):
    session = pl.Session(quick(batch_norm=batch_norm, dropout=0.4))
    for _ in session.train():
        pass
    state, rates = copy.deepcopy(session.model.state_dict()), session.snapshot().dropouts
    preview = session.preview(1.3)
    assert all(torch.equal(a, b) for a, b in zip(state.values(), session.model.state_dict().values(), strict=True))
    assert session.masks.density == 1 and session.phase == "trained" and session.snapshot().dropouts == rates
    pruned = session.prune(1.3)
    assert (preview.test_accuracy, preview.test_loss) == (pruned.test_accuracy, pruned.test_loss)
    assert preview.dropouts == pruned.dropouts and preview.exact
    for a, b in zip(preview.layers, pruned.layers, strict=True):
        assert (a.kept, a.threshold, a.deviation, a.packed) == (b.kept, b.threshold, b.deviation, b.packed)
        np.testing.assert_array_equal(a.kept_counts, b.kept_counts)
        np.testing.assert_array_equal(a.cut_counts, b.cut_counts)
    assert not session.preview(2.0, samples=10).exact


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_preview_of_a_slow_network_is_on_as_many_samples_as_time_allows(batch_norm, monkeypatch):
    session = pl.Session(quick(batch_norm=batch_norm))
    for _ in session.train():
        pass
    exact = session.preview(1.0)
    assert session.preview(1.0, seconds=1e9).test_loss == exact.test_loss, "there is time for all"
    monkeypatch.setattr(evaluation, "affordable", lambda model, x, seconds: 40)
    few = session.preview(1.0, seconds=0.1)
    assert not few.exact and not len(few.predicted) and few.kept == exact.kept
    assert (40 * few.test_accuracy) % 1 == pytest.approx(0) and session.preview(1.0, seconds=0.1, samples=7)
    assert session.phase == "trained" and session.masks.density == 1


def test_a_preview_can_be_given_up_between_parts_of_its_test():
    session = pl.Session(quick())
    for _ in session.train():
        pass
    parts = session.previewing(1.0)
    assert next(parts) is None, "the test has more than one part"
    parts.close()
    *before, snapshot = session.previewing(1.0)
    assert set(before) == {None} and snapshot.test_loss == session.preview(1.0).test_loss


def test_settings_of_pruning_may_change_on_the_way_those_of_training_not():
    session = pl.Session(quick())
    for _ in session.train():
        pass
    session.change(quick(quality=2.5, ramp=False))
    assert session.prune().quality == 2.5
    with pytest.raises(SessionError, match="regularizer"):
        session.change(quick(regularizer="l1"))
    with pytest.raises(ValueError, match="fc7"):
        session.change(quick(layer_quality={"fc7": 1.0}))


def test_layers_may_have_a_quality_of_their_own():
    session = pl.Session(quick(layer_quality={"fc1": 0.0}, rounds=1))
    for _ in session.train():
        pass
    layers = {layer.name: layer for layer in session.prune().layers}
    assert layers["fc1.weight"].density == 1 and layers["fc2.weight"].density < 1


@pytest.mark.parametrize("quality", [0.0, 1e-6, 1.5])
@pytest.mark.parametrize(("ramp", "expected"), [(True, [1.0, 2.0, 3.0, 3.0]), (False, [3.0] * 4)])
def test_a_layers_own_quality_rises_whatever_the_global_one_is(quality, ramp, expected):
    recipe = quick(quality=quality, layer_quality={"fc1": 3.0}, rounds=3, ramp=ramp)
    masks = pl.Masks(pl.models.build("mlp-small", (1, 8, 8), 10, seed=0))
    plans = [planning.plan(masks, recipe, round, None, torch.empty(0)) for round in (1, 2, 3, 4)]
    deviation = float(masks.weight("fc1").detach().double().std(correction=0))
    assert [plan.cuts["fc1.weight"].threshold / deviation for plan in plans] == pytest.approx(expected, rel=1e-5)
    manual = planning.plan(masks, recipe, 1, Target(quality=0.5), torch.empty(0))
    assert manual.cuts["fc1.weight"].threshold / deviation == pytest.approx(3, rel=1e-5), "taken as it is"


def test_a_layer_may_have_one_quality_of_its_own():
    with pytest.raises(ValueError, match="fc1, fc1.weight: two of these names are of one layer; give it one value"):
        pl.Session(quick(layer_quality={"fc1": 0.1, "fc1.weight": 3.0}))
    session = pl.Session(quick())
    with pytest.raises(ValueError, match="two of these names are of one layer"):
        session.change(quick(layer_quality={"fc1.weight": 0.1, "fc1": 0.1}))


def test_the_density_rule_reaches_its_density_on_a_cubic():
    recipe = quick(rule="density", density=0.1, rounds=3)
    session = finished(pl.Session(recipe))
    reached = [s.density for s in session.history if s.phase == "retrained"]
    assert reached == pytest.approx([recipe.target_of_round(r).density for r in (1, 2, 3)], abs=1e-3)


def clusters(samples: int = 3000):
    """Three well separated classes, sorted by class."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(samples) * 3 // samples
    return torch.randn(samples, 4, generator=generator) + 4.0 * torch.eye(4)[y] * torch.tensor([1.0, -3.0, 9.0])[
        y, None
    ], y


def test_data_sorted_by_class_spoil_neither_batch_norm_nor_the_hasty_preview():
    data = clusters()
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    session = pl.Session(quick(epochs=4), model=model, data=(data, data))
    *_, dense = session.train()
    hasty = session.preview(0.0, samples=300)
    assert not hasty.exact and len(hasty.predicted) == 0
    assert abs(hasty.test_accuracy - dense.test_accuracy) < 0.02 < 0.9 < dense.test_accuracy
    with torch.no_grad():
        model[3].bias += torch.tensor([99.0, 0.0, 0.0])  # now the first class is all it sees: a third is right
    assert abs(session.preview(0.0, samples=300).test_accuracy - 1 / 3) < 0.1
    with torch.no_grad():
        model[3].bias -= torch.tensor([99.0, 0.0, 0.0])
    assert abs(session.prune(0.0).test_accuracy - dense.test_accuracy) < 0.01
    assert session.preview(0.0, samples=3000).exact and len(session.snapshot().predicted) == 3000


def test_neurons_of_the_layer_that_runs_last_stay_whatever_was_registered_last():
    recipe = quick(rule="density", density=0.3, unit="neuron")
    session = finished(pl.Session(recipe, model=TwoDrops(), data=(blobs(), blobs())))
    density = {layer.name: layer.density for layer in session.snapshot().layers}
    assert density["out.weight"] == 1 and density["a.weight"] < 1 and density["b.weight"] < 1


def test_a_density_by_hand_is_reached_at_once_and_previewed_as_it_then_is():
    session = pl.Session(quick(rule="density", density=0.5, scope="layer"))
    for _ in session.train():
        pass
    preview = session.preview(density=0.1)
    snapshot = session.prune(density=0.1)
    assert preview.kept == snapshot.kept and preview.test_accuracy == snapshot.test_accuracy
    assert all(layer.kept == round(0.1 * layer.total) for layer in snapshot.layers) and snapshot.quality is None


@pytest.mark.parametrize("before", [False, True])
def test_what_the_masks_of_a_session_cut_by_themselves_is_in_its_snapshots(before):
    session = pl.Session(quick())
    session.finish("train")
    if before:
        session.prune(density=0.5)
    session.masks.prune(density=0.1)
    for snapshot in (session.snapshot(), session.preview(density=0.1)):
        assert [layer.kept for layer in snapshot.layers] == list(map(session.masks.kept_in, session.masks))
        assert [layer.mask.sum() for layer in snapshot.layers] == [layer.kept for layer in snapshot.layers]
    if before:
        assert session.finish("retrain").density == session.masks.density == pytest.approx(0.1, abs=1e-3)
