"""The picture of sensitivity: its points are the result's, its title names the layer that suffers most."""

import dataclasses
import json

import plotly.graph_objects as go
import pytest

from prunelab.results.objective import Objective
from prunelab.results.sensitivity import Point, Sensitivity
from prunelab.views.figure import summary
from prunelab.views.sensitivity import sensitivity


def result(curves, accuracy=0.98, total=1000):
    """A result out of {layer: {density: accuracy}}."""
    points = tuple(
        Point(layer, density, round(density * total), total, right, 0.1)
        for layer, curve in curves.items()
        for density, right in curve.items()
    )
    return Sensitivity(accuracy, 0.1, 100, tuple(curves), len(points), points)


CURVES = {
    "conv1.weight": {0.5: 0.975, 0.1: 0.7, 0.01: 0.2},
    "fc1.weight": {0.5: 0.981, 0.1: 0.972, 0.01: 0.5},
}


def title(view):
    return view["layout"]["title"]["text"]


def test_one_line_a_layer_from_whole_to_least():
    view = sensitivity(result(CURVES))
    go.Figure(view)
    json.dumps(view, allow_nan=False)
    conv, fc = (next(t for t in view["data"] if t.get("name") == name) for name in ("conv1", "fc1"))
    assert (conv["x"], conv["y"]) == ([100, 50, 10, 1], [98, 97.5, 70, 20])
    assert fc["y"] == pytest.approx([98, 98.1, 97.2, 50])
    assert (conv["line"]["color"], conv["marker"]["symbol"]) != (fc["line"]["color"], fc["marker"]["symbol"])
    assert conv["hovertext"][2] == "conv1, 10.0 % kept (100 of 1,000): 70.0 % right"
    assert {n["text"] for n in view["layout"]["annotations"]} == {"conv1", "fc1", "whole 98.0 %"}


def test_the_title_names_the_most_sensitive_layer():
    view = sensitivity(result(CURVES))
    assert title(view) == "conv1 is the most sensitive: to lose at most 1 point it needs 50.0 %, fc1 10.0 %"
    assert "Within 1 point of 98.0 %: conv1 needs 50.0 %, ends at 20.0 % right; fc1 needs 10.0 %" in summary(view)


def test_one_layer_and_equal_layers_have_titles_of_their_own():
    alone = sensitivity(result({"fc.weight": {0.5: 0.9}}))
    assert title(alone) == "To lose at most 1 point fc needs all of its connections"
    equal = sensitivity(result({"a.weight": {0.5: 0.98, 0.1: 0.5}, "b.weight": {0.5: 0.98, 0.1: 0.4}}))
    assert title(equal) == "To lose at most 1 point every layer needs 50.0 %; b suffers most beyond"


def test_a_scan_under_way_is_drawn_as_far_as_it_goes_and_judges_no_half_layer():
    whole = result(CURVES)
    begun = dataclasses.replace(whole, points=whole.points[:1])
    assert title(sensitivity(begun)) == "conv1 alone is being cut, nothing else (1 of 6 measured)"
    half = sensitivity(dataclasses.replace(whole, points=whole.points[:4]))
    go.Figure(half)
    assert title(half) == "To lose at most 1 point conv1 needs 50.0 % of its connections (4 of 6 measured)"
    assert "fc1 needs" not in summary(half)
    for nothing in (None, dataclasses.replace(whole, points=())):
        assert "No sensitivity yet" in sensitivity(nothing)["layout"]["annotations"][0]["text"]


def test_of_many_layers_the_most_sensitive_are_shown():
    curves = {f"l{i}.weight": {0.5: 0.9 + 0.001 * i} for i in range(12)}
    view = sensitivity(result(curves))
    drawn = [t["name"] for t in view["data"] if t.get("name")]
    assert drawn == [f"l{i}" for i in range(8)] and "(8 of 12 layers shown)" in title(view)


def test_names_of_layers_are_text():
    view = sensitivity(result({"<b>x</b>.weight": {0.5: 0.9}, "$y$.weight": {0.5: 0.5}}))
    assert "<b>" not in json.dumps(view) and "$" not in json.dumps(view)


@pytest.mark.parametrize(("unit", "words"), [(1e-6, "2e-08"), (1.0, "0.02"), (1e6, "2e+04")])
def test_the_title_judges_a_metric_without_a_range_by_its_own_size(unit, words):
    objective = Objective("mae", "minus error", None, 0.0, classifies=False)
    scan = result({"a.weight": {0.5: -2.01 * unit, 0.1: -3 * unit}}, -2 * unit)
    view = sensitivity(dataclasses.replace(scan, objective=objective))
    assert title(view) == f"To lose at most {words} a needs 50.0 % of its connections"
    assert f"Within {words} of " in summary(view)
