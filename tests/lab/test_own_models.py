"""Models and data of one's own in the lab: those that fit, and what is said of those that do not."""

import re

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.lab.page import downloads
from support.labs import QUICK, press
from support.own_models import blobs


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.Linear(4, 2), "2 outputs, but the data have 3 classes"),
        (nn.Linear(9, 3), "cannot take this data"),
        (nn.Sequential(nn.Flatten(), nn.Softmax(1)), "there is nothing to prune"),
    ],
)
def test_a_model_that_does_not_fit_is_told(model, said):
    lab = pl.Lab(QUICK, model=model, data=(blobs(), blobs()))
    lab.wait(60)
    assert re.search(said, lab.status.trouble), lab.status.trouble
    assert lab.state.activity == "failed" and not lab.buttons["train"].disabled
    lab.stop()


def test_labels_out_of_range_are_told():
    x, y = blobs()
    lab = pl.Lab(QUICK, model=nn.Linear(4, 3), data=((x, y - 1), (x, y)))
    lab.wait(60)
    assert "-1" in lab.status.trouble and lab.state.activity == "failed"
    lab.stop()


def test_own_model_and_data_fill_every_panel_and_stay_untouched():
    torch.manual_seed(0)  # from some starts a layer of these few weights would lose everything, and there is a warning
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    before = model[0].weight.detach().clone()
    lab = pl.Lab(QUICK, model=model, data=(blobs(), blobs()))
    lab.wait(60)
    assert lab.status.trouble == "" and lab.state.snapshot.phase == "trained"
    assert torch.equal(before, model[0].weight)
    assert "No dropout" in lab.panels["dropout"].plot.summary
    press(lab, "run")
    assert lab.state.snapshot.round == 2
    lab.stop()


def test_a_model_that_has_learned_already_can_be_pruned_at_once():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    before = model[0].weight.detach().clone()
    lab = pl.Lab(QUICK, model=model, data=(blobs(), blobs()), trained=True, measure=False)
    lab.wait(60)
    assert lab.state.snapshot.phase == "trained" and lab.state.snapshot.clock == 0
    assert torch.equal(lab.session.model[0].weight, before)
    press(lab, "prune")
    assert lab.state.snapshot.density < 1
    lab.stop()


def test_a_model_of_ones_own_brings_its_own_dropout_and_batch_norm():
    data = blobs()
    lab = pl.Lab(QUICK, model=nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), data=(data, data))
    assert lab.wait(60)
    assert lab.controls["dropout"].disabled and lab.controls["batch_norm"].disabled
    assert "1 Train" not in lab.panels["dropout"].plot.summary
    text = downloads.make("report", lab.state, lab.session).content.decode()
    assert "no dropout" in text and "Dropout was lowered" not in text
    lab.stop()
