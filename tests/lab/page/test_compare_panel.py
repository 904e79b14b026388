"""Runs side by side: presets, and runs that are kept, named, pinned, hidden and removed."""

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.disk import claim
from prunelab.errors import ClaimedError
from prunelab.lab.worker.limits import Limits
from support.labs import QUICK, press, reached


def test_a_preset_runs_both_and_keeps_them_by_name(lab):
    panel = lab.panels["compare"]
    lab.choices["compare"].value = True
    panel.preset.value = "L1 or L2"
    assert "?" in panel.point.value, "it asks before it has seen anything"
    panel.button.click()
    assert lab.wait(60)
    assert [run.label for run in lab.state.runs] == ["L2", "L1"]
    assert "L1" in panel.plot.summary and "L2" in panel.plot.summary
    names = [row.children[0].description for row in panel.rows.children]
    assert names == ["L2", "L1"]
    shares = [f"{100 * run.snapshots[-1].test_accuracy:.1f} %" for run in lab.state.runs]
    assert all(share in panel.point.value for share in shares), "then it says what was seen"
    panel.rows.children[0].children[0].value = False
    assert "L2" not in panel.plot.summary
    panel.rows.children[0].children[1].click()
    lab.wait(60)
    assert lab.state.runs[0].pinned
    panel.pair.value = "pair"
    assert "Two runs" in panel.plot.summary, "one of the two is hidden"
    panel.rows.children[0].children[0].value = True
    assert "L1" in panel.plot.summary and "L2" in panel.plot.summary
    panel.rows.children[0].children[2].click()
    lab.wait(60)
    assert [run.label for run in lab.state.runs] == ["L1"]
    assert "?" in panel.point.value, "one run answers nothing"


def test_without_retraining_is_a_run_too(lab):
    panel = lab.panels["compare"]
    panel.preset.value = "with and without retraining"
    panel.button.click()
    assert lab.wait(60)
    without, rounds = lab.state.runs
    assert (without.label, rounds.label) == ("no retraining", "five rounds")
    assert {s.phase for s in without.snapshots[1:]} == {"pruned"} and len(without.snapshots) > 6
    assert without.snapshots[-1].kept == rounds.snapshots[-1].kept, "both end as thin"
    assert [s.density for s in without.snapshots] == sorted((s.density for s in without.snapshots), reverse=True)


def test_a_comparison_whose_runs_are_first_seen_together_stays_chosen(lab):
    """Two presets have a run of five rounds. A slow page, or one without the panel, sees none before the end."""
    panel = lab.panels["compare"]
    panel.compare("one shot or five rounds")
    assert lab.wait(60) and [run.label for run in lab.state.runs] == ["one shot", "five rounds"]
    lab.choices["compare"].value = True
    assert panel.preset.value == "one shot or five rounds"
    assert "one shot" in panel.plot.summary and "five rounds" in panel.plot.summary


def test_a_network_of_ones_own_is_offered_the_presets_that_fit_it(lab):
    assert len(lab.panels["compare"].preset.options) == 6
    own = pl.Lab(
        pl.Recipe(epochs=1, retrain_epochs=1), model=torch.nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), measure=False
    )
    assert own.wait(60)
    panel = own.panels["compare"]
    own.choices["compare"].value = True
    assert len(panel.preset.options) == 4 and panel.preset.value == "L1 or L2"
    panel.preset.value = panel.preset.options[2]
    panel.button.click()
    assert own.wait(60)
    assert [run.label for run in own.state.runs] == ["one shot", "five rounds"]
    own.stop()


def test_runs_that_are_left_are_kept(lab):
    press(lab, "run")
    press(lab, "run")
    assert len(lab.state.runs) == 1
    lab.controls["rounds"].value = 1
    press(lab, "run")
    lab.controls["regularizer"].value = "l1"
    press(lab, "train")
    assert [run.recipe.rounds for run in lab.state.runs] == [2, 1], "the same run twice is kept once"


def test_each_run_of_a_network_is_kept_and_the_same_one_once(lab):
    for quality in (0.5, 0.9, 0.5):
        press(lab, "reset")
        lab.controls["quality"].value = quality
        press(lab, "run")
    press(lab, "reset")
    assert [run.recipe.quality for run in lab.state.runs] == [0.5, 0.9]
    press(lab, "prune")  # at 0.5, by hand: another run
    press(lab, "reset")
    assert [len(run.snapshots) for run in lab.state.runs] == [5, 5, 2]
    assert len({run.snapshots[-1].kept for run in lab.state.runs}) == 3


def test_a_run_that_is_hidden_stays_hidden_when_it_is_kept_and_the_one_on_the_page_is_called_so(lab):
    lab.choices["compare"].value = True
    panel = lab.panels["compare"]
    press(lab, "run")
    (row,) = panel.rows.children
    assert row.children[0].description == "run (on the page)" and len(row.children) == 1
    row.children[0].value = False
    assert "Nothing to compare" in panel.plot.summary
    press(lab, "reset")
    (row,) = panel.rows.children
    assert row.children[0].description == "run" and not row.children[0].value
    assert "Nothing to compare" in panel.plot.summary
    row.children[0].value = True
    assert "Nothing to compare" not in panel.plot.summary
    row.children[2].click()
    assert lab.wait(60) and panel.rows.children == () and lab.state.runs == ()


def test_after_a_comparison_the_network_from_before_is_back_and_goes_on(lab):
    press(lab, "prune")
    press(lab, "retrain")
    mine = lab.state.snapshot.scalars()
    lab.presets.children[1].click()
    assert lab.wait(60)
    assert lab.options.shows("compare") and lab.panels["compare"].preset.value == "L1 or L2"
    assert [run.label for run in lab.state.runs] == [None, "L2", "L1"], "the run from before is kept, too"
    assert lab.state.snapshot.scalars() == mine and lab.state.activity == "ready"
    summary = lab.panels["compare"].plot.summary
    assert "L2" in summary and "L1" in summary and summary.count("right") <= 2, "a picture of its own"
    press(lab, "prune")
    assert lab.state.snapshot.round == 2


