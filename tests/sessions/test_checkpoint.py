"""Saved sessions: atomic, checked, and never anything but an error or the exact session."""

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import prunelab as pl
from prunelab import disk
from prunelab.errors import StorageError
from prunelab.recipe import LATER_FIELDS
from prunelab.results import snapshot as snapshot_module
from prunelab.sessions import checkpoint
from prunelab.sessions.checkpoint import INDEX
from prunelab.sessions.session_state import read_state
from support.sessions import finished, same

REGRESSION = {"loss": "mse", "metric": "R2", "low": None, "high": 1.0, "classifies": False, "own": []}


@pytest.fixture
def saved(tmp_path):
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=2, retrain_epochs=1, rounds=1))
    for _ in session:
        pass
    session.save(tmp_path / "s")
    return session, tmp_path / "s"


def edited(directory, part=None, **changes):
    """Other numbers in the index, or in a part of it."""
    index = json.loads((directory / INDEX).read_text())
    (index if part is None else index[part]).update(changes)
    (directory / INDEX).write_text(json.dumps(index))


def test_only_json_and_one_safetensors_file_are_written(saved):
    session, directory = saved
    session.save(directory)
    names = sorted(path.name for path in directory.iterdir())
    assert names[0] == INDEX and len(names) == 2 and names[1].endswith(".safetensors")
    assert (directory / names[1]).read_bytes()[8:9] == b"{"


