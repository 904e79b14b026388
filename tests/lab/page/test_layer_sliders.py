"""Layers with a quality of their own."""

import prunelab as pl
from support.labs import QUICK


def test_a_layer_can_have_a_quality_of_its_own_by_slider_or_by_its_line(lab):
    lab.layers.sliders["fc1"].value = 0.3
    lab.wait(60)
    kept = {layer.name: layer.kept for layer in lab.state.preview.layers}
    session = pl.Session(QUICK)
    for _ in session.train():
        pass
    expected = session.masks.plan(quality={"fc1": 0.3, "fc2": QUICK.quality, "fc3": QUICK.quality}).cuts
    assert kept == {name: cut.kept for name, cut in expected.items()}
    assert lab.layers.sliders["fc2"].value == QUICK.quality and "quality.fc1=0.3" in lab.link()
    lab.panels["weights"].plot.dragged = {"layer": "fc3.weight", "quality": 2.0, "final": True}
    lab.wait(60)
    assert lab.recipe.layer_quality == (("fc1", 0.3), ("fc3", 2.0)) and lab.layers.sliders["fc3"].value == 2.0
    lab.controls["quality"].value = 1.0
    lab.wait(60)
    assert lab.layers.sliders["fc2"].value == 1.0 and lab.layers.sliders["fc1"].value == 0.3
    lab.layers.links["fc1"].click()
    lab.wait(60)
    assert lab.layers.sliders["fc1"].value == 1.0 and lab.recipe.layer_quality == (("fc3", 2.0),)
    assert "These qualities would leave" in lab.panels["weights"].plot.figure["layout"]["title"]["text"]
    assert lab.status.story.startswith("At these qualities ")


def test_a_quality_that_is_locked_or_hidden_cannot_be_changed_by_its_lines_or_by_layer():
    for options in ({"lock": ["quality"]}, {"hide": ["quality"]}):
        lab = pl.Lab(QUICK, measure=False, **options)
        assert lab.wait(60)
        plot = lab.panels["weights"].plot
        assert not plot.draggable and all(slider.disabled for slider in lab.layers.sliders.values())
        plot.dragged = {"layer": "fc1.weight", "quality": 2.5, "final": True, "at": 1.0}
        assert lab.wait(60) and lab.layers.own == {} and lab.state.preview.quality == QUICK.quality
        assert ("pl-no-layers" in lab._dom_classes) == ("hide" in options)
        lab.stop()
    lab = pl.Lab(QUICK, measure=False)
    assert lab.wait(60)
    assert lab.panels["weights"].plot.draggable and not lab.layers.sliders["fc1"].disabled
    lab.controls["rule"].value = "density"  # in which no layer has a quality
    assert lab.wait(60) and "pl-no-layers" in lab._dom_classes and not lab.panels["weights"].plot.draggable
    lab.stop()
