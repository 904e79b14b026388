"""What can be taken home: made while the lab goes on, sent to the page that asked."""

import threading

import pytest
import torch

import prunelab as pl
from prunelab.lab.page import downloads
from support.labs import press, reached
from support.messages import say


@pytest.mark.parametrize("name", ["report", "figures", "data", "model", "python"])
def test_everything_can_be_taken_home(lab, name, tmp_path):
    press(lab, "run")
    made = downloads.make(name, lab.state, lab.session)
    assert len(made.content) > 200 and made.filename.startswith(f"prunelab-{lab.state.recipe.key}")
    if name == "model":
        (tmp_path / made.filename).write_bytes(made.content)
        back = pl.sparse.load(tmp_path / made.filename)
        assert all(torch.equal(back[key], value) for key, value in lab.session.model.state_dict().items())
    if name == "report":
        assert b"<script" in made.content and b"http://" not in made.content.split(b"<body", 1)[0]


def test_a_download_goes_to_the_page_that_asked_and_a_failure_is_told_there(lab, monkeypatch):
    sent = []
    monkeypatch.setattr(lab.downloads, "send_file", lambda *a: sent.append(a))
    monkeypatch.setattr(lab.downloads, "send_text", lambda *a: sent.append(a))
    monkeypatch.setattr(lab.downloads, "send_error", lambda *a: sent.append(a))
    say(lab.downloads, {"kind": "request", "name": "python", "view": "a"})
    say(lab.downloads, {"kind": "request", "name": "link", "view": "a"})
    lab.wait(60)
    assert {entry[0] for entry in sent} == {"python", "link"}
    assert next(entry for entry in sent if entry[0] == "link")[1].startswith("lab.follow('v=2&model=mlp-small")
    monkeypatch.setattr(downloads, "make", lambda *a: 1 / 0)
    say(lab.downloads, {"kind": "request", "name": "report", "view": "a"})
    lab.wait(60)
    assert sent[-1] == ("report", "This could not be made: division by zero") and lab.state.activity == "ready"


def test_pictures_for_print_are_made_while_the_lab_goes_on(lab, monkeypatch):
    begun, go = threading.Event(), threading.Event()

    def slow(name, state, session=None):
        begun.set()
        assert go.wait(60)
        return downloads.Made("figures.zip", "application/zip", b"PK")

    monkeypatch.setattr(downloads, "make", slow)
    sent = []
    monkeypatch.setattr(lab.downloads, "send_file", lambda *args: sent.append(args))
    say(lab.downloads, {"kind": "request", "name": "figures", "view": "a"})
    assert begun.wait(60)
    lab.controls["quality"].value = 0.7
    reached(lab, lambda r: r.preview is not None and r.preview.quality == 0.7)  # answered meanwhile
    assert sent == [] and not lab.wait(0.01)
    go.set()
    assert lab.wait(60) and sent == [("figures", "figures.zip", "application/zip", b"PK")]


def test_controls_that_give_no_recipe_cost_a_link_and_no_model(lab, monkeypatch):
    sent = []
    for name in ("send_file", "send_text", "send_error"):
        monkeypatch.setattr(lab.downloads, name, lambda *a, name=name: sent.append((name, *a[:2])))
    lab.controls["rewind"].value = "weights"
    lab.controls["rewind_epoch"].value = 2
    lab.controls["epochs"].value = 1
    assert "rewind_epoch = 2" in lab.status.trouble and "1 epoch" in lab.status.trouble
    say(lab.downloads, {"kind": "request", "name": "link", "view": "a"})
    say(lab.downloads, {"kind": "request", "name": "model", "view": "a"})
    assert lab.wait(60)
    (said, link, words), (sent_as, model, _) = sorted(sent, key=lambda each: each[1])
    assert (said, link, sent_as, model) == ("send_error", "link", "send_file", "model") and "rewind_epoch = 2" in words
    lab.panels["compare"].button.click()
    lab.presets.children[1].click()
    assert lab.wait(60) and lab.state.activity == "ready" and "rewind_epoch = 2" in lab.status.trouble
    lab.controls["epochs"].value = 3
    assert lab.status.trouble == ""
