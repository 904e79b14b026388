"""The command line: quick to answer, the same numbers as a Session, errors in one line."""

import json
import socket
import subprocess
import sys

import pytest
import torch
from typer.testing import CliRunner

import prunelab as pl
from prunelab import models
from prunelab.cli import run
from prunelab.cli.app import app
from prunelab.disk import claim
from prunelab.errors import ClaimedError

SMALL = ("--model", "mlp-small", "--epochs", "2", "--retrain-epochs", "1", "--rounds", "1")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "prunelab.cli", *arguments], capture_output=True, text=True, timeout=200
    )


def test_help_names_every_command_and_loads_no_torch():
    done = command("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("dashboard", "lab", "run", "sweep", "measure", "bench"))
    probe = (
        "import sys, prunelab.cli; print([m for m in ('torch', 'voila', 'numpy', 'ipywidgets') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_run_gives_the_numbers_of_a_session(tmp_path):
    done = command("run", *SMALL, "--json", "--out", str(tmp_path / "s"))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=2, retrain_epochs=1, rounds=1))
    for _ in session:
        pass
    assert pl.Session.load(tmp_path / "s").snapshot().scalars() == session.snapshot().scalars()
    text = json.dumps(result)
    assert f"{session.snapshot().kept}" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--quality", "nan"), "quality"),
        (("run", "--rounds", "0"), "rounds"),
        (("run", "--model", "lenet-3000"), "lenet"),
        (("dashboard", "--no-browser", "--data", "cats"), "cats"),
        (("run", "--save", f"{__file__}/all.prune"), "all.prune cannot be written"),
        (("run", "--out", __file__), "this folder can't be made"),
        (("dashboard", "--no-browser", "--port", "0", "--session", __file__), "this folder can't be made"),
        (("run", "--bits", "4"), "--save FILE"),
        (("run", "--quality", "1", "--density", "0.1"), "a run has one rule"),
        (("measure", "nothing.prune"), "nothing.prune cannot be read"),
        (("measure", __file__), "is not a packed file"),
    ],
)
def test_bad_values_are_one_clear_error(arguments, said):
    done = command(*arguments)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_a_port_in_use_says_so():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = command("dashboard", "--no-browser", "--port", str(port))
    assert done.returncode == 2 and str(port) in done.stderr and "--port" in done.stderr


def test_a_run_is_packed_and_the_file_is_measured_as_the_session_is(tmp_path):
    file, folder = tmp_path / "small.prune", tmp_path / "s"
    done = command("run", *SMALL, "--json", "--save", str(file), "--out", str(folder))
    assert done.returncode == 0, done.stderr
    packed, session = json.loads(done.stdout)["packed"], pl.Session.load(folder)
    assert packed["bytes"] == file.stat().st_size and packed["accuracy"] == session.snapshot().test_accuracy
    for name, tensor in pl.sparse.load(file).items():
        assert torch.equal(tensor, session.model.state_dict()[name])
    csv = tmp_path / "figures.csv"
    options = ("--batch", "4", "--threads", "1", "--json")
    figures = [
        json.loads(command("measure", str(source), *options, "--csv", str(csv)).stdout) for source in (file, folder)
    ]
    for found in figures:
        sizes = {size["format"]: size["bytes"] for size in found["sizes"]}
        assert sizes["packed"] == packed["bytes"] and found["kept"] >= session.masks.kept
        assert {x["network"] for x in found["latencies"]} == {"dense", "sparse", "converted", "compacted"}
        assert all(x["batch"] == 4 and 0 < x["low"] <= x["median"] <= x["high"] for x in found["latencies"])
    assert csv.read_text().startswith("what,name,batch,threads,value,low,high,least,unit\nsize,dense,")
    tables = command("measure", str(file), *options[:-1]).stdout
    assert "kernels of the converted network" in tables and "as fast as dense" in tables.replace("\n", " ")


def test_shared_values_make_the_file_smaller_and_their_accuracy_is_told(tmp_path):
    exact, shared = tmp_path / "exact.prune", tmp_path / "shared.prune"
    for file, more in ((exact, ()), (shared, ("--bits", "3"))):
        done = command("run", *SMALL, "--save", str(file), *more)
        assert done.returncode == 0 and "accuracy from that file" in done.stdout.replace("\n", " "), done.stderr
    assert shared.stat().st_size < 0.6 * exact.stat().st_size


def test_a_file_of_an_unknown_network_says_what_to_do(tmp_path):
    pl.sparse.save(torch.nn.Linear(7, 3), tmp_path / "own.prune")
    done = command("measure", str(tmp_path / "own.prune"))
    assert done.returncode == 2 and "sparse.load(file, model)" in done.stderr.replace("\n", " ")


def test_threads_that_cannot_be_are_refused(tmp_path):
    pl.sparse.save(models.build("mlp-small", (1, 8, 8), 10), tmp_path / "net.prune")
    done = command("measure", str(tmp_path / "net.prune"), "--batch", "1", "--threads", "40000")
    assert done.returncode == 2 and "40000 are too many for this machine" in done.stderr.replace("\n", " ")


def test_two_runs_do_not_share_a_folder(tmp_path):
    lock = claim(tmp_path)
    done = command("run", *SMALL, "--out", str(tmp_path))
    lock.release()
    assert done.returncode == 1 and "is in use by another" in done.stderr.replace("\n", " ")


def test_a_run_holds_its_folder_until_it_has_ended(tmp_path, monkeypatch):
    finish = run._finish

    def while_another_tries(*arguments):
        with pytest.raises(ClaimedError, match="in use by another"):
            claim(tmp_path, patience=0.0)
        finish(*arguments)

    monkeypatch.setattr(run, "_finish", while_another_tries)
    done = CliRunner().invoke(app, ["run", *SMALL, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    claim(tmp_path, patience=0.0).release()
