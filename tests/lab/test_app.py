"""The lab without a browser: hands on controls, commands, reports, pictures; in a script, where there is no loop."""

import pytest

import prunelab as pl
from prunelab.lab.page import downloads
from prunelab.lab.widgets.shared_looks import is_shown
from support.labs import LONG, QUICK, press, reached
from support.messages import say


def test_it_opens_on_a_trained_network_and_shows_what_the_slider_would_cut(lab):
    assert (lab.state.activity, lab.state.snapshot.phase) == ("ready", "trained")
    assert lab.state.preview.quality == QUICK.quality
    assert "if cut now" in lab.status.cards[0]["more"] and lab.status.trouble == ""


def test_drag_prune_retrain_and_repeat_tell_the_story(lab):
    lab.controls["quality"].value = 2.0
    lab.wait(60)
    preview = lab.state.preview
    press(lab, "prune")
    assert lab.state.snapshot.test_accuracy == preview.test_accuracy and lab.state.snapshot.kept == preview.kept
    assert lab.state.preview is None
    press(lab, "retrain")
    assert lab.state.snapshot.phase == "retrained" and lab.state.snapshot.zeros_hold
    press(lab, "run")
    assert (lab.state.snapshot.phase, lab.state.snapshot.round) == ("retrained", 2)
    press(lab, "run")
    assert lab.state.snapshot.round == 2, "a finished run starts again from the dense network"
    press(lab, "reset")
    assert lab.state.snapshot.phase == "trained" and lab.state.snapshot.density == 1


def test_what_the_lab_does_is_what_a_session_does(lab):
    press(lab, "run")
    session = pl.Session(QUICK)
    for _ in session:
        pass
    assert lab.state.snapshot.scalars() == session.snapshot().scalars()


def test_pause_holds_and_resume_goes_on():
    lab = pl.Lab(LONG)
    reached(lab, lambda r: r.snapshot is not None and r.snapshot.clock > 20)
    press(lab, "pause")
    at = lab.state.snapshot.clock
    assert lab.state.activity == "paused" and lab.buttons["pause"].description == "Resume"
    assert lab.session.clock >= at
    lab.buttons["pause"].click()
    reached(lab, lambda r: r.snapshot.clock > at + 20)
    press(lab, "pause")
    press(lab, "prune")
    assert lab.state.snapshot.phase == "pruned", "a paused network can be pruned by hand"
    lab.stop()


def test_a_slider_moved_during_training_previews_and_training_goes_on():
    lab = pl.Lab(LONG)
    reached(lab, lambda r: r.snapshot is not None)
    at = lab.state.snapshot.clock
    lab.controls["quality"].value = 0.5
    reached(lab, lambda r: r.preview is not None and r.preview.quality == 0.5 and r.preview.clock > at + 20)
    assert lab.state.activity == "training"
    lab.stop()


def test_reset_ends_a_run(lab):
    lab.controls["retrain_epochs"].value = 10000
    press(lab, "prune")
    lab.buttons["retrain"].click()
    reached(lab, lambda r: r.activity == "retraining")
    lab.buttons["reset"].click()
    assert lab.wait(60) and lab.state.snapshot.phase == "trained"


def test_new_training_settings_are_announced_and_take_a_new_network(lab):
    lab.controls["regularizer"].value = "l1"
    assert lab.buttons["train"].description == "Train with new settings"
    press(lab, "prune")
    assert lab.session.recipe.regularizer == "l2", "pruning goes on with the network on the page"
    press(lab, "train")
    assert lab.session.recipe.regularizer == "l1" and lab.state.snapshot.density == 1
    assert lab.buttons["train"].description == "Train"


def test_waiting_ends_when_the_lab_has_ended(lab):
    lab.stop()
    lab.buttons["prune"].click()
    assert lab.wait(60)


def test_a_run_that_has_ended_is_measured_and_a_change_makes_the_figures_go():
    lab = pl.Lab(QUICK)
    lab.wait(60)
    assert lab.state.measurement is None and "Nothing measured" in lab.panels["size"].plot.summary
    press(lab, "run")
    found = lab.state.measurement
    assert found.progress == 1.0 and found.kept == lab.state.snapshot.kept
    assert "smaller" in lab.panels["size"].plot.summary and "batch 64" in lab.panels["speed"].plot.summary
    press(lab, "reset")
    assert lab.state.measurement is None
    press(lab, "measure")
    assert lab.state.measurement.kept == lab.state.measurement.total
    lab.stop()


