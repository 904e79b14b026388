"""Progress: one file that outlives kernels, is never damaged, and is never lost without a word."""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from prunelab import lessons
from prunelab.lessons import check, hint, ledger, progress_file, solution
from prunelab.lessons.checks import EXERCISES

FILE = progress_file.NAME


def right(weights, threshold):
    return weights.abs() >= threshold


def wrong(weights, threshold):
    return weights >= threshold


def entry(name: str = "mask") -> dict:
    return json.loads(pathlib.Path(FILE).read_text())["exercises"][name]


def test_a_stub_is_no_try() -> None:
    check.mask(lambda weights, threshold: None)

    assert not pathlib.Path(FILE).exists()


def test_tries_hints_and_solutions_are_counted() -> None:
    check.mask(wrong)
    hint.mask()
    hint.mask()
    hint.mask(1)
    solution.mask()
    check.mask(right)

    found = entry()
    assert (found["tries"], found["hints"], found["solutions"], found["outcome"]) == (2, 2, 1, "right")
    assert found["right"] is not None


def test_one_try_and_one_hint_are_said_as_one() -> None:
    hint.mask(1)
    check.mask(right)

    assert "1 try, 1 hint\n" in repr(lessons.progress())


def test_what_was_right_once_stays_right() -> None:
    check.mask(right)
    check.mask(wrong)

    assert entry()["outcome"] == "wrong"
    table = lessons.progress()
    assert table.done == 1
    assert ("2 The threshold", "mask", "Right", 2, 0) in table.rows


def test_a_name_that_no_folder_can_have_is_said() -> None:
    assert "null byte" in repr(lessons.progress("a\0b"))


def test_the_table_names_every_exercise_and_escapes_what_it_shows() -> None:
    table = lessons.progress()

    assert [row[1] for row in table.rows] == list(EXERCISES)
    assert table.done == 0
    shown = table._repr_mimebundle_()
    assert "Not begun" in shown["text/plain"]
    assert "<table>" in shown["text/html"]
    assert "&lt;b&gt;" in progress_file.Table({}, "<b>")._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"version": true, "exercises": {}}',
        b'{"version": 1}',
        b'{"version": 1, "exercises": {"mask": {"tries": -1}}}',
        b'{"version": 1, "exercises": {"mask": 3}}',
        b"[" * 100_000,
        b"\xff\xfe\x00",
        b" " * (ledger.LARGEST + 1),
    ],
)
def test_a_damaged_file_is_kept_aside_and_that_is_said(content: bytes) -> None:
    pathlib.Path(FILE).write_bytes(content)

    assert "damaged" in repr(lessons.progress())
    assert pathlib.Path(FILE).read_bytes() == content
    result = check.mask(right)

    assert result.outcome == "right"
    assert "damaged" in result.says
    assert pathlib.Path("prunelab-progress.damaged-1.json").read_bytes() == content
    assert entry()["tries"] == 1
    assert "damaged" not in check.mask(right).says


def test_damaged_files_do_not_replace_each_other() -> None:
    for content in (b"one", b"two"):
        pathlib.Path(FILE).write_bytes(content)
        check.mask(right)

    kept = sorted(path.read_bytes() for path in pathlib.Path().glob("*damaged*"))
    assert kept == [b"one", b"two"]


def test_a_file_of_a_newer_prunelab_is_left_alone() -> None:
    content = b'{"version": 2, "something": "new"}'
    pathlib.Path(FILE).write_bytes(content)

    result = check.mask(right)

    assert result.outcome == "right"
    assert "newer prunelab" in result.says
    assert pathlib.Path(FILE).read_bytes() == content
    assert "newer prunelab" in repr(lessons.progress())


def test_a_folder_that_cannot_be_written_is_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: pathlib.Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(ledger, "write_atomically", refused)

    for shown in (check.mask(right).says, hint.mask().text, solution.mask().text):
        assert "Permission denied" in shown


def test_a_folder_in_the_place_of_the_file_is_words() -> None:
    pathlib.Path(FILE).mkdir()

    assert "not recorded" in check.mask(right).says
    assert "cannot be read" in repr(lessons.progress())


def test_a_working_folder_that_is_gone_is_words(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    shutil.rmtree(gone)

    assert "not recorded" in check.mask(right).says
    assert "gone" in repr(lessons.progress())


def test_a_file_that_another_kernel_holds_is_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "PATIENCE", 0.01)
    with ledger.FileLock(f".{FILE}.lock"):
        assert "in use" in check.mask(right).says


def test_kernels_at_the_same_time_lose_nothing() -> None:
    code = (
        "from prunelab.lessons import progress_file; from prunelab.lessons.checks import EXERCISES\n"
        "for _ in range(20): assert not progress_file.checked(EXERCISES['mask'], 'wrong')"
    )
    kernels = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]

    assert [kernel.wait() for kernel in kernels] == [0, 0, 0]
    assert entry()["tries"] == 60
