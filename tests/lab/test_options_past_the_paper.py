"""The options past the paper on the page: chosen by a control, run live, paused, saved, and done as a session does."""

import pytest

import prunelab as pl
from support.labs import QUICK, press, reached
from support.sessions import finished

OPTIONS = {
    "cut only": {"retrain_epochs": 0},
    "random": {"rule": "density", "density": 0.3, "criterion": "random"},
    "gradual": {"rule": "density", "density": 0.3, "gradual": True, "rounds": 4},
    "rewound rate": {"rewind": "rate"},
    "regrowth": {"rule": "density", "density": 0.2, "regrow": 0.5},
    "distillation": {"distill": 0.5},
}


def choose(lab, changes):
    for name, value in changes.items():
        lab.controls[name].value = value


def done_by_a_session(recipe):
    return finished(pl.Session(recipe)).snapshot().scalars()


@pytest.mark.parametrize("changes", OPTIONS.values(), ids=OPTIONS)
def test_run_all_does_what_a_session_does_again_and_again(lab, changes):
    choose(lab, changes)
    for _ in range(2):
        press(lab, "run")
        assert lab.state.trouble is None and lab.state.snapshot.scalars() == done_by_a_session(QUICK.changed(**changes))
    assert lab.state.snapshot.zeros_hold
    assert lab.timeline.widget is not None and [s.round for s in lab.state.history if s.phase == "pruned"] == [
        *range(1, QUICK.changed(**changes).rounds + 1)
    ]


def test_a_run_that_only_cuts_goes_on_from_its_round(lab):
    choose(lab, {"retrain_epochs": 0, "rounds": 3})
    press(lab, "prune")
    press(lab, "retrain")
    assert (lab.state.snapshot.phase, lab.state.snapshot.round) == ("retrained", 1)
    press(lab, "run")
    assert [s.round for s in lab.state.history if s.phase == "pruned"] == [1, 2, 3]


def test_a_run_within_one_cycle_is_paused_and_resumed_live():
    recipe = QUICK.changed(rule="density", density=0.2, gradual=True, retrain_epochs=60, rounds=4)
    lab = pl.Lab(recipe, measure=False)
    assert lab.wait(60)
    lab.live.switch.value = True
    lab.controls["density"].released()
    reached(lab, lambda s: s.snapshot.phase == "retraining" and s.snapshot.round == 2)
    lab.buttons["pause"].click()
    reached(lab, lambda s: s.activity == "paused")
    assert 0 < lab.state.progress < 1
    press(lab, "pause")
    assert lab.state.snapshot.scalars() == done_by_a_session(recipe)
    lab.stop()


def test_early_weights_that_the_network_does_not_have_take_another_training(lab):
    lab.controls["rewind"].value = "weights"
    assert lab.wait(60)
    assert lab.buttons["train"].description == "Train with new settings"
    press(lab, "prune")
    assert lab.state.trouble is None and lab.session.recipe.rewind == "none", "this network is pruned as it can be"
    press(lab, "run")
    assert lab.state.snapshot.scalars() == done_by_a_session(QUICK.changed(rewind="weights"))
    press(lab, "run")
    assert lab.state.snapshot.scalars() == done_by_a_session(QUICK.changed(rewind="weights"))


def test_an_epoch_that_the_network_did_not_reach_is_no_reason_to_stop(lab):
    choose(lab, {"epochs": 30, "rewind_epoch": 20, "rewind": "rate"})
    assert lab.wait(60)
    press(lab, "prune")
    assert lab.state.trouble is None and lab.session.recipe.rewind == "none"
