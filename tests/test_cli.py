"""The command line: quick to answer, the same numbers as a Session, errors in one line."""

import json
import socket
import subprocess
import sys

import pytest

import prunelab as pl

SMALL = ("--model", "mlp-small", "--epochs", "2", "--retrain-epochs", "1", "--rounds", "1")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "prunelab.cli", *arguments], capture_output=True, text=True, timeout=200
    )


def test_help_names_every_command_and_loads_no_torch():
    done = command("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("dashboard", "lab", "run", "bench"))
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
