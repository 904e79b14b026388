"""The switch "live": letting go of a slider retrains from the dense network, through all rounds."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.lab import wording
from prunelab.lab.page import live
from prunelab.lab.presets import PlannedRun
from prunelab.lab.worker import shown_session, step_time
from prunelab.lab.worker.tasks import Task
from prunelab.sessions.dense_cache import DenseCache
from support.labs import LONG, QUICK, press, reached
from support.sessions import same


def let_go(lab, name, value):
    lab.controls[name].value = value
    lab.controls[name].released()


def done_by_a_session(recipe):
    session = pl.Session(recipe)
    for _ in session:
        pass
    return session.snapshot().scalars()


def test_off_a_slider_that_is_let_go_only_shows_the_cut(lab):
    let_go(lab, "quality", 2.0)
    assert lab.wait(60)
    assert lab.state.snapshot.phase == "trained" and lab.state.preview.quality == 2.0


@pytest.mark.parametrize("change", [{"quality": 1.0}, {"rounds": 3}])
def test_on_the_whole_run_is_done_as_a_session_does_it_again_and_again(lab, change):
    lab.live.switch.value = True
    (name, value), *_ = change.items()
    for _ in range(2):  # from the dense network each time, not from where the last one ended
        let_go(lab, name, value)
        assert lab.wait(60)
        assert lab.state.snapshot.scalars() == done_by_a_session(QUICK.changed(**change))
    assert lab.state.trouble is None


def test_a_newer_move_supersedes_the_run_that_is_under_way_and_no_scrap_of_it_is_kept():
    lab = pl.Lab(QUICK.changed(retrain_epochs=10000, rounds=2))
    assert lab.wait(60)
    lab.live.switch.value = True
    let_go(lab, "quality", 1.0)
    reached(lab, lambda s: s.activity == "running" and s.snapshot.phase == "retraining" and s.snapshot.quality == 0.5)
    lab.controls["retrain_epochs"].value = 2
    let_go(lab, "quality", 2.0)
    assert lab.wait(60)
    assert lab.state.snapshot.scalars() == done_by_a_session(QUICK.changed(quality=2.0))
    assert not lab.state.runs, "a run that was left in the middle says nothing beside whole ones"
    let_go(lab, "quality", 0.8)
    assert lab.wait(60)
    assert [run.recipe.quality for run in lab.state.runs] == [2.0]


def test_a_move_in_the_middle_of_dense_training_trains_on_and_then_runs():
    lab = pl.Lab(LONG.changed(epochs=30, retrain_epochs=2, rounds=2))
    reached(lab, lambda s: s.snapshot is not None and s.snapshot.clock > 10)
    lab.live.switch.value = True
    let_go(lab, "quality", 1.0)
    assert lab.wait(60)
    recipe = pl.Recipe(model="mlp-small", epochs=30, retrain_epochs=2, rounds=2, quality=1.0)
    assert lab.state.snapshot.scalars() == done_by_a_session(recipe)


@pytest.mark.parametrize("paused", [False, True])
def test_a_slider_that_is_let_go_during_a_comparison_is_told_that_it_starts_no_run(lab, paused):
    lab.live.switch.value = True
    lab.hand.submit("compare", about=(PlannedRun(LONG, "long"),))
    reached(lab, lambda state: state.activity == "comparing" and state.snapshot.clock > 10)
    if paused:
        lab.buttons["pause"].click()
        assert lab.wait(60)
    let_go(lab, "quality", 2.0)
    reached(lab, lambda state: state.notice == wording.WAITS_FOR_COMPARISON)
    assert lab.state.comparing and lab.state.activity == ("paused" if paused else "comparing")
    assert lab.live.hint.value == "letting go only shows the cut"
    lab.buttons["reset"].click()
    assert lab.wait(60) and wording.WAITS_FOR_COMPARISON not in lab.status.trouble
    assert lab.live.hint.value.startswith("letting go retrains")
    let_go(lab, "quality", 2.0)
    assert lab.wait(60) and lab.state.snapshot.phase == "retrained"


def test_a_guess_about_a_run_that_a_comparison_refuses_does_not_wait_for_its_result(lab):
    lab.switches["guess"].value = True
    lab.hand.submit("compare", about=(PlannedRun(LONG, "long"),))
    reached(lab, lambda state: state.activity == "comparing" and state.snapshot.clock > 10)
    lab.guess.due = ("live", 90.0)  # answered at the moment when the comparison began
    lab.hand.submit("live")
    reached(lab, lambda state: state.notice == wording.WAITS_FOR_COMPARISON)
    lab.buttons["reset"].click()
    assert lab.wait(60) and not lab.guess.waits


def test_a_layers_own_slider_retrains_too(lab):
    lab.live.switch.value = True
    lab.layers.sliders["fc1"].value = 0.5
    lab.layers.sliders["fc1"].released()
    assert lab.wait(60)
    assert lab.state.snapshot.phase == "retrained" and lab.state.snapshot.recipe.layer_quality == (("fc1", 0.5),)


def test_with_guess_first_the_result_is_asked_for_before_the_run(lab):
    lab.switches["guess"].value = True
    lab.live.switch.value = True
    let_go(lab, "quality", 1.0)
    assert lab.wait(60)
    assert lab.state.snapshot.phase == "trained" and lab.guess.question.value.endswith("all rounds are over?")
    lab.guess.button.click()
    assert lab.wait(60)
    assert lab.state.snapshot.phase == "retrained" and lab.guess.result.value.startswith("You guessed 90.0 %")


def test_a_link_switches_it_on_and_says_so_again():
    lab = pl.Lab(QUICK)
    lab.follow("live&quality=1")
    assert lab.wait(60)
    assert lab.live.switch.value and "live=true" in lab.link()
    press(lab, "prune")
    assert lab.state.snapshot.phase == "pruned", "the buttons do single steps all the same"


def test_the_words_beside_the_switch_say_how_long_a_run_takes(lab):
    assert live.hint(False, 60.0) == "letting go only shows the cut"
    assert live.hint(True, None) == live.hint(True, 2.0) == "letting go retrains"
    assert live.hint(True, 40.0) == "letting go retrains, 40 s"
    known, steps = replace(lab.state, step_seconds=0.03), lab.session.steps_left("run")
    assert live.seconds(lab.controls, known) == pytest.approx(steps * 0.03)
    assert live.seconds(lab.controls, replace(lab.state, step_seconds=None)) is None


def from_the_cache(tmp_path, recipe):
    """A lab on whose page nothing was trained."""
    cache = DenseCache(tmp_path)
    if cache.find(recipe) is None:
        session = pl.Session(recipe)
        session.finish("train")
        cache.keep(session.state(), recipe)
    lab = pl.Lab(recipe, measure=False, start=False)
    lab._opener.cache = cache
    lab.start()
    assert lab.wait(60) and lab.state.snapshot.phase == "trained"
    return lab


def test_the_words_say_how_long_a_run_takes_where_the_dense_network_came_from_the_cache(tmp_path):
    lab = from_the_cache(tmp_path, QUICK.changed(retrain_epochs=10000))
    lab.live.switch.value = True
    assert lab.live.hint.value.startswith("letting go retrains, "), lab.state.step_seconds
    assert live.seconds(lab.controls, lab.state) > live.QUICK


@pytest.mark.parametrize("changes", [{}, {"optimizer": "adam", "regularizer": "l1", "batch_norm": True}])
def test_the_trial_of_a_step_changes_nothing(tmp_path, monkeypatch, changes):
    recipe = QUICK.changed(dropout=0.3, **changes)
    timed = from_the_cache(tmp_path, recipe)
    assert timed.state.step_seconds is not None
    assert all(p.grad is None for p in timed.session.model.parameters())
    random = torch.get_rng_state()
    assert step_time.step_seconds(timed.session) is not None
    assert torch.equal(torch.get_rng_state(), random)
    monkeypatch.setattr(shown_session, "step_seconds", lambda session: None)
    plain = from_the_cache(tmp_path, recipe)
    assert plain.state.step_seconds is None
    same(timed.session, plain.session)
    for lab in (timed, plain):
        press(lab, "run")
    same(timed.session, plain.session)


def test_the_trial_stops_in_time_and_knows_the_time_of_a_slow_step(monkeypatch):
    session = pl.Session(QUICK)
    for each, expected in ((0.001, step_time.MOST + 1), (0.04, 3), (0.3, 2), (5.0, 1)):
        now, done = [0.0], []

        def step(*_, each=each, now=now, done=done, **__):
            now[0] += each + (0.01 if not done else 0)  # the first one warms up
            done.append(each)

        monkeypatch.setattr(step_time.time, "perf_counter", lambda now=now: now[0])
        monkeypatch.setattr(step_time.steps, "training_step", step)
        assert step_time.step_seconds(session) == pytest.approx(each if expected > 1 else each + 0.01)
        assert len(done) == expected


def test_a_model_that_cannot_be_tried_has_no_time_and_ends_nothing():
    class Refusing(nn.Sequential):
        def forward(self, x):
            if self.training and torch.is_grad_enabled():
                raise RuntimeError("not today")
            return super().forward(x)

    lab = pl.Lab(QUICK, model=Refusing(nn.Flatten(), nn.Linear(64, 10)), trained=True, measure=False)
    assert lab.wait(60)
    assert lab.state.activity == "ready" and lab.state.trouble is None and lab.state.step_seconds is None


def test_the_time_that_is_left_is_that_of_steps_and_not_of_what_came_before(monkeypatch):
    now = 100.0
    monkeypatch.setattr("prunelab.lab.worker.tasks.time.monotonic", lambda: now)
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=20))
    task = Task("train", session.ticks("train"))

    def told(known):
        told = task.progress(session.snapshot(), session, known)
        return told["step_seconds"], told["left"]

    task.go_on()
    for _ in range(5):
        next(task.ticks)
    now = 107.0  # data, a first test, a picture
    assert told(None) == (None, None), "nothing is known yet"
    assert told(0.01) == (0.01, pytest.approx(0.01 * session.steps_left("train"))), "as long as the run before"
    start = session.clock
    for steps, seconds, expected in ((10, 0.1, None), (20, 0.4, 0.02), (40, 1.2, 0.03)):
        while session.clock < start + steps:
            next(task.ticks)
        now = 107.0 + seconds
        assert told(None)[0] == (None if expected is None else pytest.approx(expected))


def test_a_cut_that_went_too_deep_is_told_with_what_it_cost_and_the_way_back(lab):
    lab.controls["quality"].value = 0.2
    press(lab, "prune")
    assert lab.status.trouble == "", "a cut that cost little needs no word"
    press(lab, "reset")
    lab.controls["quality"].value = 2.9
    press(lab, "prune")
    dense, now = (f"{100 * lab.state.snapshot.dense_accuracy:.1f} %", f"{100 * lab.state.snapshot.test_accuracy:.1f} %")
    assert f"accuracy fell from {dense} to {now}" in lab.status.trouble and "Reset" in lab.status.trouble
    press(lab, "retrain")
    now = f"{100 * lab.state.snapshot.test_accuracy:.1f} %"
    assert f"Retraining did not mend this cut: accuracy is down from {dense} to {now}" in lab.status.trouble
    lab.timeline.widget.position = 0
    assert lab.wait(60) and lab.status.trouble == "", "it is about the network as it is"
    lab.timeline.live()
    assert lab.wait(60) and "did not mend" in lab.status.trouble
    press(lab, "reset")
    assert lab.status.trouble == ""
