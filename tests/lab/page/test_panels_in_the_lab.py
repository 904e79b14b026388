"""Panels of a lab: each drawn while it is shown, and none in the way of another."""

import plotly.graph_objects as go

from prunelab import views
from support.labs import press


def test_every_panel_holds_a_valid_figure_and_its_words(lab):
    for name, choice in lab.choices.items():
        choice.value = True
        panel = lab.panels[name]
        go.Figure({k: v for k, v in panel.plot.figure.items()})
        assert panel.plot.figure["layout"]["meta"]["revision"] and panel.plot.summary


def test_the_mask_of_another_layer_can_be_chosen(lab):
    lab.panels["mask"].layer.value = "fc2.weight"
    lab.wait(60)
    assert lab.panels["mask"].plot.figure["layout"]["title"]["text"].startswith("fc2")


def test_a_picture_that_cannot_be_made_says_so_in_its_place_and_the_others_go_on(lab, monkeypatch):
    monkeypatch.setattr(views, "pixels", lambda snapshot: 1 / 0)
    press(lab, "prune")
    assert "division by zero" in lab.panels["pixels"].plot.trouble and lab.state.trouble is None
    assert lab.panels["weights"].plot.figure["layout"]["meta"]["revision"]["phase"] == "pruned"
    monkeypatch.undo()
    press(lab, "reset")
    assert lab.panels["pixels"].plot.trouble == ""


def test_a_hidden_panel_is_not_drawn_until_it_is_shown(lab):
    lab.choices["mask"].value = False
    before = lab.panels["mask"].plot.figure
    press(lab, "prune")
    assert lab.panels["mask"].plot.figure is before
    lab.choices["mask"].value = True
    assert lab.panels["mask"].plot.figure["layout"]["meta"]["revision"]["phase"] == "pruned"


def test_axes_rest_under_a_slider_but_those_of_a_mask_are_its_own(lab):
    def ranges(name):
        return {key: part["range"] for key, part in lab.panels[name].plot.figure["layout"].items() if "axis" in key}

    weights = ranges("weights")
    for quality in (0.5, 1.0):
        lab.controls["quality"].value = quality
        lab.wait(60)
        assert ranges("weights") == weights
    lab.controls["quality"].value = 2.5  # so few are left that the axes take their scale
    lab.wait(60)
    assert {name: part for name, part in ranges("weights").items() if name[0] == "x"} == {
        name: part for name, part in weights.items() if name[0] == "x"
    }
    assert all(ranges("weights")[name][1] < part[1] / 4 for name, part in weights.items() if name[0] == "y")
    mask = lab.panels["mask"]
    for layer in lab.state.snapshot.layers:
        mask.layer.value = layer.name
        assert ranges("mask") == {"xaxis": [0, layer.shape[1]], "yaxis": [layer.shape[0], 0]}
