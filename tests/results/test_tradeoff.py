"""Means, bands and what a line needs, against figures computed by hand; the Gaussian share against SciPy."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.stats import norm

from prunelab.recipe import Recipe
from prunelab.results.objective import Objective
from prunelab.results.sweep import FailedRun
from prunelab.results.tradeoff import LINES, Point, Tradeoff, gaussian_density, line_named, targets


def point(line, target, accuracy, *, seed=0, dense=0.98, cuts=None, gaussian=None, total=1000):
    cuts = cuts or (target,)
    recipe = Recipe(rule="density", density=target, rounds=len(cuts), seed=seed)
    return Point(
        line=line, recipe=recipe, cuts=cuts, kept=round(target * total), total=total, effective=None,
        gaussian=gaussian, accuracy=accuracy, dense=dense,
    )  # fmt: skip


def curve(points, *, done=1.0, samples=400, **more):
    lines = tuple(dict.fromkeys(p.line for p in points))
    densities = tuple(sorted({p.target for p in points}, reverse=True))
    seeds = tuple(dict.fromkeys(p.recipe.seed for p in points))
    return Tradeoff(
        lines=lines, densities=densities, seeds=seeds, samples=samples, points=tuple(points), done=done, **more
    )


def test_means_and_bands_are_over_the_seeds_of_one_target():
    result = curve([
        point("L2 retrained", 0.5, 0.98, seed=0, dense=0.98),
        point("L2 retrained", 0.1, 0.95, seed=0, dense=0.98),
        point("L2 retrained", 0.5, 0.95, seed=1, dense=0.96),
        point("L2 retrained", 0.1, 0.95, seed=1, dense=0.96),
        point("L2 only cut", 0.1, 0.50, seed=1, dense=0.96),
    ])  # fmt: skip
    first, second = result.means("L2 retrained")
    assert (first.target, second.target) == (0.5, 0.1)
    assert (first.lost, first.least, first.most) == pytest.approx((0.005, 0.0, 0.01))
    assert (second.lost, second.least, second.most) == pytest.approx((0.02, 0.01, 0.03))
    assert first.density == 0.5 and [p.recipe.seed for p in first.points] == [0, 1]
    assert len(result.means("L2 only cut")) == 1 and result.means("L2 iterative") == ()
    assert (result.planned, result.grain) == (8, 0.0025)


def test_a_line_needs_the_least_from_which_on_nothing_fails():
    result = curve([
        *(point("L2 retrained", d, a) for d, a in ((0.5, 0.98), (0.2, 0.976), (0.1, 0.97), (0.05, 0.98))),
        *(point("L1 only cut", d, a) for d, a in ((0.5, 0.9), (0.2, 0.98))),
    ])  # fmt: skip
    assert result.needs("L2 retrained") == 0.2, "0.05 is luck: 0.1 had already failed"
    assert result.needs("L2 retrained", tolerance=0.01) == 0.05
    assert result.needs("L1 only cut") is None and result.needs("L2 iterative") is None


def test_what_is_needed_counts_the_mean_of_the_seeds_not_the_best():
    seeds = [point("L2 retrained", 0.5, a, seed=s) for s, a in enumerate((0.98, 0.98, 0.96))]
    assert curve(seeds).needs("L2 retrained") is None
    assert curve(seeds[:2]).needs("L2 retrained") == 0.5


def test_a_gaussian_layer_keeps_what_is_known_of_it():
    known = {0.5: 0.617, 1.0: 0.317, 1.5: 0.134, 2.0: 0.0455}
    for quality, kept in known.items():
        assert gaussian_density([(100, quality * 0.03, 0.03)]) == pytest.approx(kept, abs=1e-3)
    assert gaussian_density([(300, 0.0, 1.0), (100, 2.0, 1.0)]) == pytest.approx((300 + 100 * 0.0455) / 400, abs=1e-4)
    assert gaussian_density([(10, 0.1, 0.0), (30, 0.0, 0.0)]) == 0.75


layers = some.lists(
    some.tuples(some.integers(1, 10**6), some.floats(0, 10), some.floats(1e-3, 10)), min_size=1, max_size=5
)


@given(layers)
def test_a_gaussian_share_is_that_of_scipys_tails(given_layers):
    n, t, s = np.array(given_layers).T
    assert gaussian_density(given_layers) == pytest.approx(float((n * 2 * norm.sf(t / s)).sum() / n.sum()), abs=1e-12)


def test_there_are_the_papers_five_lines():
    papers = [(x.regularizer, x.retrained, x.iterative) for x in map(line_named, LINES) if not x.random]
    assert papers == [
        ("l2", False, False), ("l1", False, False), ("l1", True, False), ("l2", True, False), ("l2", True, True),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="'L2 itertive'.*did you mean 'L2 iterative'"):
        line_named("L2 itertive")


@pytest.mark.parametrize(
    ("densities", "words"),
    [((), "densities is empty"), ((0.5, 1.0), "1.0 must be"), ((0,), "0 must be"), ((True,), "True"), (("a",), "'a'")],
)
def test_densities_that_are_none_are_refused(densities, words):
    with pytest.raises(ValueError, match=words):
        targets(densities)


def test_targets_are_each_once_and_descend():
    assert targets([0.1, 0.5, 0.1]) == (0.5, 0.1)


def test_the_table_and_the_json_can_be_read_back():
    result = curve(
        [point("L2 iterative", 0.1, 0.97, cuts=(0.5, 0.1), gaussian=0.07), point("L1 only cut", 0.5, 0.975)],
        failed=(FailedRun(recipe=Recipe(seed=3), reason="the loss is nan", seconds=1.5),),
        objective=Objective(metric="hits"),
    )
    rows = list(csv.DictReader(io.StringIO(result.to_csv())))
    assert [row["line"] for row in rows] == ["L2 iterative", "L1 only cut"]
    assert rows[0]["cuts"] == "0.5;0.1" and float(rows[0]["lost"]) == pytest.approx(0.01)
    assert (rows[0]["iterative"], rows[1]["gaussian"], rows[0]["metric"]) == ("True", "", "hits")
    assert Recipe.from_query(rows[0]["recipe"]) == result.points[0].recipe
    assert Tradeoff.from_dict(json.loads(json.dumps(result.to_dict()))) == result


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_what_is_enough_does_not_depend_on_the_unit_of_a_metric(unit):
    """Half a hundredth of the dense networks' own error: 0.4 % more is enough, 0.6 % is not."""
    objective = Objective("mae", "minus error", None, 0.0, classifies=False)
    lost = {0.5: 0.001, 0.2: 0.004, 0.1: 0.006, 0.05: 0.5}
    points = [point("L2 retrained", d, -unit * (2 + 2 * x), dense=-2 * unit) for d, x in lost.items()]
    result = curve(points, objective=objective)
    assert result.tolerance == pytest.approx(0.01 * unit)
    assert result.needs("L2 retrained") == 0.2
    assert result.needs("L2 retrained", tolerance=0.0125 * unit) == 0.1
    assert result.needs("L2 retrained", tolerance=0.001 * unit) is None
