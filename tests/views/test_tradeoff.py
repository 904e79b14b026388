"""The picture of the trade-off curve: its points are the result's means, and its title claims what they show."""

from __future__ import annotations

import dataclasses
import json
import math

import plotly.graph_objects as go
import pytest

from prunelab.exports import matplotlib_drawing
from prunelab.recipe import Recipe
from prunelab.results.objective import Objective
from prunelab.results.sweep import FailedRun
from prunelab.results.tradeoff import LINES, Point, Tradeoff
from prunelab.views import tradeoff
from prunelab.views.figure import summary
from prunelab.views.tradeoff import STYLES


def point(line, target, accuracy, seed, gaussian):
    recipe = Recipe(rule="density", density=target, seed=seed)
    return Point(
        line=line, recipe=recipe, cuts=(target,), kept=round(10000 * target), total=10000, effective=None,
        gaussian=gaussian, accuracy=accuracy, dense=0.98,
    )  # fmt: skip


def result(curves, *, seeds=1, spread=0.0, done=1.0, gaussian=None, objective=None):
    """A curve out of {line: {target: accuracy}}; each further seed is ``spread`` worse."""
    points = tuple(
        point(line, target, accuracy - seed * spread, seed, (gaussian or {}).get(target))
        for seed in range(seeds)
        for line, curve in curves.items()
        for target, accuracy in curve.items()
    )
    densities = tuple(sorted({p.target for p in points}, reverse=True))
    return Tradeoff(
        lines=tuple(curves), densities=densities, seeds=tuple(range(seeds)), samples=360, points=points, done=done,
        **({} if objective is None else {"objective": objective}),
    )  # fmt: skip


CURVES = {
    "L2 only cut": {0.5: 0.98, 0.2: 0.93, 0.05: 0.4},
    "L2 retrained": {0.5: 0.98, 0.2: 0.979, 0.05: 0.95},
    "L2 iterative": {0.5: 0.98, 0.2: 0.98, 0.05: 0.977},
}


def title(view):
    return view["layout"]["title"]["text"]


def drawn(view, name):
    return next(t for t in view["data"] if t.get("name") == name)


def test_one_line_each_of_what_was_lost():
    view = tradeoff(result(CURVES))
    go.Figure(view)
    json.dumps(view, allow_nan=False)
    cut = drawn(view, "L2 only cut")
    assert cut["x"] == [50, 20, 5] and cut["y"] == pytest.approx([0, -5, -58])
    assert str(cut["y"][0]) == "0.0"
    assert cut["hovertext"][1] == "L2 only cut, 20.0 % kept: 5.0 points lost"
    assert drawn(view, "L2 iterative")["customdata"] == [6, 7, 8]
    low, high = view["layout"]["yaxis"]["range"]
    assert -11 < low < -10 and high > 0, "what falls deeper leaves the picture"
    labels = {note["text"] for note in view["layout"]["annotations"]}
    assert labels == {"↓ L2 only cut", "L2 retrained", "L2 iterative", "dense"}


def test_the_title_says_how_few_are_enough_with_and_without_retraining():
    assert title(tradeoff(result(CURVES))) == (
        "With retraining 5.0 % of the connections keep the accuracy within 0.5 points, without it takes 50.0 %"
    )
    equal = {"L2 only cut": {0.5: 0.98}, "L2 retrained": {0.5: 0.98}}
    assert title(tradeoff(result(equal))) == (
        "50.0 % of the connections keep the accuracy within 0.5 points, even without retraining"
    )
    alone = {"L1 retrained": {0.5: 0.98, 0.1: 0.9}}
    assert title(tradeoff(result(alone))) == (
        "L1 retrained: 50.0 % of the connections keep the accuracy within 0.5 points"
    )
    hopeless = {"L1 retrained": {0.5: 0.9}, "L2 only cut": {0.5: 0.5, 0.2: 0.4}}
    assert title(tradeoff(result(hopeless))) == "Not even 50.0 % of the connections keep the accuracy within 0.5 points"


def test_a_curve_under_way_is_drawn_as_far_as_it_goes():
    begun = result(CURVES, done=0.4)
    assert title(tradeoff(begun)).endswith("(9 of 9 points)")
    one = dataclasses.replace(begun, points=begun.points[:1])
    early, late = tradeoff(one)["layout"], tradeoff(begun)["layout"]
    for name in ("xaxis", "yaxis"):
        assert early[name]["range"] == late[name]["range"], "the axes stand from the first point on"
    nearly = {"L2 retrained": {0.5: 0.98, 0.2: 0.97}}
    assert tradeoff(result(nearly))["layout"]["yaxis"]["range"][0] == pytest.approx(-1.4), "in the end they fit"
    for nothing in (None, Tradeoff(lines=LINES, densities=(0.5,), seeds=(0,), samples=360)):
        view = tradeoff(nothing)
        assert not view["data"] and title(view) == "No curve yet"


def test_seeds_are_a_mean_and_a_band():
    view = tradeoff(result(CURVES, seeds=3, spread=0.002))
    go.Figure(view)
    assert drawn(view, "L2 iterative")["y"] == pytest.approx([-0.2, -0.2, -0.5])
    bands = [t for t in view["data"] if t.get("fill") == "toself"]
    assert len(bands) == 3
    assert bands[2]["x"] == [50, 20, 5, 5, 20, 50]
    assert bands[2]["y"] == pytest.approx([0, 0, -0.3, -0.7, -0.4, -0.4])
    assert "mean of 3 seeds (0.4 points lost to nothing lost)" in drawn(view, "L2 iterative")["hovertext"][0]
    assert "Means of 3 seeds, bands from the least to the most that one lost." in summary(view)


