"""A home that cannot be written is replaced by a temporary folder, and the user is told."""

import os

import pytest

from prunelab.errors import ServeError
from prunelab.serve.home import make_writable


def test_a_home_that_can_be_written_stays(tmp_path):
    env = {"HOME": str(tmp_path)}
    assert make_writable(env) == "" and env == {"HOME": str(tmp_path)}


def test_another_place_is_private_the_same_each_time_and_told(tmp_path):
    missing = tmp_path / "missing"
    first, again = {"HOME": str(missing)}, {"HOME": str(missing)}
    words = make_writable(first, tmp_path)
    assert make_writable(again, tmp_path) == words and first == again
    assert str(missing) in words and first["HOME"] in words
    assert os.stat(first["HOME"]).st_mode & 0o777 == 0o700


def test_a_user_whom_the_system_does_not_know_gets_a_home(tmp_path, monkeypatch):
    """As in a container that is run with any number for a user, and names no HOME."""

    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("prunelab.serve.home.Path.home", unknown)
    env: dict[str, str] = {}
    assert "this user has no home" in make_writable(env, tmp_path)
    assert os.access(env["HOME"], os.W_OK)


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"prunelab-home-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ServeError, match="belongs to somebody else"):
        make_writable({"HOME": str(tmp_path / "missing")}, tmp_path)


def test_without_any_place_both_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ServeError, match="missing cannot be written, and .*file"):
        make_writable({"HOME": str(tmp_path / "missing")}, tmp_path / "file")
