"""Models and data of one's own in the lab: those that fit, and what is said of those that do not."""

import io
import re
import zipfile

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.data import own
from prunelab.lab.page import downloads
from prunelab.lab.page.module_table import ModuleTable
from prunelab.lab.widgets.shared_looks import is_shown
from prunelab.results.subject import Module, Subject
from support.labs import QUICK, press
from support.own_models import Reader, blobs


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


def test_a_network_with_parts_that_are_not_pruned_is_named_and_listed():
    torch.manual_seed(0)
    words, classes = torch.randint(0, 20, (90, 4)).float(), torch.arange(90) % 3
    data = own((words, classes), (words, classes), name="four words / test")
    lab = pl.Lab(QUICK, model=Reader(), data=data, measure=False)
    lab.wait(60)
    assert lab.state.trouble is None and lab.status.title == "four words / test · Reader · seed 0"
    assert lab.recipe.model == lab.recipe.data == "own"
    # By hand: 192 + 64 + 128 + 128 + 160 + 60 weights; an own factor and a norm are not counted.
    compression = next(card for card in lab.status.cards if card["name"] == "compression")
    assert compression["more"].endswith("x if cut now; 17 not counted")
    press(lab, "prune")
    compression = next(card for card in lab.status.cards if card["name"] == "compression")
    assert compression["more"] == "of 732 weights in 6 layers; 17 in others not counted"
    assert is_shown(lab.modules) and lab.modules.selected_index is None
    assert lab.modules.titles == ("2 of 9 modules are not pruned, and why",)
    table = lab.modules.children[0].value
    assert table.count("<tr>") == 10 and ">17</td>" not in table
    assert "<td>attention</td><td>MultiheadAttention</td>" in table and "tied to again.weight" in table
    for name, ending in (("report", ".html"), ("data", "-data.zip"), ("python", ".py")):
        made = downloads.make(name, lab.state, lab.session)
        assert made.filename == f"prunelab-{lab.state.recipe.key}-Reader-four-words-test{ending}"
    assert b"Reader on four words / test: " in downloads.make("report", lab.state).content
    with zipfile.ZipFile(io.BytesIO(downloads.make("data", lab.state).content)) as archive:
        assert archive.read("modules.csv").count(b"\n") == 10
    lab.stop()


def test_where_everything_is_pruned_there_is_no_list(lab):
    assert not is_shown(lab.modules) and lab.status.title == "digits · mlp-small · seed 0"
    assert downloads.make("python", lab.state).filename == f"prunelab-{lab.state.recipe.key}-mlp-small-digits.py"
    lab.controls["batch_norm"].value = True
    press(lab, "train")
    assert is_shown(lab.modules) and "BatchNorm1d" in lab.modules.children[0].value


def test_hostile_names_of_modules_stay_text():
    table = ModuleTable()
    hostile = "<img src=x onerror='alert(1)'>"
    table.show(Subject("Net", "data", (Module(hostile, hostile, 0, 3, False, hostile),)))
    assert "<img" not in table.children[0].value and table.children[0].value.count("&lt;img") == 3


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
