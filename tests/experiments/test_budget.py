"""A budget of accuracy: kept by the whole network on held-out samples, and verified on others."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.data import hold_out, load
from prunelab.experiments.budget import SCALES, budget, stream
from prunelab.experiments.sensitivity import Prepared, sensitivity
from prunelab.results.budget import Budget, Check
from prunelab.results.objective import Objective
from prunelab.results.sensitivity import Point, Sensitivity
from prunelab.results.tradeoff import Tradeoff
from prunelab.training import evaluation


@pytest.fixture(scope="module")
def held():
    """(all digits, those with a part held out, a network trained on the rest)."""
    full = load("digits")
    part = hold_out(full, 0.25)
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=15), data=part)
    for _ in session.train():
        pass
    return full, part, session.model


def cut_at(model, qualities):
    twin = copy.deepcopy(model)
    masks = pl.Masks(twin)
    masks.prune(quality=qualities)
    return twin, masks


def test_a_points_quality_makes_the_same_cut(held):
    _, part, model = held
    scan = sensitivity(model, part)
    for point in scan.points:
        _, masks = cut_at(model, {point.layer: point.quality})
        assert masks.kept_in(point.layer) == point.kept


@pytest.mark.parametrize("tolerance", [0.0, 0.01, 0.05, 0.3])
def test_the_whole_cut_keeps_the_budget_and_the_next_deeper_one_does_not(held, tolerance):
    full, part, model = held
    found = budget(model, part, tolerance=tolerance, test=(full.test_x, full.test_y))
    before = evaluation.evaluate(model, part.test_x, part.test_y).accuracy
    scan = sensitivity(model, part)
    assert found.scale in (0.0, *SCALES) and found.qualities == scan.qualities(tolerance, found.scale)
    twin, masks = cut_at(model, found.qualities)
    after = evaluation.evaluate(twin, part.test_x, part.test_y).accuracy
    assert (found.chosen.before, found.chosen.after, found.chosen.samples) == (before, after, len(part.test_y))
    assert before - after <= tolerance + 1e-9 and found.kept == masks.kept
    if found.scale < 1:
        deeper, _ = cut_at(model, scan.qualities(tolerance, found.scale + 0.05))
        assert before - evaluation.evaluate(deeper, part.test_x, part.test_y).accuracy > tolerance
    verified = [evaluation.evaluate(net, full.test_x, full.test_y).accuracy for net in (model, twin)]
    assert found.verified == Check(len(full.test_y), *verified)
    assert found.holds == (verified[0] - verified[1] <= tolerance + 1e-9)


def test_a_larger_budget_keeps_fewer(held):
    _, part, model = held
    kept = [budget(model, part, tolerance=tolerance).density for tolerance in (0.01, 0.05, 0.2)]
    assert kept == sorted(kept, reverse=True) and kept[0] > kept[-1]


def test_a_recipe_takes_it_up_in_one_call(held):
    _, part, model = held
    found = budget(model, part, tolerance=0.05)
    recipe = found.recipe(pl.Recipe(model="mlp-small", epochs=15, rounds=1, rule="density", scope="layer"))
    assert recipe.rule == "quality" and set(dict(recipe.layer_quality)) == {"fc1", "fc2", "fc3"}
    session = pl.Session(recipe, model=copy.deepcopy(model), data=part, trained=True)
    snapshot = session.prune()
    assert snapshot.kept == found.kept and snapshot.test_accuracy == found.chosen.after
    assert found.holds is None and found.verified is None


def test_held_out_samples_are_no_longer_trained_on():
    full = load("digits")
    part = hold_out(full, 0.2, seed=3)
    number = round(0.2 * len(full.train_y))
    assert (len(part.test_y), len(part.train_y)) == (number, len(full.train_y) - number)
    both = torch.cat([part.train_x, part.test_x]).flatten(1)
    assert torch.equal(both.sort(0).values, full.train_x.flatten(1).sort(0).values), "each sample is on one side"
    assert torch.equal(part.test_x, hold_out(full, 0.2, seed=3).test_x)
    assert not torch.equal(part.test_y, hold_out(full, 0.2, seed=4).test_y)
    for share in (0.0, 1.0, 1e-9):
        with pytest.raises(ValueError, match="leave some on each side"):
            hold_out(full, share)


def made(curves, **more):
    points = tuple(
        Point(layer, density, round(100 * density), 100, right, 0.0, quality)
        for layer, curve in curves.items()
        for density, right, quality in curve
    )
    return Sensitivity(0.98, 0.0, 50, tuple(curves), len(points), points, **more)


def test_qualities_and_densities_are_those_of_the_deepest_point_within_the_budget():
    scan = made({
        "a": [(0.5, 0.98, 0.7), (0.1, 0.95, 1.6), (0.05, 0.98, 2.0)],
        "b": [(0.5, 0.9, 0.6), (0.1, 0.5, 1.5), (0.05, 0.1, 1.9)],
    })  # fmt: skip
    assert scan.qualities(0.01) == {"a": 0.7, "b": 0.0} and scan.densities(0.01) == {"a": 0.5, "b": 1.0}
    assert scan.qualities(0.08, scale=0.5) == {"a": 1.0, "b": 0.3} and scan.densities(0.08) == {"a": 0.05, "b": 0.5}
    unknown = made({"a": [(0.5, 0.98, None)]})
    with pytest.raises(ValueError, match="scan of a"):
        unknown.qualities(0.01)


def test_what_is_no_budget_is_refused(held):
    _, part, model = held
    half = made({"a": [(0.5, 0.98, 0.7)]})
    with pytest.raises(ValueError, match="0 of 1 points"):
        stream(model, part, Sensitivity(0.98, 0.0, 50, half.layers, 1))
    assert isinstance(budget(model, (part.test_x, part.test_y), layers="fc1"), Budget)


ERROR = Objective("mae", "minus error", None, 0.0, classifies=False)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_what_may_be_lost_is_judged_by_a_metric_of_ones_own(unit):
    """1 % of the dense network's own error, in whatever unit: 0.9 % more may be, 1.1 % may not."""
    scan = made({"a": [(0.5, -2.018 * unit, 0.7), (0.1, -2.022 * unit, 1.6)]}, objective=ERROR)
    scan = replace(scan, accuracy=-2 * unit)
    assert scan.tolerance == pytest.approx(0.02 * unit)
    assert scan.needs("a") == 0.5 and scan.densities() == {"a": 0.5} and scan.qualities() == {"a": 0.7}
    assert scan.needs("a", 0.0221 * unit) == 0.1 and scan.needs("a", 0.0179 * unit) == 1.0


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_a_budget_is_the_same_in_every_unit(unit):
    torch.manual_seed(0)
    x, net = torch.rand(200, 6), nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    y = net(x).detach() + torch.randn(200, 1)

    def found(unit):
        error = pl.Metric(lambda out, y: -unit * float((out - y).abs().mean()), "minus error", None, 0.0)
        return budget(net, (x, y), loss="mse", metric=error)

    usual, other = found(1.0), found(unit)
    assert 0 < usual.scale <= 1 and usual.kept < usual.total, "something is cut at all"
    assert (other.kept, other.scale, other.qualities) == (usual.kept, usual.scale, usual.qualities)
    assert other.tolerance == pytest.approx(unit * usual.tolerance)


