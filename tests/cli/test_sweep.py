"""``prunelab sweep``: a grid from options, saved as it goes, stopped by a signal and gone on with."""

import csv
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

import prunelab as pl
from prunelab.cli.app import app
from prunelab.cli.errors import CommandError
from prunelab.cli.recipe_options import grid_from
from prunelab.cli.stopping import Stopped, stoppable
from prunelab.disk import claim
from support.sweeps import bare
from support.terminals import heeds_its_terminal

SMALL = ("--model", "mlp-small", "--epochs", "2", "--retrain-epochs", "1", "--rounds", "1")
BASE = pl.Recipe(model="mlp-small", epochs=2, retrain_epochs=1, rounds=1)


def command(*arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr without line breaks)."""
    done = CliRunner().invoke(app, ["sweep", *SMALL, *arguments])
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({"quality": "1,1.5,2"}, {"quality": [1.0, 1.5, 2.0]}),
        ({"seed": "0:3"}, {"seed": [0, 1, 2]}),
        ({"seed": "0:9:4,20,2:4", "rounds": "2"}, {"rounds": [2], "seed": [0, 4, 8, 20, 2, 3]}),
        ({"ramp": "true,false", "regularizer": "l1,l2"}, {"ramp": [True, False], "regularizer": ["l1", "l2"]}),
        ({"epochs": "3,usual"}, {"epochs": [3, None]}),
        ({"quality": "much"}, {"quality": ["much"]}),
    ],
)
def test_options_are_the_values_of_a_grid(given, settings):
    start, parsed = grid_from(given)
    assert {name: list(values) for name, values in parsed.items()} == settings and start == pl.Recipe()


def test_seeds_change_fastest_and_qualities_of_layers_hold_for_all():
    _, settings = grid_from({"seed": "0,1", "quality": "1,2", "layer_quality": ["fc1=1.2", "fc2=0.5"]})
    assert list(settings) == ["quality", "layer_quality", "seed"]
    assert settings["layer_quality"] == {"fc1": 1.2, "fc2": 0.5}


@pytest.mark.parametrize("text", ["0:", ":3", "0:3:0", "0:1:2:3", "a:b", "0:1.5"])
def test_a_range_that_is_none_is_refused_with_an_example(text):
    with pytest.raises(CommandError, match=f"--seed {text}: a range is first:end or first:end:step, as in 0:3"):
        grid_from({"seed": text})


def test_the_table_is_that_of_a_sweep_in_every_form_and_the_same_again_goes_on(tmp_path):
    arguments = ("--quality", "0.5,1", "--seed", "0:2", "--out", str(tmp_path / "s"))
    code, output, errors = command(*arguments, "--workers", "2", "--csv", str(tmp_path / "s.csv"), "--json")
    assert code == 0, errors
    sweep = pl.sweep(BASE, quality=[0.5, 1], seed=[0, 1])
    found = json.loads(output)
    untimed = [[{**row, "seconds": 0} for row in rows] for rows in (found["runs"], sweep.rows())]
    assert [{name: row[name] for name in untimed[1][0]} for row in untimed[0]] == untimed[1]
    assert (found["common"]["model"], "seed" in found["common"], found["planned"]) == ("mlp-small", False, 4)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "s.csv").read_text())))
    assert [row["key"] for row in rows] == [recipe.key for recipe in sweep.recipes]
    saved = {path: path.stat().st_mtime_ns for path in (tmp_path / "s").glob("*.json")}
    assert len(saved) == 5 and bare(pl.sweep(BASE, directory=tmp_path / "s", quality=[0.5, 1], seed=[0, 1])) == bare(
        sweep
    )

    code, output, errors = command(*arguments)
    assert code == 0, errors
    assert "4 of 4 runs reached their end" in output and "mean over seeds" in output and "±" in output
    assert f"{100 * sweep.runs[0].accuracy:.2f} %" in output
    assert {path: path.stat().st_mtime_ns for path in saved} == saved, "nothing was run again"


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, "0"), (signal.SIGTERM, "1"), (signal.SIGHUP, "1")])
def test_a_signal_keeps_what_is_finished_and_says_how_to_go_on(tmp_path, number, workers):
    arguments = ("sweep", *SMALL, "--seed", "0:2000", "--out", str(tmp_path), "--workers", workers)
    process = subprocess.Popen(
        [sys.executable, "-m", "prunelab.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeds_its_terminal,
    )
    until(lambda: len(list(tmp_path.glob("*.json"))) >= 2, process)
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    errors = " ".join(errors.split())
    assert process.returncode == 128 + number
    assert f"of 2000 runs have ended. They are saved in {tmp_path}; the same command goes on from there." in errors
    assert "Traceback" not in errors and "leaked" not in errors
    claim(tmp_path, patience=0.0).release()


def test_with_workers_a_signal_is_heard_between_steps_and_never_where_locks_are_held():
    with stoppable(at_once=False) as stop:
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
            with pytest.raises(Stopped) as stopped:
                stop.check()
            assert stopped.value.number == number
    with pytest.raises(Stopped), stoppable():
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_within_the_executor_does_not_keep_its_locks(tmp_path, monkeypatch):
    begun, whole = [], []

    class Signalled(ProcessPoolExecutor):
        """Its own locks are held while a signal comes."""

        def submit(self, *arguments):
            begun.append(arguments)
            os.kill(os.getpid(), signal.SIGTERM)
            whole.append(arguments)
            return super().submit(*arguments)

    monkeypatch.setattr("prunelab.cli.sweep.ProcessPoolExecutor", Signalled)
    code, _, errors = command("--seed", "0:9", "--out", str(tmp_path), "--workers", "1")
    assert code == 128 + signal.SIGTERM and "of 9 runs have ended" in errors
    assert begun == whole != []
    while multiprocessing.active_children():  # as long as a test may take: the executor's thread may see the end first
        time.sleep(0.01)


def until(condition, process: subprocess.Popen[str]) -> None:
    """Wait, as long as a test may take, until the condition holds; the process must go on meanwhile."""
    while not condition():
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--quality", "1,11"), 2, "quality = 11.0: must be a number from 0 to 10"),
        (("--seed", "3:3"), 2, "seed has no values, an empty grid"),
        (("--seed", "0:a:"), 2, "--seed 0:a:: a range is first:end"),
        (("--ramp", "true,maybe"), 2, "ramp = maybe: must be true or false"),
        (("--density", "0.1", "--layer-quality", "fc1=1"), 2, "layer_quality: no run has the rule 'quality'"),
        (("--layer-quality", "fc1=1", "--layer-quality", "fc1=2"), 2, "--layer-quality fc1=2: fc1 has a quality"),
        (("--engine", "motor"), 2, "engine = 'motor': must be one of"),
        (("--csv", f"{__file__}/all.csv"), 2, "all.csv cannot be written"),
        (("--learning-rate", "10", "--strength", "1"), 1, "no run reached its end"),
    ],
)
def test_what_cannot_be_is_one_clear_error(arguments, code, said):
    found, _, errors = command(*arguments)
    assert found == code and said in errors and "Traceback" not in errors


def test_a_folder_in_use_or_of_another_sweep(tmp_path):
    lock = claim(tmp_path)
    code, _, errors = command("--out", str(tmp_path))
    lock.release()
    assert code == 1 and "is in use by another" in errors
    pl.sweep(BASE, directory=Path(tmp_path), quality=3.0)
    code, _, errors = command("--out", str(tmp_path), "--quality", "2.5")
    assert code == 1 and "holds another sweep (quality = 3.0 there, 2.5 here)" in errors
