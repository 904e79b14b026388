"""What goes wrong: words in the banner, and a lab that goes on."""

import pytest

import prunelab as pl
from prunelab.lab.worker.limits import Limits
from prunelab.sessions import pruned_model
from support.labs import LONG, QUICK, press, reached, usable
from support.messages import say


def test_a_layer_about_to_lose_everything_is_a_warning_in_view(lab):
    lab.controls["quality"].max = 10
    lab.controls["quality"].value = 10
    lab.wait(60)
    assert "would lose every connection" in lab.status.trouble
    press(lab, "prune")
    assert "strongest one was kept" in lab.status.trouble and lab.state.snapshot.kept >= 3
    lab.controls["quality"].value = 1.5  # at 10 a fresh network would be warned of as well, and rightly
    usable(lab)


def test_a_diverging_run_is_told_and_the_lab_goes_on():
    lab = pl.Lab(pl.Recipe(model="lenet-5", learning_rate=10.0, epochs=50, regularizer="none"))
    lab.wait(60)
    assert "the loss became" in lab.status.trouble and lab.state.activity == "ready"
    lab.controls["learning_rate"].value = 0.05
    lab.controls["epochs"].value = 1
    usable(lab)
    lab.stop()


def test_a_model_that_fails_wherever_it_is_looked_at_is_told_and_the_runner_lives(lab, monkeypatch):
    def broken(*_, **__):
        raise ArithmeticError("no histogram of this")

    monkeypatch.setattr(pruned_model, "histograms", broken)
    press(lab, "prune")
    assert "no histogram of this" in lab.status.trouble and "cannot be shown either" in lab.status.trouble
    monkeypatch.undo()
    usable(lab)


@pytest.mark.parametrize(("broken", "words"), [
    (lambda state: state.snapshot.test_accuracy, "AttributeError: 'NoneType' object has no attribute"),
    (lambda state: {"training": 1}[state.activity], "KeyError: "),
])  # fmt: skip
def test_a_function_of_on_state_that_fails_is_told_and_the_lab_goes_on(broken, words):
    lab = pl.Lab(QUICK, measure=False, start=False)
    seen = []
    lab.on_state(broken)
    lab.on_state(lambda state: seen.append(state.activity))
    lab.start()
    assert lab.wait(60) and lab.state.activity == "ready" and lab.state.trouble is None
    assert words in lab.status.trouble and "on_state" in lab.status.trouble
    assert seen[0] == "starting" and seen[-1] == "ready", "the others are called all the same"
    press(lab, "prune")
    assert lab.state.snapshot.phase == "pruned"
    lab.stop()


def test_markup_in_a_message_travels_as_plain_text(lab):
    lab.follow("model=<img src=x onerror=alert(1)>")
    assert "<img" in lab.status.trouble, "text, for the browser to show with textContent"


def test_what_the_page_says_goes_with_its_cause(presence_clock):
    lab = pl.Lab(LONG, measure=False)
    reached(lab, lambda r: r.snapshot is not None)
    say(lab.status, {"kind": "here", "view": "a"})
    say(lab.status, {"kind": "gone", "view": "a"})
    presence_clock.now = 61.0
    reached(lab, lambda r: r.activity == "paused")
    assert "nobody was looking" in lab.status.trouble
    say(lab.status, {"kind": "here", "view": "b"})
    lab.buttons["pause"].click()
    reached(lab, lambda r: r.activity == "training" and r.notice is None)
    press(lab, "pause")
    assert lab.status.trouble == ""
    lab.controls["batch_norm"].value = True
    lab.controls["batch_size"].value = 1
    lab.buttons["train"].click()
    assert "single samples" in lab.status.trouble
    lab.controls["batch_size"].value = 32
    lab.controls["quality"].value = 0.35
    assert lab.wait(60) and lab.status.trouble == ""
    lab.stop()


def of_a_cut_too_deep(lab):
    lab.controls["quality"].value = 2.9
    assert lab.wait(60)
    press(lab, "prune")
    return "would have lost every connection" if "strongest" in lab.status.trouble else "This cut was deep"


def of_a_cut_to_come(lab):
    lab.controls["quality"].value = 10.0
    assert lab.wait(60)
    return "would lose every connection"


def of_what_layers_can_bear(lab):
    panel = lab.panels["sensitivity"]
    for button in (panel.button, panel.use):
        button.click()
        assert lab.wait(60)
    return "These qualities keep"


def of_a_pause(lab):
    lab._runner.limit(Limits(seconds=1))
    lab.controls["epochs"].value = 10000
    lab.buttons["train"].click()
    assert lab.wait(60) and lab.state.activity == "paused"
    lab._runner.limit(Limits())
    lab.controls["epochs"].value = 3
    return "Press Resume to go on"


def another_quality(lab):
    lab.layers.own, lab.controls["quality"].value = {}, 0.4
    assert lab.wait(60)


def pressed(name):
    return lambda lab: lab.buttons[name].click()


@pytest.mark.parametrize(
    ("said", "done"),
    [
        (of_a_cut_too_deep, pressed("retrain")),
        (of_a_cut_too_deep, pressed("run")),
        (of_a_cut_too_deep, pressed("reset")),
        (of_a_cut_to_come, pressed("run")),
        (of_what_layers_can_bear, another_quality),
        (of_what_layers_can_bear, pressed("train")),
        (of_a_pause, pressed("reset")),
        (of_a_pause, pressed("train")),
    ],
)
def test_what_is_said_of_a_network_or_a_cut_ends_with_it(lab, said, done):
    lab.controls["retrain_epochs"].value = 3
    words, after = said(lab), []
    assert words in lab.status.trouble
    lab.on_state(lambda state: after.append(state.words))  # and at once the state as it is
    after.clear()
    done(lab)
    assert lab.wait(60) and after
    assert [text for text in after if words in text] == []


def test_a_pause_is_told_while_a_slider_moves(lab):
    words = of_a_pause(lab)
    lab.controls["quality"].value = 0.4
    assert lab.wait(60) and lab.state.activity == "paused" and words in lab.status.trouble
