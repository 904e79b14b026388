"""A run that is paused waits for what passes over it: a measurement, a scan, a curve, a comparison, a reload."""

from __future__ import annotations

import pytest

import prunelab as pl
from prunelab.lab.messages import LabState
from prunelab.lab.presets import PlannedRun
from support.labs import LONG, QUICK, address, press, reached
from support.sessions import same

RECIPE = QUICK.changed(epochs=12, retrain_epochs=12, dropout=0.2)
SHORT = (PlannedRun(QUICK, "short"),)


def training(lab: pl.Lab) -> None:
    """Pause within the training of the dense network."""
    lab.controls["epochs"].value = RECIPE.epochs
    paused(lab, "train", "training")


def retraining(lab: pl.Lab) -> None:
    press(lab, "prune")
    paused(lab, "retrain", "retraining")


def running(lab: pl.Lab) -> None:
    paused(lab, "run", "retraining")


def paused(lab: pl.Lab, button: str, phase: str) -> None:
    lab.buttons[button].click()
    reached(lab, lambda r: r.snapshot is not None and r.snapshot.phase == phase and r.snapshot.step > 3)
    press(lab, "pause")


def comparing(state: LabState) -> bool:
    return state.activity == "comparing" and state.comparing != ""


def measured(lab: pl.Lab) -> None:
    press(lab, "measure")
    assert lab.state.measurement.progress == 1


def scanned(lab: pl.Lab) -> None:
    lab.panels["sensitivity"].button.click()
    assert lab.wait(60) and lab.state.sensitivity.complete


def measured_while_scanned(lab: pl.Lab) -> None:
    lab.panels["sensitivity"].button.click()
    measured(lab)


def curve_stopped(lab: pl.Lab) -> None:
    lab.panels["tradeoff"].button.click()
    reached(lab, lambda r: r.activity == "tracing")
    lab.panels["tradeoff"].halt.click()
    assert lab.wait(60)


def compared(lab: pl.Lab) -> None:
    lab.hand.submit("compare", about=SHORT)
    assert lab.wait(60) and lab.state.runs[-1].label == "short"


def comparison_stopped(lab: pl.Lab) -> None:
    lab.hand.submit("compare", about=(PlannedRun(LONG, "long"),))
    reached(lab, comparing)
    press(lab, "reset")


def comparison_paused_and_another_one(lab: pl.Lab) -> None:
    lab.hand.submit("compare", about=(PlannedRun(LONG, "long"),))
    reached(lab, comparing)
    press(lab, "pause")
    compared(lab)


@pytest.fixture
def lab():
    lab = pl.Lab(RECIPE.changed(epochs=2))
    assert lab.wait(60)
    yield lab
    lab.stop()


@pytest.mark.parametrize("within", [training, retraining, running])
@pytest.mark.parametrize(
    "passed",
    [
        measured,
        scanned,
        measured_while_scanned,
        curve_stopped,
        compared,
        comparison_stopped,
        comparison_paused_and_another_one,
    ],
)
def test_it_is_there_again_and_goes_on_as_if_nothing_had_been(lab, within, passed):
    within(lab)
    before = lab.state
    passed(lab)
    now = lab.state
    assert now.activity == "paused" and lab.buttons["pause"].description == "Resume" and not now.comparing
    assert now.snapshot.scalars() == before.snapshot.scalars() and len(now.history) == len(before.history)
    assert now.progress == pytest.approx(before.progress, abs=0.1) and lab.status.text.startswith("paused ")
    press(lab, "pause")
    assert lab.state.activity == "ready"
    expected = pl.Session(lab.session.recipe)
    expected.finish("train")
    if within is retraining:
        expected.prune(expected.recipe.final_target)
        expected.finish("retrain")
    elif within is running:
        expected.finish("run")
    same(lab.session, expected)


@pytest.mark.parametrize("left", [measured, compared])
def test_a_reload_brings_both_back(visitor_of, left):
    lab = visitor_of(LONG.to_query())
    reached(lab, lambda r: r.snapshot is not None and r.snapshot.clock > 20)
    press(lab, "pause")
    at = lab.session.clock
    if left is compared:
        lab.hand.submit("compare", about=(PlannedRun(RECIPE, "mine"),))
        reached(lab, comparing)
    else:
        lab.buttons["measure"].click()
        reached(lab, lambda r: r.activity == "measuring")
    lab.stop()
    again = visitor_of(address(lab, LONG.to_query()))
    assert again.wait(60) and again.state.activity == "paused" and again.session.clock == at
    if left is compared:
        assert [run.label for run in again.state.runs] == ["mine"]
    again.buttons["pause"].click()
    reached(again, lambda r: r.snapshot.clock > at + 20)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("within", [None, retraining])
def test_a_link_that_is_followed_during_a_comparison_brings_back_the_network(lab, held, within):
    if within is not None:
        within(lab)
    before = lab.state.snapshot
    lab.hand.submit("compare", about=(PlannedRun(LONG, "long"),))
    reached(lab, comparing)
    if held:
        press(lab, "pause")
    lab.follow(lab.recipe.changed(quality=0.73).to_query())
    assert lab.wait(60)
    state = lab.state
    assert (state.activity, state.comparing) == ("ready" if within is None else "paused", "")
    assert state.snapshot.scalars() == before.scalars() and lab.recipe.quality == 0.73
    assert state.preview is None or state.preview.quality == 0.73


@pytest.mark.parametrize("what", ["a run", "a paused run", "a comparison", "nothing"])
def test_a_picture_that_fails_ends_nothing(lab, what, monkeypatch):
    if what == "a comparison":
        lab.hand.submit("compare", about=(PlannedRun(LONG, "long"),))
        reached(lab, comparing)
    elif what != "nothing":
        training(lab) if what == "a paused run" else None
        if what == "a run":
            lab.controls["epochs"].value = LONG.epochs
            lab.buttons["train"].click()
            reached(lab, lambda r: r.activity == "training" and r.snapshot.clock > 3)
    activity, clock = lab.state.activity, lab.state.snapshot.clock

    def broken(*_, **__):
        raise ValueError("only one class among these samples")

    with monkeypatch.context() as patch:
        patch.setattr(pl.Session, "preview", broken)
        lab.controls["quality"].value = 1.7
        reached(lab, lambda r: r.trouble is not None)
    state = lab.state
    assert (state.activity, state.trouble, state.preview) == (activity, "only one class among these samples", None)
    if what in ("a run", "a comparison"):
        reached(lab, lambda r: r.snapshot.clock > clock + 50)
        press(lab, "pause")
    elif what == "a paused run":
        press(lab, "pause")
        assert lab.state.snapshot.phase == "trained"
    lab.controls["quality"].value = 1.8
    assert lab.wait(60) and lab.state.preview.quality == 1.8


def test_a_measurement_that_fails_leaves_the_run_paused(lab, monkeypatch):
    retraining(lab)
    before = lab.state.snapshot

    def broken(*_, **__):
        raise ValueError("no clock")
        yield

    monkeypatch.setattr("prunelab.sparse.measuring.measure.stream", broken)
    press(lab, "measure")
    assert lab.state.activity == "paused" and lab.state.trouble == "no clock"
    assert lab.state.snapshot.scalars() == before.scalars()
    press(lab, "pause")
    assert lab.state.snapshot.phase == "retrained"
