"""The user's copy of the lessons: never overwritten; new versions arrive beside it."""

import json
import pathlib

import pytest
from typer.testing import CliRunner

from prunelab import resources
from prunelab.cli import lab
from prunelab.cli.app import app
from prunelab.cli.errors import BAD_INPUT, CommandError
from prunelab.cli.notebook_copies import copy_missing, lesson_path
from prunelab.errors import LessonError

NAME = "02_threshold.ipynb"


def write(folder: pathlib.Path, version: object, text: str = "", name: str = NAME) -> pathlib.Path:
    """A lesson of a version, as it ships or as a student has it."""
    path = folder / "lessons" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {} if version is None else {"prunelab": {"lesson": 2, "version": version}}
    path.write_text(json.dumps({"cells": [text], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture
def source(tmp_path):
    return tmp_path / "source"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mine"


def test_a_lesson_is_copied_once_and_then_is_the_students(source, folder):
    write(source, 1)
    assert copy_missing(source, folder).new == [folder / "lessons" / NAME]
    mine = write(folder, 1, "my work")
    before = mine.read_bytes()
    copied = copy_missing(source, folder)
    assert (copied.new, copied.words) == ([], [])
    assert mine.read_bytes() == before


def test_a_newer_version_arrives_beside_the_students_work_once_and_with_a_word(source, folder):
    new = write(source, 2, "new text")
    mine = write(folder, 1, "my work")
    before = mine.read_bytes()
    copied = copy_missing(source, folder)
    beside = folder / "lessons" / "02_threshold.v2.ipynb"
    assert copied.new == [beside]
    assert "your version 1 and stays as it is" in copied.words[0]
    assert beside.read_bytes() == new.read_bytes() and mine.read_bytes() == before

    beside.write_text("work in version 2")
    again = copy_missing(source, folder)
    assert (again.new, again.words) == ([], [])
    assert beside.read_text() == "work in version 2"

    write(source, 3)
    assert copy_missing(source, folder).new == [folder / "lessons" / "02_threshold.v3.ipynb"]


@pytest.mark.parametrize("version", [None, "1", True, {"a": 1}])
def test_a_copy_without_a_version_stays_and_that_is_said(version, source, folder):
    write(source, 2)
    mine = write(folder, version, "my work")
    before = mine.read_bytes()
    copied = copy_missing(source, folder)
    assert copied.new == [] and "no version, or is damaged" in copied.words[0]
    assert mine.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"metadata": 3}', b"[" * 100_000, b"\xff"])
def test_a_damaged_copy_stays_and_that_is_said(content, source, folder):
    write(source, 2)
    mine = write(folder, 1)
    mine.write_bytes(content)
    copied = copy_missing(source, folder)
    assert copied.new == [] and "damaged" in copied.words[0]
    assert mine.read_bytes() == content


def test_a_copy_of_a_newer_prunelab_stays_and_that_is_said(source, folder):
    write(source, 1)
    write(folder, 2)
    copied = copy_missing(source, folder)
    assert copied.new == [] and "update prunelab" in copied.words[0]


def test_other_notebooks_have_no_versions(source, folder):
    write(source, 2)
    (source / "other.ipynb").write_text("{}")
    copy_missing(source, folder)
    (folder / "other.ipynb").write_text("mine")
    copied = copy_missing(source, folder)
    assert (copied.new, copied.words) == ([], [])


def test_a_lesson_is_opened_in_the_version_that_belongs_to_this_prunelab(source, folder):
    write(source, 1)
    copy_missing(source, folder)
    assert lesson_path(2, source, folder).name == NAME
    write(source, 2)
    copy_missing(source, folder)
    assert lesson_path(2, source, folder).name == "02_threshold.v2.ipynb"


def test_a_lesson_that_is_not_there_is_named(source, folder):
    write(source, 1)
    with pytest.raises(LessonError, match="lesson 3, .* did not come with prunelab"):
        lesson_path(3, source, folder)
    with pytest.raises(LessonError, match="no lesson 99: there are 0 to 13"):
        lesson_path(99, source, folder)


def test_the_page_that_is_opened(tmp_path, source, monkeypatch):
    write(source, 1)
    (source / "dashboard.ipynb").write_text("{}")
    monkeypatch.setattr(resources, "notebooks", lambda: source)
    said: list[str] = []
    lab.copy(tmp_path / "mine", say=said.append)
    assert said == [f"new in {tmp_path / 'mine'}: dashboard.ipynb, {NAME}"]
    assert lab.first_page(tmp_path / "mine", None) == "dashboard.ipynb"
    assert lab.first_page(tmp_path / "mine", 2) == f"lessons/{NAME}"
    with pytest.raises(CommandError, match="no lesson 99") as error:
        lab.first_page(tmp_path / "mine", 99)
    assert error.value.code == BAD_INPUT


def test_copying_alone_opens_no_lesson(tmp_path):
    done = CliRunner().invoke(app, ["lab", str(tmp_path), "--copy-only", "--lesson", "2"])
    assert done.exit_code == BAD_INPUT and "opens nothing" in done.stderr


def test_what_an_editor_leaves_beside_notebooks_is_not_copied(source, folder):
    (source / ".ipynb_checkpoints").mkdir(parents=True)
    (source / ".ipynb_checkpoints" / NAME).write_text("")
    assert copy_missing(source, folder).new == []
