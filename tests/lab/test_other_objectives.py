"""The lab with a loss of one's own: the metric is named, and what needs classes says so."""

from dataclasses import replace

import pytest
from torch import nn

import prunelab as pl
from prunelab.lab import wording
from prunelab.lab.page.built_in import built_in
from prunelab.lab.widgets.shared_looks import is_shown
from support.labs import QUICK, press
from support.own_models import curve

RECIPE = QUICK.changed(learning_rate=0.01, quality=0.5)


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


@pytest.fixture
def lab():
    lab = pl.Lab(RECIPE, model=model(), data=curve(), loss="mse", measure=False, show=["digits", "draw", "sensitivity"])
    assert lab.wait(60) and lab.status.trouble == ""
    yield lab
    lab.stop()


def test_cards_and_pictures_name_the_metric(lab):
    press(lab, "run")
    now = lab.state.snapshot
    card = lab.status.cards[0]
    assert card["name"] == "R2" and card["value"] == f"{now.test_accuracy:.3f}"
    assert card["more"] == f"dense {now.dense_accuracy:.3f}" and f"R2 {card['value']}" in lab.status.story
    assert lab.panels["accuracy"].plot.summary.startswith(f"R2 {card['value']}")
    lab.panels["sensitivity"].button.click()
    assert lab.wait(60)
    assert lab.state.sensitivity.objective.metric == "R2" and "R2" in lab.panels["sensitivity"].plot.summary


def test_a_cut_that_went_too_deep_is_told_in_the_metric(lab):
    dense = replace(lab.state.snapshot, dense_accuracy=0.95)
    said = [wording.went_too_deep(replace(dense, phase=p, test_accuracy=-1.2)) for p in ("pruned", "retrained")]
    assert "R2 fell from 0.950 to -1.200." in said[0] and "R2 is down from 0.950 to -1.200." in said[1]


def test_what_needs_classes_says_so(lab):
    for name in ("digits", "draw"):
        assert "Classification only" in lab.panels[name].plot.summary
    assert not is_shown(lab.panels["draw"].sheet) and lab.state.trouble is None


def test_a_metric_without_percent_is_not_guessed(lab):
    lab.switches["guess"].value = True
    assert "if cut now" in lab.status.cards[0]["more"], "nothing is hidden that nobody asks for"
    press(lab, "prune")
    assert lab.state.snapshot.phase == "pruned" and lab.guess.action is None


def test_a_metric_in_percent_is_guessed_by_its_name():
    x, y = curve()[0]
    data = (x, y > 0), (x, y > 0)
    lab = pl.Lab(RECIPE, model=model(), data=data, loss="bce", metric=pl.Metric(lambda o, t: 0.5, "F1"), measure=False)
    assert lab.wait(60)
    lab.switches["guess"].value = True
    lab.buttons["prune"].click()
    assert lab.guess.question.value == "What will the F1 be after this cut?"
    lab.stop()


def test_a_saved_lab_goes_on_with_its_loss(tmp_path):
    def closeness(output, target):
        return 1 / (1 + (output.squeeze(1) - target).abs().mean())

    given = {"data": curve(), "loss": "mse", "metric": closeness, "measure": False}
    first = pl.Lab(RECIPE, model=model(), directory=tmp_path, **given)
    assert first.wait(60)
    press(first, "prune")
    before = first.state.snapshot
    first.stop()
    again = pl.Lab(RECIPE, model=model(), directory=tmp_path, **given)
    assert again.wait(60)
    assert again.state.snapshot.test_accuracy == before.test_accuracy and again.status.cards[0]["name"] == "closeness"
    again.stop()
    without = pl.Lab(RECIPE, model=model(), directory=tmp_path, **{**given, "metric": None})
    assert without.wait(60)
    assert "a metric of your own, 'closeness': give it again, metric=" in without.status.trouble
    without.stop()


def test_targets_that_are_no_classes_are_told_without_a_loss():
    lab = pl.Lab(RECIPE, model=model(), data=curve())
    assert lab.wait(60)
    assert "classification only" in lab.status.trouble and "loss='mse'" in lab.status.trouble
    assert lab.state.activity == "failed"
    lab.stop()


def test_the_dropout_and_batch_norm_of_an_own_model_are_shown_as_they_are():
    layers = [nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.25), nn.Linear(8, 8), nn.Dropout(0.4)]
    own = nn.Sequential(*layers, nn.Linear(8, 1))
    lab = pl.Lab(RECIPE.changed(dropout=0.7), model=own, data=curve(), loss="mse", measure=False)
    assert lab.wait(60)
    rates, norm = lab.controls["dropout"], lab.controls["batch_norm"]
    assert (rates.value, norm.value) == ("0.25, 0.4", True) and rates.disabled and norm.disabled
    assert (
        rates.tooltip == "The dropout of your model: 3 0.25, 5 0.4"
        and norm.tooltip == "The batch norm of your model: 1"
    )
    press(lab, "run")
    assert rates.value == "0.25, 0.4", "those that were given, not those under the masks"
    assert lab.recipe.dropout == 0.7 and not lab.buttons["prune"].disabled
    lab.controls["learning_rate"].value = 0.02
    lab.follow("?quality=0.9")
    assert lab.wait(60) and rates.value == "0.25, 0.4" and lab.status.trouble == ""
    lab.stop()


def test_a_model_without_either_has_none_and_the_recipes_models_have_controls():
    shown = built_in(model())
    assert (shown["dropout"].value, shown["batch_norm"].value) == ("none", False)
    assert shown["dropout"].tooltip == "Your model has no dropout"
    assert built_in(None) == {}
