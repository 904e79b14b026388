"""What is saved of a page is damaged, or cannot be written: it is told, and costs nothing else."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from prunelab.errors import StorageError
from prunelab.lab.worker import visit
from prunelab.results.sensitivity import Sensitivity
from prunelab.results.tradeoff import Tradeoff
from prunelab.serve import visitor
from support.labs import QUICK, address, folder, press
from support.sessions import same


def test_a_damaged_session_is_told_and_the_page_is_usable(visitor_of):
    lab = visitor_of()
    assert lab.wait(60)
    lab.stop()
    (folder(lab) / "session.json").write_text("{")
    again = visitor_of(address(lab))
    assert again.wait(60) and "damaged" in again.status.trouble and again.state.snapshot.phase == "trained"
    press(again, "prune")
    again.stop()
    third = visitor_of(address(again))
    assert third.wait(60) and third.state.snapshot.phase == "pruned"


def test_a_folder_that_cannot_be_written_is_told_and_the_lab_works(visitor_of, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PRUNELAB_CACHE", str(tmp_path / "file"))
    lab = visitor_of()
    assert lab.wait(60) and "This page is not saved" in lab.status.trouble and lab.status.session == ""
    press(lab, "prune")
    assert lab.state.snapshot.phase == "pruned"


@pytest.mark.parametrize(("part", "words"), [
    ("run.json", "run.json"), ("runs-*.safetensors", "it is not the file that was written"),
    ("tradeoff.json", "tradeoff.json"), ("scan.json", "scan.json"), ("page.json", "page.json"),
    ("session.json", "The network is a new one"),
    ("dense/session.json", "dense"),
])  # fmt: skip
def test_a_part_that_is_damaged_is_told_and_costs_no_other(visitor_of, part, words):
    lab = visitor_of()
    assert lab.wait(60)
    press(lab, "run")
    press(lab, "reset")
    lab.controls["quality"].value = 0.8
    press(lab, "prune")
    lab.stop()
    curve = Tradeoff(lines=("L2 retrained",), densities=(0.5,), seeds=(0,), samples=360)
    (folder(lab) / "tradeoff.json").write_text(json.dumps(curve.to_dict()))
    scan = Sensitivity(0.9, 0.1, 360, ("fc1.weight",), 0)
    (folder(lab) / "scan.json").write_text(json.dumps({"moment": {}, "result": scan.to_dict()}))
    (damaged,) = folder(lab).glob(part)
    damaged.write_bytes(b"{")
    again = visitor_of(f"{lab.link()}&session={lab.status.session}")
    assert again.wait(60) and words in again.status.trouble
    state = again.state
    assert again.controls["quality"].value == 0.8
    assert len(state.runs) == (0 if part.startswith("run") else 1)
    assert (state.tradeoff is None) == (part == "tradeoff.json")
    if part == "session.json":
        assert state.snapshot.phase == "trained"
    else:
        same(again.session, lab.session)
    if not part.startswith("dense"):
        press(again, "reset")
        assert again.state.snapshot.phase == "trained"


def test_kept_runs_that_are_saved_while_a_copy_reads_them_are_read_anew(tmp_path, monkeypatch):
    """What the index names is gone once there is a new one."""
    first, later = ({"runs": {"file": f"runs-{name}", "sha256": "", "runs": []}} for name in "ab")
    indexes = [first, later]

    def read(where: Path, file: str, *rest: object) -> tuple[()]:
        if file == "runs-a":
            try:
                (where / file).read_bytes()
            except OSError as error:
                raise StorageError("gone") from error
        return ()

    monkeypatch.setattr(visit, "_read", lambda *_: indexes.pop(0))
    monkeypatch.setattr(visit, "_runs_in", read)
    made = visit.enter(None, tmp_path)
    made.source = tmp_path
    assert made.kept_runs() == () and indexes == []
    made.close()


@pytest.mark.parametrize("waits", [False, True])
def test_a_disk_that_is_full_is_told_and_the_lab_works(visitor_of, monkeypatch, waits):
    first = visitor_of()  # makes the folders
    assert first.wait(60)
    first.stop()
    make = Path.mkdir

    def full(path: Path, *args, **options) -> None:
        if not path.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        make(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", full)
    other = QUICK.changed(seed=5).to_query()  # not in the cache
    if waits:  # the kernel was there before its visitor
        monkeypatch.setenv("VOILA_PREHEAT", "True")
        monkeypatch.setenv("PRUNELAB_LINK", other)
        monkeypatch.setattr(visitor, "query", lambda: other)
    lab = visitor_of(other)
    assert lab.wait(60) and "No space left" in lab.status.trouble and lab.state.activity == "ready"
    press(lab, "prune")
    assert lab.state.snapshot.phase == "pruned"