@pytest.mark.parametrize("tolerance", [-0.1, float("nan"), "0.01", True, 1, 5.0])
def test_a_tolerance_that_is_none_is_refused_and_so_are_points_for_a_fraction(held, tolerance, monkeypatch):
    _, part, model = held
    scan = made({"a": [(0.5, 0.98, 0.7)]})
    line = Tradeoff(lines=("L2 retrained",), densities=(0.5,), seeds=(0,), samples=50)
    cuts = []
    monkeypatch.setattr(
        Prepared, "measure", lambda *_, cut: cuts.append(cut) or evaluation.Tested(0.1, 0.9, torch.empty(0))
    )

    for asks in (
        lambda: budget(model, part, tolerance=tolerance),
        lambda: stream(model, part, scan, tolerance=tolerance),
        lambda: scan.needs(tolerance=tolerance),
        lambda: scan.qualities(tolerance),
        lambda: line.needs("L2 retrained", tolerance),
    ):
        with pytest.raises(ValueError, match="tolerance = "):
            asks()
    assert cuts == [False], "before anything is cut"


def test_a_tolerance_of_a_metric_that_is_no_share_may_be_large():
    assert (
        made({"a": [(0.5, -3.0, 0.7)]}, objective=Objective(metric="-dollars", low=None, high=0)).needs("a", 5) == 0.5
    )
