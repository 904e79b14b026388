"""Files written whole. Folders of prunelab's own: private, and cleaned of what is old or too much and not in use."""

from __future__ import annotations

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prunelab import disk
from prunelab.errors import StorageError

NOW = 1_000_000.0


def folder(parent: Path, name: str, *, age: float, size: int) -> Path:
    made = parent / name
    made.mkdir()
    (made / "file").write_bytes(b"x" * size)
    os.utime(made / "file", (NOW - age, NOW - age))
    return made


def left(parent: Path) -> set[str]:
    return {path.name for path in parent.iterdir()}


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes among its files")
@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_is_written_into_and_stays_one(tmp_path, linked):
    """As a device, which takes root to make: /dev/null replaced by a file is gone for all programs."""
    pipe, place = tmp_path / "pipe", tmp_path / "place"
    os.mkfifo(pipe)
    if linked:  # as /dev/stdout is
        place.symlink_to(pipe)
    else:
        place = pipe
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_bytes)
        disk.write_atomically(place, content := os.urandom(200_000))
        assert read.result(timeout=30) == content
    assert stat.S_ISFIFO(os.stat(place).st_mode) and place.is_symlink() == linked
    assert left(tmp_path) == ({"pipe", "place"} if linked else {"pipe"})


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    for content in (b"one", b"two"):
        disk.write_atomically(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content and left(tmp_path) == {"file"}
    with pytest.raises(IsADirectoryError if sys.platform != "win32" else PermissionError):
        disk.write_atomically(tmp_path, b"three")


def test_old_folders_go_and_young_ones_stay(tmp_path):
    folder(tmp_path, "old", age=101, size=1)
    folder(tmp_path, "young", age=99, size=1)
    (tmp_path / "a file").write_text("is no folder")
    disk.remove_oldest(tmp_path, age=100, size=1000, now=NOW)
    assert left(tmp_path) == {"young", "a file"}


def test_of_too_many_the_oldest_go_until_the_others_fit(tmp_path):
    for number in range(5):
        folder(tmp_path, str(number), age=10 * (5 - number), size=100)
    disk.remove_oldest(tmp_path, age=1000, size=250, now=NOW)
    assert left(tmp_path) == {"3", "4"}


def test_a_folder_in_use_stays_however_old(tmp_path):
    lock = disk.claim(folder(tmp_path, "in use", age=500, size=100))
    os.utime(tmp_path / "in use" / disk.LOCK, (NOW - 500, NOW - 500))
    disk.remove_oldest(tmp_path, age=100, size=10, now=NOW)
    assert left(tmp_path) == {"in use"}
    lock.release()
    os.utime(tmp_path / "in use" / disk.LOCK, (NOW - 500, NOW - 500))
    disk.remove_oldest(tmp_path, age=100, size=10, now=NOW)
    assert left(tmp_path) == set()


def test_a_private_folder_is_the_users_alone_also_if_it_was_there_before(tmp_path, monkeypatch):
    monkeypatch.setenv(disk.CACHE, str(tmp_path))
    (tmp_path / "visits").mkdir(mode=0o755)
    assert disk.private_folder("visits").stat().st_mode & 0o777 == 0o700
    assert disk.private_folder("new") == tmp_path / "new"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(disk.CACHE, str(tmp_path / "file"))
    with pytest.raises(StorageError, match="PRUNELAB_CACHE names another"):
        disk.private_folder("visits")
