"""A guess comes before the result, and nothing gives the result away."""

import math
from dataclasses import replace

import pytest

import prunelab as pl
from prunelab.lab.presets import PlannedRun
from prunelab.lab.worker.limits import Limits
from prunelab.results.tradeoff import LINES, Point
from prunelab.training import steps
from support.labs import LONG, QUICK, press, reached


def guessing(recipe=QUICK):
    """A lab whose dense network is trained, and which asks for a guess before each result."""
    lab = pl.Lab(recipe, measure=False)
    assert lab.wait(60)
    lab.switches["guess"].value = True
    return lab


def guess_run(lab):
    """Guess how a run ends, and pause it before its end."""
    lab.buttons["run"].click()
    lab.guess.button.click()
    reached(lab, lambda state: state.activity == "running" and state.snapshot.phase == "retraining")
    press(lab, "pause")


def test_a_guess_comes_before_the_result(lab):
    lab.switches["guess"].value = True
    assert "?" in lab.status.cards[0]["more"] and "if cut now" not in lab.panels["accuracy"].plot.summary
    lab.buttons["prune"].click()
    assert lab.state.snapshot.phase == "trained" and lab.guess.action == "prune"
    lab.guess.slider.value = 50.0
    lab.guess.button.click()
    lab.wait(60)
    now = 100 * lab.state.snapshot.test_accuracy
    assert lab.state.snapshot.phase == "pruned"
    assert lab.guess.result.value.startswith(f"You guessed 50.0 %, it is {now:.1f} %")
    lab.buttons["retrain"].click()
    lab.guess.cancel.click()
    assert lab.state.snapshot.phase == "pruned" and lab.guess.action is None
    lab.switches["guess"].value = False
    press(lab, "retrain")
    assert "guess=true" not in lab.link()


def test_nothing_tells_the_result_before_the_guess_is_answered():
    lab = guessing(QUICK.changed(retrain_epochs=10000))
    lab.choices["digits"].value = True
    assert lab.options.guess and lab.options.show == ("digits",)
    assert "before the guess" in lab.panels["digits"].plot.summary
    guess_run(lab)
    cards = {card["name"]: card["value"] for card in lab.status.cards}
    assert cards["accuracy"] == "?" and "No accuracy" in lab.panels["accuracy"].plot.summary
    warned = replace(lab.state, warning="This cut was deep: accuracy fell from 83.0 % to 10.0 %.")
    assert lab._page.visible(warned).words == ""
    press(lab, "reset")  # the result will not come
    cards = {card["name"]: card["value"] for card in lab.status.cards}
    assert cards["accuracy"].endswith("%") and not lab.guess.waits
    lab.stop()


@pytest.mark.parametrize("action", ["prune", "retrain", "run", "live"])
def test_a_guess_is_never_compared_with_the_network_before(action):
    lab = pl.Lab(QUICK.changed(quality=0.8, epochs=3, retrain_epochs=1), measure=False)
    assert lab.wait(60)
    if action == "retrain":
        press(lab, "prune")
    lab.switches["guess"].value = True
    results = []
    for quality in (0.8, 1.6, 1.6):  # the last cut cuts nothing
        lab.controls["quality"].value = quality
        assert lab.wait(60)
        lab.hand.press(action)
        assert lab.wait(60)
        lab.guess.button.click()
        assert lab.wait(60)
        results.append(lab.state.snapshot.test_accuracy)
        assert f"it is {100 * results[-1]:.1f} %" in lab.guess.result.value and not lab.guess.waits
    assert action == "retrain" or results[0] != results[1], "else the test tells nothing"
    lab.stop()


def test_a_run_that_is_loaded_from_elsewhere_is_no_answer():
    lab = guessing(QUICK.changed(retrain_epochs=10000))
    guess_run(lab)
    assert lab.guess.waits
    point = Point(
        line=LINES[0], recipe=QUICK.changed(rounds=1, retrain_epochs=1), cuts=(0.5,), kept=1, total=2, effective=None,
        gaussian=None, accuracy=0.9, dense=0.9,
    )  # fmt: skip
    lab.hand.submit("load", point)
    assert lab.wait(60) and not lab.guess.waits and lab.guess.result.value == ""
    lab.stop()


def test_a_run_that_failed_is_no_answer_and_hides_nothing_any_more(monkeypatch):
    lab = guessing()
    press(lab, "prune")
    lab.guess.button.click()
    assert lab.wait(60) and lab.guess.result.value != ""
    monkeypatch.setattr(steps, "training_step", lambda *_, **__: (math.nan, None))
    lab.buttons["retrain"].click()
    lab.guess.button.click()
    assert lab.wait(60) and "the loss became" in lab.state.trouble
    assert not lab.guess.waits and lab.guess.result.value == ""
    cards = {card["name"]: card["value"] for card in lab.status.cards}
    assert cards["accuracy"].endswith("%")
    lab.stop()


@pytest.mark.parametrize("why", ["the limits of a workshop", "controls that give no recipe"])
def test_a_run_that_is_refused_hides_nothing(why):
    lab = guessing()
    if why == "the limits of a workshop":
        lab._runner.limit(Limits(rounds=1))
        lab.buttons["run"].click()
    else:
        lab.buttons["run"].click()
        lab.controls["rewind"].value, lab.controls["rewind_epoch"].value = "weights", QUICK.epochs + 1
    assert lab.guess.action == "run"
    lab.guess.button.click()
    assert lab.wait(60) and lab.status.trouble != "" and lab.state.snapshot.phase == "trained"
    assert not lab.guess.waits
    assert lab.status.cards[0]["value"].endswith("%")
    lab.stop()


def test_what_cannot_be_pressed_cannot_be_revealed():
    lab = pl.Lab(QUICK.changed(retrain_epochs=10000), measure=False)
    assert lab.wait(60)
    lab.buttons["run"].click()
    reached(lab, lambda state: state.activity == "running" and state.snapshot.phase == "retraining")
    press(lab, "pause")
    lab.switches["guess"].value = True
    lab.buttons["prune"].click()
    assert lab.guess.action == "prune" and not lab.guess.button.disabled
    lab.buttons["pause"].click()  # the run goes on
    reached(lab, lambda state: state.activity == "running")
    assert lab.guess.button.disabled and lab.guess.button.tooltip == lab.buttons["prune"].tooltip
    lab.guess.button.click()
    press(lab, "pause")
    assert lab.state.snapshot.round == 1 and not lab.guess.waits, "the run is where it was"
    assert not lab.guess.button.disabled
    lab.stop()


@pytest.mark.parametrize("action", ["prune", "live"])
def test_a_comparison_is_not_ended_by_the_answer_to_a_question(action):
    lab = guessing()
    lab.hand.press(action)
    lab.hand.submit("compare", about=(PlannedRun(LONG, "long"),))
    reached(lab, lambda state: state.activity == "comparing" and state.recipe == LONG and state.snapshot.clock > 50)
    lab.guess.button.click()
    assert lab.guess.button.disabled and lab.guess.action == action and not lab.guess.waits
    press(lab, "reset")
    assert lab.state.snapshot.phase == "trained" and lab.guess.result.value == ""
    assert lab.status.cards[0]["value"].endswith("%")
    lab.stop()