def test_the_dashed_line_stands_where_gaussian_layers_would():
    view = tradeoff(result(CURVES, gaussian={0.5: 0.51, 0.2: 0.19, 0.05: 0.02}))
    go.Figure(view)
    dashed = next(t for t in view["data"] if "if its layers' weights were Gaussian" in str(t.get("hovertext")))
    assert "L2 iterative" in dashed["hovertext"], "of the line that retrains again and again"
    assert dashed["x"][:2] == [51, 19] and dashed["y"][:2] == pytest.approx([0, 0])
    right = 10 ** view["layout"]["xaxis"]["range"][1]
    assert dashed["x"][2] == pytest.approx(right, abs=1e-3), "it ends where the axis does"
    part = math.log(19 / right) / math.log(19 / 2)
    assert dashed["y"][2] == pytest.approx(-0.3 * part, abs=1e-3)
    assert "Gaussian layers would keep 2.0 %, L2 iterative keeps 5.0 %: retraining has moved" in summary(view)
    assert "<br>Gaussian layers would keep 2.0 % at these thresholds" in drawn(view, "L2 retrained")["hovertext"][2]
    none = tradeoff(result(CURVES, gaussian={0.5: 0.51, 0.2: 0.0, 0.05: 0.0}))
    json.dumps(none, allow_nan=False)
    fewer = tradeoff(result(CURVES, gaussian={0.5: 0.51, 0.2: 0.25, 0.05: 0.08}))
    assert "L2 iterative keeps 5.0 %." in summary(fewer), "no reason given where it would be the wrong one"


def test_runs_that_diverged_are_counted():
    curve = result(CURVES)
    failed = tuple(FailedRun(recipe=curve.points[i].recipe, reason="it diverged", seconds=1.0) for i in range(2))
    for runs, words in ((failed, "2 runs diverged and are missing."), (failed[:1], "1 run diverged and is missing.")):
        assert summary(tradeoff(dataclasses.replace(curve, failed=runs))).endswith(words)


def test_the_stripe_is_one_test_sample_up_and_down():
    view = tradeoff(result(CURVES))
    stripe = next(s for s in view["layout"]["shapes"] if s["type"] == "rect")
    assert (stripe["y0"], stripe["y1"]) == pytest.approx((-100 / 360, 100 / 360))
    assert "One of the 360 test samples is 0.28 points." in summary(view)


def test_another_metric_has_its_own_axis_and_no_stripe():
    objective = Objective(loss="mse", metric="R2", low=None, high=1.0, classifies=False)
    view = tradeoff(result(CURVES, objective=objective))
    go.Figure(view)
    assert view["layout"]["yaxis"]["title"]["text"] == "R2, change against dense"
    assert drawn(view, "L2 only cut")["y"] == pytest.approx([0, -0.05, -0.58])
    assert len(view["layout"]["shapes"]) == 1 and "samples" not in summary(view)
    assert "within 0.005" in title(view)


@pytest.mark.parametrize(("unit", "words"), [(1e-6, "1.00e-08"), (1.0, "0.0100"), (1e6, "10000.000")])
def test_losses_of_a_metric_without_a_range_are_judged_by_its_own_size(unit, words):
    objective = Objective("mae", "minus error", None, 0.0, classifies=False)
    curve = result({"L2 only cut": {0.5: -2.0, 0.2: -2.1}}, objective=objective)
    points = tuple(dataclasses.replace(p, accuracy=unit * p.accuracy, dense=-2 * unit) for p in curve.points)
    view = tradeoff(dataclasses.replace(curve, points=points))
    assert title(view) == f"L2 only cut: 50.0 % of the connections keep the minus error within {words}"
    low, high = (drawn(view, "L2 only cut")["hovertext"][i] for i in (0, 1))
    assert "nothing lost" in low and "nothing lost" not in high and " lost" in high


def test_every_line_has_a_look_of_its_own():
    looks = [(STYLES[line].colour, STYLES[line].dash) for line in LINES]
    assert len(set(looks)) == len(LINES) and len({STYLES[line].symbol for line in LINES}) == len(LINES)


@pytest.mark.parametrize("seeds", [1, 2])
def test_its_twin_in_print_has_its_lines_and_bands(seeds):
    view = tradeoff(result(CURVES, seeds=seeds, spread=0.01, gaussian={0.5: 0.51, 0.2: 0.19, 0.05: 0.02}))
    (axes,) = matplotlib_drawing.draw(view, 17.4).axes
    lines = {line.get_label(): line for line in axes.lines}
    for name in CURVES:
        x, y = lines[name].get_data()
        assert list(x) == drawn(view, name)["x"] and list(y) == drawn(view, name)["y"]
    bands = [t for t in view["data"] if t.get("fill") == "toself"]
    polygons = [patch for patch in axes.patches if len(patch.get_xy()) > 4]
    assert len(bands) == len(polygons) == (3 if seeds == 2 else 0)
    for band, polygon in zip(bands, polygons, strict=True):
        assert polygon.get_xy()[:-1].tolist() == [list(pair) for pair in zip(band["x"], band["y"], strict=True)]
