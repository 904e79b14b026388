"""A lab that saves: full disks, damaged folders, two labs in one folder, and the way back."""

import errno
import os

import pytest

import prunelab as pl
from prunelab import disk
from prunelab.sessions import checkpoint
from support.labs import QUICK, press


def test_a_full_disk_is_told_and_the_run_can_go_on(tmp_path, monkeypatch):
    lab = pl.Lab(QUICK, directory=tmp_path)
    lab.wait(60)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk.os, "fsync", full)
    press(lab, "prune")
    assert "No space left" in lab.status.trouble and lab.state.snapshot.phase == "pruned"
    monkeypatch.undo()
    press(lab, "retrain")
    assert lab.state.trouble is None and lab.state.snapshot.phase == "retrained"
    lab.stop()


@pytest.mark.parametrize(("name", "beside"), [("run", "run-2"), ("run-9", "run-10"), ("lauf-²", "lauf-²-2")])
def test_a_new_network_goes_into_a_folder_beside(tmp_path, name, beside):
    lab = pl.Lab(QUICK, directory=tmp_path / name)
    lab.wait(60)
    press(lab, "train")
    assert lab.state.trouble is None and beside in lab.state.notice and (tmp_path / beside / checkpoint.INDEX).exists()
    lab.stop()


def test_a_saved_session_is_opened_where_it_was_left_and_a_damaged_one_is_told(tmp_path):
    lab = pl.Lab(QUICK, directory=tmp_path)
    lab.wait(60)
    press(lab, "prune")
    lab.stop()
    again = pl.Lab(QUICK, directory=tmp_path)
    again.wait(60)
    assert again.state.snapshot.phase == "pruned"
    again.stop()
    (tmp_path / checkpoint.INDEX).write_text("{")
    broken = pl.Lab(QUICK, directory=tmp_path)
    broken.wait(60)
    assert "damaged" in broken.status.trouble and broken.state.activity == "failed"
    press(broken, "train")
    assert broken.state.snapshot.phase == "trained", "a damaged session is told, and a new one can be trained"
    assert (tmp_path / checkpoint.INDEX).read_text() == "{" and str(broken.session.directory) in broken.status.trouble
    assert pl.Session.load(broken.session.directory).phase == "trained"
    broken.stop()


def test_a_saved_session_brings_its_own_recipe_and_is_never_overwritten_by_another(tmp_path):
    saved = pl.Recipe(model="mlp-small", seed=4, epochs=2, retrain_epochs=1, rounds=6, rule="density", density=0.2)
    session = pl.Session(saved, directory=tmp_path)
    for snapshot in session:
        if snapshot.phase == "retrained":
            break
    lab = pl.Lab(QUICK, directory=tmp_path, measure=False)
    lab.wait(60)
    assert lab.recipe == saved and lab.state.snapshot.round == 1
    assert lab.buttons["train"].description == "Train"
    press(lab, "run")
    assert lab.session.recipe == saved and lab.state.snapshot.round == 6
    press(lab, "train")
    assert lab.session.directory != tmp_path and str(lab.session.directory) in lab.status.trouble
    lab.stop()
    assert pl.Session.load(tmp_path).round == 6


def test_one_lab_at_a_time_has_a_folder(tmp_path, monkeypatch):
    first = pl.Lab(QUICK, directory=tmp_path, measure=False)
    first.wait(60)
    monkeypatch.setattr(disk.claim, "__kwdefaults__", {"patience": 0.0})
    second = pl.Lab(QUICK, directory=tmp_path, measure=False)
    second.wait(60)
    assert "is in use by another lab" in second.status.trouble and second.state.activity == "failed"
    press(first, "prune")
    first.close()
    press(second, "train")
    assert second.session.directory != tmp_path, "what the first one saved stays"
    second.stop()
    assert pl.Session.load(tmp_path).phase == "pruned"


def test_a_saved_session_can_go_back_to_its_dense_network(tmp_path):
    lab = pl.Lab(QUICK, directory=tmp_path / "s", measure=False)
    assert lab.wait(60)
    dense = lab.session.snapshot().test_loss
    press(lab, "run")
    lab.stop()
    again = pl.Lab(directory=tmp_path / "s", measure=False)
    assert again.wait(60)
    assert again.state.snapshot.phase == "retrained"
    press(again, "reset")
    assert again.state.snapshot.phase == "trained" and again.state.snapshot.test_loss == dense
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["s"]
    again.stop()


def test_a_session_that_was_saved_without_its_dense_network_says_so(tmp_path):
    session = pl.Session(QUICK, directory=tmp_path / "s")
    list(session)
    lab = pl.Lab(directory=tmp_path / "s", measure=False)
    assert lab.wait(60)
    lab.buttons["reset"].click()
    assert lab.wait(60) and "was not saved" in lab.status.trouble and lab.state.snapshot.phase == "retrained"
    lab.stop()