def test_a_comparison_that_is_given_up_brings_the_network_back_first(lab):
    lab.controls["quality"].value = 1.0
    press(lab, "prune")
    mine = lab.session
    lab.panels["compare"].button.click()
    reached(lab, lambda s: s.activity == "comparing" and s.snapshot.phase == "training")
    lab.buttons["pause"].click()
    reached(lab, lambda s: s.activity == "paused")
    assert lab.session is not mine
    press(lab, "reset")
    assert lab.session is mine and (lab.state.snapshot.phase, lab.state.snapshot.round) == ("pruned", 1)
    press(lab, "run")
    assert lab.session is mine and (lab.state.snapshot.phase, lab.state.snapshot.round) == ("retrained", 2)


@pytest.mark.parametrize("paused", [False, True])
def test_a_comparison_says_so_and_is_left_by_one_press(lab, paused):
    lab.controls["quality"].value = 1.0
    press(lab, "prune")
    press(lab, "retrain")
    lab.choices["compare"].value = True
    mine, before = lab.session, lab.state
    lab.panels["compare"].button.click()
    reached(lab, lambda s: s.activity == "comparing" and s.snapshot.phase == "training")
    assert lab.status.text.startswith("comparing: L2, 1 of 2 · training")
    assert lab.panels["compare"].plot.summary.startswith("This comparison is being made")
    if paused:
        lab.buttons["pause"].click()
        reached(lab, lambda s: s.activity == "paused")
        assert lab.wait(60)
        assert lab.status.text.startswith("comparing: L2, 1 of 2 · paused")
        assert lab.buttons["train"].description == "Train"
    for name in ("train", "prune", "retrain", "run", "measure"):
        assert lab.buttons[name].disabled
        assert lab.buttons[name].tooltip == (
            "A comparison is paused: resume or stop it" if paused else "Pause the run first"
        )
    stop = lab.buttons["reset"]
    assert (stop.description, stop.disabled) == ("Stop", False) and "your network comes back" in stop.tooltip
    press(lab, "reset")
    assert lab.session is mine and lab.state.comparing == "" and lab.state.activity == "ready"
    assert lab.state.snapshot.scalars() == before.snapshot.scalars() and lab.state.history == before.history
    assert (stop.description, lab.status.text) == ("Reset", "ready")


@pytest.mark.parametrize("paused", [False, True])
def test_a_comparison_is_not_given_up_for_a_scan_or_a_curve(lab, paused):
    panels = lab.panels
    lab.choices["sensitivity"].value = lab.choices["tradeoff"].value = True
    buttons = (panels["sensitivity"].button, panels["sensitivity"].use, panels["tradeoff"].button)
    assert [button.disabled for button in buttons] == [False, True, False]
    lab.presets.children[1].click()
    reached(lab, lambda s: s.activity == "comparing" and s.snapshot.phase == "training")
    if paused:
        press(lab, "pause")
    assert all(button.disabled for button in (*buttons, panels["tradeoff"].load))
    for button in buttons[:2]:
        assert button.tooltip == lab.buttons["measure"].tooltip
    panels["tradeoff"]._clicked(0)
    assert lab.state.comparing
    press(lab, "reset")
    assert not buttons[0].disabled and not buttons[2].disabled


def test_a_comparison_that_fails_brings_the_network_back(lab, monkeypatch):
    press(lab, "prune")
    mine = lab.session
    monkeypatch.setattr("prunelab.sessions.trainer.Trainer.advance", failing)
    lab.panels["compare"].button.click()
    assert lab.wait(60)
    assert "the disk is full" in lab.state.trouble and lab.session is mine and lab.state.comparing == ""
    assert lab.state.snapshot.phase == "pruned"


def failing(*_):
    raise RuntimeError("the disk is full")
    yield


def test_a_comparison_leaves_the_folder_of_a_saved_session_alone(tmp_path):
    lab = pl.Lab(QUICK, directory=tmp_path / "mine")
    assert lab.wait(60)
    press(lab, "prune")
    mine, dense = lab.session, (tmp_path / "mine" / "dense" / "session.json").read_bytes()
    lab.panels["compare"].button.click()
    reached(lab, lambda s: s.activity == "comparing" and s.snapshot.phase == "training")
    with pytest.raises(ClaimedError):
        claim(tmp_path / "mine", patience=0.0)
    assert lab.wait(60) and [run.label for run in lab.state.runs][-2:] == ["L2", "L1"]
    assert lab.session is mine and lab.state.trouble is None
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["mine"], "nothing of it is saved"
    assert (tmp_path / "mine" / "dense" / "session.json").read_bytes() == dense
    lab.stop()
    assert pl.Session.load(tmp_path / "mine").snapshot().scalars() == mine.snapshot().scalars()


def test_a_comparison_that_is_refused_ends_nothing_that_runs(lab):
    lab._runner.limit(Limits(epochs=50))
    lab.controls["retrain_epochs"].value = 49
    lab.buttons["run"].click()
    reached(lab, lambda s: s.activity == "running" and s.snapshot.phase == "retraining")
    lab.buttons["pause"].click()
    reached(lab, lambda s: s.activity == "paused")
    mine = lab.session
    lab.panels["compare"].compare("one shot or five rounds")
    assert lab.wait(60)
    assert "at most 50" in lab.state.trouble and lab.session is mine
    assert lab.state.activity == "paused" and lab.buttons["pause"].description == "Resume"
