"""Saved sessions: atomic, checked, and never anything but an error or the exact session."""

import errno
import json
import os

import numpy as np
import pytest

import prunelab as pl
from prunelab import storage
from prunelab.storage import INDEX, StorageError


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
        (lambda d: edited(d, position=["dancing", 0, 0, 0, 0]), "dancing"),
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

    monkeypatch.setattr(storage.os, "fsync", full)
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
    write = storage.write_atomically

    def dies_before_the_index(path, content):
        if path.name == INDEX:
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(storage, "write_atomically", dies_before_the_index)
    with pytest.raises(KeyboardInterrupt):
        session.save(directory)
    assert pl.Session.load(directory).snapshot().scalars() == old