def test_after_a_comparison_the_figures_of_the_own_network_are_there_again():
    lab = pl.Lab(QUICK)
    lab.wait(60)
    press(lab, "run")
    found, card = lab.state.measurement, lab.panels["size"].plot.summary
    lab.presets.children[1].click()
    reached(lab, lambda state: state.activity == "comparing" and state.measurement is None)
    assert lab.wait(120) and lab.state.measurement is found
    assert lab.panels["size"].plot.summary == card
    press(lab, "prune")
    assert lab.state.measurement is None
    lab.stop()


@pytest.mark.parametrize("cut", [False, True], ids=["dense", "cut"])
@pytest.mark.parametrize("left", ["at its end", "by Stop"])
def test_a_slider_that_is_moved_during_a_comparison_is_what_the_page_shows_afterwards(cut, left):
    lab = pl.Lab(QUICK, measure=False)
    assert lab.wait(60)
    if cut:
        press(lab, "prune")
    lab.presets.children[1].click()
    reached(lab, lambda state: state.activity == "comparing" and state.comparing)
    lab.controls["quality"].value = 2.0
    if left == "by Stop":
        lab.buttons["reset"].click()
    assert lab.wait(120) and lab.state.preview.target.quality == 2.0
    would = lab.session.preview(2.0)
    assert lab.state.preview.kept == would.kept
    assert lab.status.cards[1]["more"] == f"{100 * would.density:.1f} % if cut now"
    lab.stop()


def test_a_run_that_nobody_watches_pauses_itself(presence_clock):
    lab = pl.Lab(LONG)
    reached(lab, lambda r: r.snapshot is not None)
    say(lab.status, {"kind": "here", "view": "a"})
    say(lab.status, {"kind": "gone", "view": "a"})
    say(lab.status, {"kind": ["nonsense"], "view": {}})
    presence_clock.now = 61.0
    assert lab.wait(60) and lab.state.activity == "paused" and "nobody was looking" in lab.status.trouble
    say(lab.status, {"kind": "here", "view": "b"})
    lab.buttons["pause"].click()
    reached(lab, lambda r: r.activity == "training")
    lab.stop()


def test_whole_neurons_can_be_cut_to_a_density_which_makes_the_compacted_network_smaller(lab):
    lab.controls["rule"].value = "density"
    assert not is_shown(lab.controls["quality"]) and is_shown(lab.controls["density"])
    lab.controls["unit"].value = "neuron"
    lab.controls["density"].value = 0.5
    lab.wait(60)
    would = lab.state.preview.kept
    press(lab, "prune")
    assert lab.state.snapshot.kept == would and lab.state.snapshot.dead == 48, "half of 64 and 32 neurons"
    compacted = pl.sparse.compact(lab.session.model, lab.session.data.test_x[:4])
    assert sum(p.numel() for p in compacted.parameters()) < 0.55 * sum(
        p.numel() for p in lab.session.model.parameters()
    )
    lab.controls["rule"].value = "quality"
    lab.wait(60)
    assert lab.recipe.unit == "weight" and not is_shown(lab.controls["unit"])


def test_what_is_set_after_a_run_belongs_to_the_next(lab):
    lab.controls["quality"].value = 0.8
    press(lab, "run")
    before = downloads.make("python", lab.state, lab.session).content
    lab.controls["quality"].value = 2.0
    lab.controls["rounds"].value = 7
    lab.controls["retrain_epochs"].value = 9
    assert lab.wait(60)
    assert downloads.make("python", lab.state, lab.session).content == before
    assert "quality=0.8" in before.decode() and b"rounds=7" not in before
    text = downloads.make("report", lab.state, lab.session).content.decode()
    assert "rising from 0.4 to 0.8" in text and "quality=2" not in text
    assert lab.state.preview.quality == 2.0 and lab.state.preview.recipe.rounds == 7
    press(lab, "reset")
    assert [run.recipe.rounds for run in lab.state.runs] == [2]
    press(lab, "run")
    assert lab.state.recipe.rounds == 7


def test_a_run_goes_by_what_it_began_with():
    lab = pl.Lab(LONG.changed(epochs=1, rounds=1), measure=False)
    assert lab.wait(60)
    lab.controls["retrain_epochs"].value = 10000
    lab.buttons["run"].click()
    reached(lab, lambda r: r.activity == "running" and r.snapshot.phase == "retraining")
    lab.controls["quality"].value = 0.3
    reached(lab, lambda r: r.preview is not None and r.preview.quality == 0.3)
    assert lab.state.recipe.quality == LONG.quality and lab.state.snapshot.recipe.quality == LONG.quality
    lab.stop()