def test_history_comes_back_with_masks_and_histograms(saved):
    session, directory = saved
    loaded = pl.Session.load(directory)
    assert len(loaded.history) == len(session.history) > 3
    for a, b in zip(session.history, loaded.history, strict=True):
        assert a.scalars() == b.scalars()
        for x, y in zip(a.layers, b.layers, strict=True):
            assert x.packed == y.packed
            for field in ("kept_counts", "cut_counts", "strongest", "strengths"):
                assert np.array_equal(getattr(x, field), getattr(y, field)), field
        assert np.array_equal(a.predicted, b.predicted) and a.predicted.dtype == b.predicted.dtype


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda d: (d / INDEX).write_text("{"), "not JSON"),
        (lambda d: (d / INDEX).write_text('{"a": 1}'), "not a session of prunelab"),
        (lambda d: (d / INDEX).write_text("[1, 2]"), "not a session of prunelab"),
        (lambda d: (d / INDEX).unlink(), "cannot be read"),
        (lambda d: edited(d, prunelab_session=7), "format 7"),
        (lambda d: edited(d, recipe={"data": "cats"}), "recipe is not valid"),
        (lambda d: edited(d, "session", phase="dancing"), "phase = dancing"),
        (lambda d: edited(d, "session", phase="preview"), "phase = preview"),
        (lambda d: edited(d, "session", phase=["trained"]), "phase = "),
        (lambda d: edited(d, "session", phase="new"), "damaged"),
        (lambda d: edited(d, "session", phase="trained"), "round does not fit"),
        (lambda d: edited(d, "session", round="x"), "round = x"),
        (lambda d: edited(d, "session", round=True), "round = True"),
        (lambda d: edited(d, "trainer", at={"start": 0, "number": 10**9, "total": 9}), "step does not fit"),
        (lambda d: edited(d, "trainer", at={"start": 0, "number": -1, "total": 9}), "at = .*-1"),
        (lambda d: edited(d, "trainer", at={"start": 0, "number": 1.5, "total": 9}), "at = .*1.5"),
        (lambda d: edited(d, "trainer", at={"start": 10**400, "number": 0, "total": 9}), "at = .*1000"),
        (lambda d: edited(d, "session", phase="new", round=0), "does not fit"),
        (lambda d: edited(d, "trainer", course=None), "course does not fit"),
        (lambda d: edited(d, "trainer", course={"rate": 0.1}), "course = "),
        (lambda d: edited(d, "trainer", course={"name": "retraining", "rate": "fast"}), "course = "),
        (lambda d: edited(d, "trainer", course={"name": "r", "rate": 0.1, "goes_on": 1, "distill": 0.0}), "course = "),
        (lambda d: edited(d, "trainer", course={"name": "r", "rate": 0.1, "goes_on": True, "distill": 2}), "course = "),
        (lambda d: edited(d, "trainer", at={"start": 0, "number": 0, "total": 9, "cycle": 9}), "at = "),
        (lambda d: edited(d, "trainer", averages=[1.0]), "averages = "),
        (lambda d: edited(d, "trainer", averages=[float("nan"), 0.5]), "averages = "),
        (lambda d: edited(d, "trainer", tested=None), "tested does not fit"),
        (lambda d: edited(d, "trainer", tested={"loss": 0.1, "accuracy": 7.0, "clock": 3}), "tested = "),
        (lambda d: edited(d, "session", dense_accuracy="good"), "dense_accuracy = good"),
        (lambda d: edited(d, "session", dense_accuracy=-0.5), "dense_accuracy = -0.5"),
        (lambda d: edited(d, "session", objective="mse"), "objective = mse"),
        (lambda d: edited(d, "session", objective=REGRESSION | {"own": ["data"]}), "objective = "),
        (lambda d: edited(d, "session", target={"quality": [1], "density": None}), "target = "),
        (lambda d: edited(d, "session", samples=[1]), "samples = "),
        (lambda d: edited(d, "session", data=7), "data = 7"),
        (lambda d: edited(d, "session", data="abc"), "made with other data"),
        (lambda d: edited(d, "model", cuts={"fc1.weight": {"kept": 1}}), "cuts = "),
        (lambda d: edited(d, "model", dropout_rates={"dropout1": [0.2, 2.0]}), "dropout_rates = "),
        (lambda d: edited(d, "model", dropout_rates={"fc9": [0.2, 0.1]}), "fc9"),
        (lambda d: edited(d, "model", dropout_owners={"dropout1": 3}), "dropout_owners = "),
        (lambda d: edited(d, "model", dropout_owners={"dropout1": "fc9"}), "fc9"),
        (lambda d: edited(d, "trainer", optimizer={"groups": []}), "optimizer does not fit"),
        (lambda d: edited(d, history=None), "damaged"),
        (lambda d: edited(d, "trainer", colour="red"), "trainer: colour: missing, or not of a session"),
        (lambda d: edited(d, model=None), "damaged"),
        (lambda d: edited(d, colour="red"), "colour: missing, or not of a session"),
        (lambda d: edited(d, tensors="../other.safetensors"), "points out"),
        (lambda d: edited(d, history=[{}]), "damaged"),
        (lambda d: next(d.glob("*.safetensors")).unlink(), "cannot be read"),
        (lambda d: next(d.glob("*.safetensors")).write_bytes(b"PK\x03\x04"), "digest differs"),
    ],
)
def test_damaged_and_foreign_sessions_are_errors_that_say_what_is_wrong(saved, damage, words):
    _, directory = saved
    damage(directory)
    with pytest.raises(StorageError, match=words):
        pl.Session.load(directory)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("how", ["truncate", "flip"])
def test_every_altered_tensor_file_is_noticed(saved, part, how):
    _, directory = saved
    file = next(directory.glob("*.safetensors"))
    blob = bytearray(file.read_bytes())
    at = int(len(blob) * part)
    blob = blob[:at] if how == "truncate" else blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
    file.write_bytes(blob)
    with pytest.raises(StorageError, match="digest differs"):
        pl.Session.load(directory)


def test_a_full_disk_is_an_error_in_words_and_the_old_session_stays(saved, monkeypatch):
    session, directory = saved
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    session.prune(3.0)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk.os, "fsync", full)
    with pytest.raises(StorageError, match=r"No space left.*saved before is intact"):
        session.save(directory)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before, "nothing half-written is left"
    monkeypatch.undo()
    assert session.phase == "pruned", "nothing is lost in memory"
    session.save(directory)
    assert pl.Session.load(directory).round == 2


