"""A view is shown as one output: a live plot, a drawing with words, or words alone."""

from __future__ import annotations

from xml.etree import ElementTree

import ipywidgets
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

import prunelab as pl
from prunelab import views
from prunelab.lab.show import SVG, WIDGET
from prunelab.lab.widgets.number_field import NumberField
from prunelab.lab.widgets.plot import Plot


@pytest.fixture
def outputs(monkeypatch):
    """What a notebook would get."""
    shell = InteractiveShell.instance()
    publisher = CapturingDisplayPublisher(parent=shell)
    monkeypatch.setattr(shell, "display_pub", publisher)
    yield publisher.outputs
    InteractiveShell.clear_instance()


@pytest.fixture(scope="module")
def session():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=2))
    for _ in session.train():
        pass
    return session


def widget(output):
    return ipywidgets.widget_serialization["from_json"](f"IPY_MODEL_{output['data'][WIDGET]['model_id']}", None)


def test_one_output_holds_the_plot_a_drawing_and_words(outputs, session):
    view = views.weights(session.preview(1.5))
    assert pl.show(view) is None
    (output,) = outputs
    assert set(output["data"]) == {WIDGET, SVG, "text/plain"}
    plot = widget(output)
    assert isinstance(plot, Plot) and plot.figure == view
    assert plot.summary == output["data"]["text/plain"] == views.summary(view)


def test_the_drawing_is_svg_for_a_page_with_a_text_alternative(outputs, session):
    view = views.connections(session.preview(1.5))
    pl.show(view)
    (output,) = outputs
    drawing = ElementTree.fromstring(output["data"][SVG])  # no declaration, one root
    assert drawing.tag.endswith("svg") and output["data"][SVG].startswith("<svg")
    assert drawing.attrib["role"] == "img" and drawing.attrib["aria-label"] == views.summary(view)
    assert output["metadata"] == {SVG: {"alt": views.summary(view)}}


def test_names_of_layers_cannot_leave_the_text_alternative(outputs):
    view = views.empty('Nothing: "quoted" &lt;b&gt; & more.')
    pl.show(view)
    drawing = ElementTree.fromstring(outputs[0]["data"][SVG])
    assert drawing.attrib["aria-label"] == views.summary(view)


def test_equal_views_give_equal_drawings(outputs, session):
    for _ in range(2):
        pl.show(views.weights(session.preview(1.0)))
    assert outputs[0]["data"][SVG] == outputs[1]["data"][SVG]


def test_a_slider_draws_again_and_the_drawing_shows_its_start(outputs, session):
    def draw(quality):
        return views.weights(session.preview(quality))

    pl.show(draw, over=(0, 3), start=1.5, label="quality")
    (output,) = outputs
    slider, plot = widget(output).children
    assert isinstance(slider, NumberField) and slider.description == "quality"
    assert (slider.min, slider.value, slider.max) == (0, 1.5, 3)
    assert output["data"]["text/plain"] == views.summary(draw(1.5))
    slider.value = 0.7
    assert plot.figure == draw(0.7) and plot.summary == views.summary(draw(0.7))


@pytest.mark.parametrize(
    ("over", "step"), [((0, 3), 0.01), ((0, 1), 0.01), ((0, 100), 1), ((1, 20), 0.1), ((0.001, 0.01), 0.0001)]
)
def test_a_slider_has_round_steps(over, step, outputs):
    pl.show(lambda _: views.empty("Nothing."), over=over)
    slider, _ = widget(outputs[0]).children
    assert slider.step == pytest.approx(step) and slider.value == over[0]


def test_a_logarithmic_slider_begins_above_zero(outputs):
    pl.show(lambda _: views.empty("Nothing."), over=(0.01, 1), logarithmic=True)
    assert widget(outputs[0]).children[0].logarithmic
    with pytest.raises(ValueError, match="begins above 0"):
        pl.show(lambda _: views.empty("Nothing."), over=(0, 1), logarithmic=True)


def test_a_picture_that_fails_later_says_why_and_the_next_one_is_drawn(outputs):
    def draw(value):
        if value > 0.5:
            raise ValueError(f"no picture at {value}")
        return views.empty("Low.")

    pl.show(draw, over=(0, 1))
    slider, plot = widget(outputs[0]).children
    slider.value = 0.75
    assert plot.trouble == "This picture could not be made: no picture at 0.75"
    slider.value = 0.25
    assert plot.trouble == "" and plot.summary.startswith("Low.")


def test_what_is_no_view_is_refused_in_words(outputs, session):
    with pytest.raises(TypeError, match="view is Snapshot: it must be a dict of data and layout, as functions of pl"):
        pl.show(session.snapshot())
    with pytest.raises(TypeError, match=r"view is function: .*; over=\(lowest, highest\) gives it a slider"):
        pl.show(views.weights)
    with pytest.raises(TypeError, match="view is dict: give a function"):
        pl.show(views.empty("Nothing."), over=(0, 1))
    with pytest.raises(TypeError, match="view is NoneType"):
        pl.show(lambda _: None, over=(0, 1))
    for over in ((1, 0), (0, 0), (0, float("inf")), (float("nan"), 1)):
        with pytest.raises(ValueError, match="over = .*two numbers, the lower one first"):
            pl.show(lambda _: views.empty("Nothing."), over=over)
    with pytest.raises(ValueError, match=r"start = 4: must be within over = \(0, 3\)"):
        pl.show(lambda _: views.empty("Nothing."), over=(0, 3), start=4)
    assert not outputs
