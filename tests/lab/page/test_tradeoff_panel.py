"""The trade-off curve in the lab: it grows, can be left, and its points come onto the page as runs."""

from __future__ import annotations

import io
import zipfile

import pytest

import prunelab as pl
from prunelab.lab.page import downloads
from prunelab.lab.widgets.shared_looks import is_shown
from prunelab.lab.worker.session_source import SessionOpener
from prunelab.lab.worker.tasks import tradeoff_task
from prunelab.results.tradeoff import LINES, line_named
from support.labs import QUICK, press, reached


@pytest.fixture(scope="module")
def with_curve():
    """A lab whose curve is drawn."""
    lab = pl.Lab(QUICK.changed(epochs=1, retrain_epochs=1), measure=False, show=["tradeoff"])
    assert lab.wait(60)
    lab.panels["tradeoff"].button.click()
    assert lab.wait(120)
    yield lab
    lab.stop()


@pytest.fixture
def drawn(with_curve):
    """The same, with its dense network on the page."""
    press(with_curve, "reset")
    return with_curve


def test_the_curve_is_drawn_and_the_network_stays_as_it_is(lab):
    lab.choices["tradeoff"].value = True
    before, seen = lab.state.snapshot.scalars(), []
    lab.on_state(lambda state: seen.append(state) if state.activity == "tracing" else None)
    panel = lab.panels["tradeoff"]
    assert "yours stays as it is" in panel.hint.value and panel.load.disabled
    panel.button.click()
    assert lab.wait(120) and lab.state.activity == "ready"
    curve = lab.state.tradeoff
    assert curve.complete and curve.lines == LINES and len(curve.points) == curve.planned
    assert lab.state.snapshot.scalars() == before and lab.state.runs == ()
    counts = [len(state.tradeoff.points) for state in seen if state.tradeoff is not None]
    assert counts == sorted(counts) and set(counts) == set(range(counts[0], curve.planned + 1)), "each new point shows"
    progress = [state.progress for state in seen if state.tradeoff is not None]
    assert progress == sorted(progress) and any(state.left for state in seen)
    assert panel.plot.summary.startswith(panel.plot.figure["layout"]["title"]["text"])
    assert len(panel.choice.options) == curve.planned and not panel.load.disabled


@pytest.mark.parametrize(("given", "taken"), [(7, 7), (None, 10)])
def test_where_epochs_are_left_to_the_usual_half_as_many_are_enough(given, taken):
    task = tradeoff_task(QUICK.changed(epochs=1, retrain_epochs=given), SessionOpener(None, None, None))
    grown = next(tick for tick in task.ticks if tick is not None and tick.points)
    assert grown.points[0].recipe.retrain_epochs == taken


def test_a_curve_that_is_stopped_stays_as_far_as_it_got(lab):
    lab._page.set_recipe(QUICK.changed(retrain_epochs=10000))
    lab.choices["tradeoff"].value = True
    panel = lab.panels["tradeoff"]
    panel.button.click()
    reached(lab, lambda state: state.tradeoff is not None and state.tradeoff.points)
    assert panel.load.disabled and not is_shown(panel.button)
    panel.plot._told(None, {"clicked": 0}, [])
    panel.halt.click()
    assert lab.wait(60) and lab.state.activity == "ready" and lab.state.trouble is None
    curve = lab.state.tradeoff
    assert curve.points and not curve.complete and not is_shown(panel.halt)
    assert f"({len(curve.points)} of {curve.planned} points)" in panel.plot.summary
    assert not panel.load.disabled, "while it was drawn a click has chosen, and loaded nothing"
    press(lab, "prune")
    assert lab.state.tradeoff is curve, "it is of other networks"


@pytest.mark.parametrize("line", LINES)
def test_a_point_that_is_chosen_comes_onto_the_page_as_a_run(drawn, line):
    panel, curve = drawn.panels["tradeoff"], drawn.state.tradeoff
    index = next(i for i, p in enumerate(curve.points) if p.line == line and p.target == 0.25)
    point = curve.points[index]
    panel.choice.index = index
    panel.load.click()
    assert drawn.wait(60) and drawn.state.trouble is None
    now = drawn.state.snapshot
    assert (now.test_accuracy, now.kept, now.dense_accuracy) == (point.accuracy, point.kept, point.dense)
    assert now.phase == ("retrained" if line_named(line).retrained else "pruned")
    assert drawn.recipe == point.recipe, "the controls say how it was made"
    assert is_shown(drawn.controls["density"]) and not is_shown(drawn.controls["quality"])
    assert now.round == len(point.cuts) and drawn.state.tradeoff is curve
    press(drawn, "reset")
    assert drawn.state.snapshot.test_accuracy == point.dense


def test_a_point_that_is_clicked_is_loaded(drawn):
    panel, curve = drawn.panels["tradeoff"], drawn.state.tradeoff
    trace = next(t for t in panel.plot.figure["data"] if t.get("name") == "L1 retrained")
    assert panel.plot.clickable
    for nothing in ({"clicked": -1}, {"clicked": 10**6}, {"clicked": True}, {"clicked": "3"}, "x"):
        panel.plot._told(None, nothing, [])
    assert drawn.wait(60) and drawn.state.snapshot.round == 0
    before = drawn.state.runs
    panel.plot._told(None, {"clicked": trace["customdata"][4]}, [])
    assert drawn.wait(60)
    point = curve.points[trace["customdata"][4]]
    assert point.line == "L1 retrained" and drawn.state.snapshot.test_accuracy == point.accuracy
    assert drawn.state.runs == before, "a network that was not cut is no run to keep"
    panel.plot._told(None, {"clicked": trace["customdata"][0]}, [])
    assert drawn.wait(60) and drawn.state.runs[-1].recipe == point.recipe, "one that was is kept"


def test_a_run_that_is_cut_only_can_be_retrained_on_the_page(drawn):
    curve = drawn.state.tradeoff
    pairs = {p.line: p for p in curve.points if p.target == 0.1}
    panel = drawn.panels["tradeoff"]
    panel.choice.index = curve.points.index(pairs["L2 only cut"])
    panel.load.click()
    assert drawn.wait(60) and drawn.state.snapshot.phase == "pruned"
    press(drawn, "retrain")
    assert drawn.state.snapshot.test_accuracy == pairs["L2 retrained"].accuracy


def test_the_curve_goes_into_the_downloads(drawn):
    def names(what):
        return zipfile.ZipFile(io.BytesIO(downloads.make(what, drawn.state).content)).namelist()

    assert "tradeoff.csv" in names("data")
    assert {"page/tradeoff.svg", "column/tradeoff.pdf"} <= set(names("figures"))