def test_a_crash_between_the_two_files_leaves_the_old_session(saved, monkeypatch):
    session, directory = saved
    old = pl.Session.load(directory).snapshot().scalars()
    session.prune(3.0)
    write = disk.write_atomically

    def dies_before_the_index(path, content):
        if path.name == INDEX:
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(checkpoint, "write_atomically", dies_before_the_index)
    with pytest.raises(KeyboardInterrupt):
        session.save(directory)
    assert pl.Session.load(directory).snapshot().scalars() == old


def test_what_is_saved_anew_while_it_is_read_is_read_anew(saved, monkeypatch):
    session, directory = saved
    read, saves = checkpoint._read_tensors, []

    def overtaken(*args):
        if len(saves) < 2:  # the index was read, and its tensors are about to be
            saves.append(session.prune(2.0 + len(saves)))
            session.save(directory)
        return read(*args)

    monkeypatch.setattr(checkpoint, "_read_tensors", overtaken)
    state, _ = read_state(directory)
    assert len(saves) == 2 and state["history"][-1].scalars() == session.snapshot().scalars()
    (tensors,) = directory.glob("tensors-*")
    tensors.unlink()
    with pytest.raises(StorageError, match=r"tensors-.* cannot be read: No such file"):
        read_state(directory)


def test_what_a_killed_save_left_is_removed_by_the_next(saved):
    session, directory = saved
    left = [directory / ".session.json.a1b2", directory / ".tensors-0123.safetensors.c3d4"]
    for file in left:
        file.write_bytes(b"half")
    other = directory / ".notes"
    other.write_bytes(b"not ours")
    session.save(directory)
    assert not any(file.exists() for file in left) and other.exists()
    assert pl.Session.load(directory).snapshot().scalars() == session.snapshot().scalars()


def test_arrays_of_a_snapshot_are_hashed_once_however_often_it_is_saved(saved, monkeypatch):
    session, directory = saved
    hashed = []
    digest = snapshot_module.digest
    monkeypatch.setattr(snapshot_module, "digest", lambda array: hashed.append(1) or digest(array))
    session.save(directory)
    assert not hashed, "all of them were saved before"
    session.prune(2.0)
    session.save(directory)
    assert len(hashed) == 1 + 3 * len(session.masks)


