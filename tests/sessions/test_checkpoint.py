"""Saved sessions: atomic, checked, and never anything but an error or the exact session."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

import prunelab as pl
from prunelab import disk
from prunelab.errors import StorageError
from prunelab.results import snapshot as snapshot_module
from prunelab.sessions import checkpoint
from prunelab.sessions.checkpoint import INDEX


@pytest.fixture
def saved(tmp_path):
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=2, retrain_epochs=1, rounds=1))
    for _ in session:
        pass
    session.save(tmp_path / "s")
    return session, tmp_path / "s"


def edited(directory, **changes):
    index = json.loads((directory / INDEX).read_text())
    index.update(changes)
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
        (lambda d: edited(d, phase="dancing"), "phase = dancing"),
        (lambda d: edited(d, phase="preview"), "phase = preview"),
        (lambda d: edited(d, phase=["trained"]), "phase = "),
        (lambda d: edited(d, phase="new"), "damaged"),
        (lambda d: edited(d, phase="trained"), "round does not fit"),
        (lambda d: edited(d, round="x"), "round = x"),
        (lambda d: edited(d, round=True), "round = True"),
        (lambda d: edited(d, step=10**9), "step does not fit"),
        (lambda d: edited(d, step=-1), "step = -1"),
        (lambda d: edited(d, step=1.5), "step = 1.5"),
        (lambda d: edited(d, clock=10**400), "clock = 1000"),
        (lambda d: edited(d, clock=0), "clock does not fit"),
        (lambda d: edited(d, course=None), "course does not fit"),
        (lambda d: edited(d, course={"start": 0}), "course = "),
        (lambda d: edited(d, course={"start": 0, "steps": 9, "rate": "fast"}), "course = "),
        (lambda d: edited(d, averages=[1.0]), "averages = "),
        (lambda d: edited(d, averages=[float("nan"), 0.5]), "averages = "),
        (lambda d: edited(d, tested=None), "tested does not fit"),
        (lambda d: edited(d, tested=[0.1, 7.0, 3]), "tested = "),
        (lambda d: edited(d, dense_accuracy="good"), "dense_accuracy = good"),
        (lambda d: edited(d, cut={"quality": [1], "density": None}), "cut = "),
        (lambda d: edited(d, samples=[1]), "samples = "),
        (lambda d: edited(d, data=7), "data = 7"),
        (lambda d: edited(d, data="abc"), "made with other data"),
        (lambda d: edited(d, cuts={"fc1.weight": {"kept": 1}}), "cuts = "),
        (lambda d: edited(d, rates={"dropout1": [0.2, 2.0]}), "rates = "),
        (lambda d: edited(d, rates={"fc9": [0.2, 0.1]}), "fc9"),
        (lambda d: edited(d, owners={"dropout1": 3}), "owners = "),
        (lambda d: edited(d, owners={"dropout1": "fc9"}), "fc9"),
        (lambda d: edited(d, optimizer={"groups": []}), "optimizer does not fit"),
        (lambda d: edited(d, history=None), "damaged"),
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
    while not index.exists() or json.loads(index.read_text())["phase"] != "pruned":
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
        assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    assert process.wait() == -signal.SIGKILL
    seen = json.loads(index.read_text())
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
