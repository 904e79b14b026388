"""Output that cannot be written: what an encoding lacks is escaped, a full disk is one line, files are tried first."""

import errno
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import prunelab as pl
from prunelab import disk, models
from prunelab.cli.app import app
from prunelab.cli.errors import FAILED, CommandError
from prunelab.cli.output import check_writable, written

SMALL = ("--model", "mlp-small", "--epochs", "2", "--retrain-epochs", "1", "--rounds", "1")
FULL = Path("/dev/full")  # every write to it fails, as on a full disk
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def command(*arguments: str, stdout: Path, encoding: str = "utf-8", unbuffered: str = "") -> tuple[int, str]:
    """(exit code, stderr without line breaks) of a command that writes to a file."""
    with stdout.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-m", "prunelab.cli", *arguments], stdout=file, stderr=subprocess.PIPE, text=True,
            timeout=200, env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    return done.returncode, " ".join(done.stderr.split())


@pytest.fixture
def packed(tmp_path):
    pl.sparse.save(models.build("mlp-small", (1, 8, 8), 10), tmp_path / "net.prune")
    return str(tmp_path / "net.prune")


def test_what_an_encoding_lacks_is_escaped(packed, tmp_path):
    code, errors = command(
        "measure", packed, "--batch", "1", "--threads", "1", stdout=tmp_path / "tables", encoding="ascii"
    )
    assert (code, errors) == (0, "")
    text = (tmp_path / "tables").read_bytes().decode("ascii")
    assert "\\xb5s" in text and "kernels of the converted network" in text


@needs_full
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_run_that_cannot_be_shown_says_what_is_kept(form, tmp_path):
    folder, file = tmp_path / "kept", tmp_path / "net.prune"
    code, errors = command("run", *SMALL, "--out", str(folder), "--save", str(file), *form, stdout=FULL)
    reason = os.strerror(errno.ENOSPC)
    kept = f"The packed network is in {file}. What was reached is saved in {folder}"
    assert code == FAILED and errors.startswith(f"prunelab: the result cannot be written: {reason}. {kept}")
    assert "Traceback" not in errors and "Exception ignored" not in errors
    assert pl.Session.load(folder).finished and file.exists()


@needs_full
def test_a_sweep_that_cannot_be_shown_says_what_is_kept(tmp_path):
    folder, csv = tmp_path / "runs", tmp_path / "table.csv"
    code, errors = command("sweep", *SMALL, "--out", str(folder), "--csv", str(csv), stdout=FULL)
    assert code == FAILED and csv.exists() and "Traceback" not in errors
    assert errors.endswith(f"Kept: the table in {csv}; the runs in {folder}, and the same command shows them.")


@needs_full
@pytest.mark.parametrize("arguments", [("--version",), ("run", "--help")])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_no_command_writes_is_one_line_too(arguments, unbuffered):
    code, errors = command(*arguments, stdout=FULL, unbuffered=unbuffered)
    assert code == FAILED and errors == f"prunelab: the output cannot be written: {os.strerror(errno.ENOSPC)}"


def test_a_table_that_cannot_be_written_is_told_before_measuring(packed, tmp_path, monkeypatch):
    def measured(*_, **__):
        raise AssertionError("nothing is measured")

    monkeypatch.setattr("prunelab.cli.measure.stream", measured)
    (tmp_path / "file").touch()
    for csv in (tmp_path, tmp_path / "file" / "x.csv"):
        done = CliRunner().invoke(app, ["measure", packed, "--csv", str(csv)])
        assert done.exit_code == 2 and f"{csv}" in done.stderr.replace("\n", "")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
@pytest.mark.parametrize(
    ("command", "option", "work"),
    [("run", "--save", "prunelab.cli.run.open_session"), ("sweep", "--csv", "prunelab.cli.sweep.stream")],
)
def test_a_file_that_cannot_be_written_is_told_before_training(command, option, work, tmp_path, monkeypatch):
    def begun(*_, **__):
        raise AssertionError("nothing is trained")

    monkeypatch.setattr(work, begun)
    (tmp_path / "file").touch()
    for file in (tmp_path / "file" / "x", Path("/proc/x") if Path("/proc").is_dir() else tmp_path / "file" / "y"):
        done = CliRunner().invoke(app, [command, *SMALL, option, str(file)])
        assert done.exit_code == 2 and f"{option} {file} cannot be written" in done.stderr.replace("\n", "")


def test_a_link_and_a_pipe_stay_what_they_are(tmp_path):
    file, link, pipe = tmp_path / "file", tmp_path / "link", tmp_path / "pipe"
    file.write_bytes(b"old")
    link.symlink_to(file)
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    check_writable("--csv", pipe)  # does not wait for a reader, and is no end of the file to one
    reader.start()
    for path in (link, pipe):
        check_writable("--csv", path)
        disk.write_atomically(path, b"new")
    reader.join(60)
    done = CliRunner().invoke(app, ["run", *SMALL, "--save", str(pipe)])
    assert done.exit_code == 2 and "must be a file, from which the network can be read back" in done.stderr
    assert received == [b"new"] and pipe.is_fifo()
    assert link.is_symlink() and file.read_bytes() == b"new"
    assert left(tmp_path) == {"file", "link", "pipe"}


def test_a_link_to_what_is_not_there_yet_is_written_through(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    disk.write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "file").read_bytes() == b"new" and (tmp_path / "link").is_symlink()


def test_whether_a_file_can_be_written_is_asked_of_its_folder(tmp_path):
    """The file could be opened, but not replaced: the folder takes no name as long as that of the file beside it.

    Rights would be no hindrance to root.
    """
    file = tmp_path / f"{'long' * 60}.csv"
    file.write_text("a,b")
    for write in (lambda: check_writable("--csv", file), lambda: disk.write_atomically(file, b"c")):
        with pytest.raises((CommandError, OSError), match="cannot be written: File name too long|File name too long"):
            write()
    assert file.read_text() == "a,b" and left(tmp_path) == {file.name}


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_is_tried_and_left_as_it_was(tmp_path):
    (tmp_path / "old.csv").write_text("a,b")
    for name in ("old.csv", "new.csv", "folder/new.csv"):
        check_writable("--csv", tmp_path / name)
    assert (tmp_path / "old.csv").read_text() == "a,b"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "old.csv"]
    with pytest.raises(CommandError, match="^--csv .* cannot be written: "):
        check_writable("--csv", tmp_path / "old.csv" / "new.csv")


class Unwritable(io.StringIO):
    """A stream that takes text and cannot pass it on."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def flush(self) -> None:
        raise OSError(self.number, os.strerror(self.number))


def test_a_reader_that_has_left_is_no_error_to_speak_of():
    said = pytest.raises(CommandError, match=r"^the result cannot be written: .*\. It is in a\.csv\.$")
    with said, written(Console(file=Unwritable(errno.ENOSPC)), "It is in a.csv."):
        pass
    with pytest.raises(BrokenPipeError), written(Console(file=Unwritable(errno.EPIPE))):
        pass
    with written(Console(file=io.StringIO())):
        pass