def test_a_session_that_is_killed_loses_at_most_its_round(tmp_path):
    """A real SIGKILL, in the middle of a phase: what is on disk goes on to the same end."""
    recipe = pl.Recipe(model="mlp-small", epochs=2, retrain_epochs=20, rounds=3)
    options = ("--model", "mlp-small", "--epochs", "2", "--retrain-epochs", "20", "--rounds", "3")
    process = subprocess.Popen(
        [sys.executable, "-m", "prunelab.cli", "run", *options, "--out", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    index = tmp_path / INDEX
    while not index.exists() or json.loads(index.read_text())["session"]["phase"] != "pruned":
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
        assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    assert process.wait() == -signal.SIGKILL
    seen = json.loads(index.read_text())["session"]
    loaded = pl.Session.load(tmp_path)
    assert (loaded.phase, loaded.round) == (seen["phase"], seen["round"]) and loaded.round >= 1
    whole = pl.Session(recipe)
    for session in (loaded, whole):
        for _ in session:
            pass
    assert loaded.snapshot().scalars() == whole.snapshot().scalars()
    for a, b in zip(loaded.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_what_is_written_can_be_read_by_whoever_the_umask_lets(tmp_path):
    before = os.umask(0o027)
    try:
        disk.write_atomically(tmp_path / "file", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_was_left_to_the_usual_is_saved_with_a_session(tmp_path):
    recipe = pl.Recipe(model="mlp-small", epochs=1, retrain_epochs=20)  # 20 are usual, but here they were wanted
    session = pl.Session(recipe)
    list(session.train())
    session.save(tmp_path)
    loaded = pl.Session.load(tmp_path)
    assert loaded.recipe.usual == loaded.history[-1].recipe.usual == ("learning_rate", "scope")
    index = json.loads((tmp_path / INDEX).read_text())
    for values in (index["recipe"], *index["history"]["recipes"]):
        del values["usual"]  # as it was saved before
    (tmp_path / INDEX).write_text(json.dumps(index))
    loaded = pl.Session.load(tmp_path)
    assert loaded.recipe == recipe and loaded.recipe.usual == ("learning_rate", "retrain_epochs", "scope")


FORMAT_3 = Path(__file__).parent / "format-3"  # saved by prunelab before parts had places of their own


def own_model():
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Dropout(0.4), nn.Linear(12, 3))


def own_data():
    x, y = (torch.arange(60 * 6) % 17).reshape(60, 6) / 16.0, torch.arange(60) % 3
    return (x, y), (x[:20], y[:20])


def test_a_session_of_format_3_goes_on(tmp_path):
    directory = shutil.copytree(FORMAT_3, tmp_path / "old")
    old = json.loads((directory / INDEX).read_text())
    tensors = safetensors.torch.load_file(directory / old["tensors"])
    session = pl.Session.load(directory, model=own_model(), data=own_data())
    assert (session.phase, session.round, session.step, session.clock) == ("retraining", 2, old["step"], old["clock"])
    for name, weight in session.model.state_dict().items():
        assert torch.equal(weight, tensors[f"model/{name}"])
    for name, mask in session.masks.items():
        assert torch.equal(mask, tensors[f"masks/{name}"])
    now = session.snapshot()
    assert now.target == pl.Recipe(quality=1.0).target_of_round(3) and now.zeros_hold and now.kept == 37
    assert [layer.quality for layer in now.layers] == pytest.approx([1.2, 1.0])
    (drop,) = now.dropouts
    assert [drop.original, drop.rate] == old["rates"]["2"]
    assert [s.clock for s in session.history] == [s["clock"] for s in old["history"]["snapshots"]]
    assert [s.quality for s in session.history] == [s["quality"] for s in old["history"]["snapshots"]]
    for _ in session.run():
        pass
    assert session.phase == "retrained" and session.clock == old["clock"] + 8 - old["step"]
    again = pl.Session.load(directory, model=own_model(), data=own_data())  # saved on, in today's format
    assert json.loads((directory / INDEX).read_text())["prunelab_session"] == 4
    assert again.snapshot().scalars() == session.snapshot().scalars()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"clock": 5}, "clock = 5 does not fit"),
        ({"colour": "red"}, "colour"),
        ({"tested": [0.1]}, "damaged"),
        ({"cut": {"quality": [1], "density": None}}, "target = "),
    ],
)
def test_a_damaged_session_of_format_3_is_an_error(tmp_path, change, words):
    directory = shutil.copytree(FORMAT_3, tmp_path / "old")
    edited(directory, **change)
    with pytest.raises(StorageError, match=words):
        pl.Session.load(directory, model=own_model(), data=own_data())


def test_a_session_that_was_saved_before_there_were_these_options_goes_on(saved):
    session, directory = saved
    index = json.loads((directory / INDEX).read_text())
    recipes = [index["recipe"], *index["history"]["recipes"]]
    for recipe in recipes:
        for name in LATER_FIELDS:
            del recipe[name]
    assert index["trainer"]["at"].keys() == {"start", "number", "total"} and "distill" not in str(index["trainer"])
    (directory / INDEX).write_text(json.dumps(index))
    loaded = pl.Session.load(directory)
    same(session, loaded)
    loaded.change(loaded.recipe.changed(rounds=2))
    session.change(loaded.recipe)
    same(finished(session), finished(loaded))


def test_a_name_that_no_folder_can_have_is_an_error_in_words():
    session = pl.Session(pl.Recipe(model="mlp-small"))
    with pytest.raises(StorageError, match="could not be saved in .*null byte"):
        session.save("a\0b")
    with pytest.raises(StorageError, match="cannot be read: .*null byte"):
        pl.Session.load("a\0b")
    assert session.phase == "new"
