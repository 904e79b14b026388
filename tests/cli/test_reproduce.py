"""``prunelab reproduce``: the tables beside published numbers, stopped and gone on; in miniature."""

import io
from pathlib import Path

import pytest
from rich.console import Console

import prunelab
from prunelab.cli import reproduce as command
from prunelab.cli.errors import CommandError
from prunelab.experiments import reproduce, reproduce_figures
from prunelab.recipe import Recipe
from prunelab.results.reproduction import Goal

RECIPE = Recipe(epochs=2, rule="density", density=0.25, gradual=True, rounds=2, retrain_epochs=1, retrain_rate=1.0)


@pytest.fixture
def miniature(monkeypatch):
    goal = Goal(name="small", compression=4, error=0.5, source="none", recipe=RECIPE)
    monkeypatch.setattr(command, "GOALS", {"small": goal})
    monkeypatch.setattr(command, "WHAT", {"table1": ("small",)})
    whole = reproduce.stream
    monkeypatch.setattr(command, "stream", lambda goals, **rest: whole(goals, **rest, held_out=0.1))


def run(out, csv=None, models=()):
    text = io.StringIO()
    console = Console(file=text, width=200)
    command.run("table1", models=models, seeds=2, out=out, csv=csv, stdout=console, stderr=Console(file=io.StringIO()))
    return text.getvalue()


def test_the_paper_stands_beside_ours_with_every_layer(miniature, tmp_path):
    shown = run(tmp_path / "trials", tmp_path / "all.csv")
    ours = next(line for line in shown.splitlines() if " ours " in line)
    assert "4.0x" in ours and " met" in ours and "NOT" not in ours
    assert "Han et al. 2015" in shown and "1.59 %" in shown and "Sparse variational dropout" in shown
    for layer, share in (("fc1", "8 %"), ("fc2", "9 %"), ("fc3", "26 %")):
        assert any(layer in line and share in line for line in shown.splitlines())
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 3
    assert run(tmp_path / "trials") == shown  # nothing is run again


def test_bad_input_is_told_before_anything_runs(miniature, tmp_path):
    with pytest.raises(CommandError, match="table1 is of lenet-300-100"):
        run(tmp_path, models=["lenet-5"])
    with pytest.raises(CommandError, match="__init__.py/all.csv cannot be written"):
        run(tmp_path, csv=Path(prunelab.__file__) / "all.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_figure_is_written_as_numbers_and_pictures(monkeypatch, tmp_path):
    recipe = Recipe(model="mlp-small", epochs=2, retrain_epochs=1, rounds=1)
    monkeypatch.setattr(reproduce_figures, "RECIPES", {**reproduce_figures.RECIPES, "figure4": recipe})
    text = io.StringIO()
    consoles = {"stdout": Console(file=text, width=200), "stderr": Console(file=io.StringIO())}
    command.run("figure4", models=(), seeds=1, out=tmp_path, csv=None, **consoles)
    assert len((tmp_path / "figure4.csv").read_text().splitlines()) == 65  # 8 x 8 pixels
    assert (tmp_path / "page/figure4-bands.svg").stat().st_size and (tmp_path / "column/figure4-mask.png").exists()
    assert "figure4.csv" in text.getvalue()
    with pytest.raises(CommandError, match="leave out --model and --csv"):
        command.run("figure4", models=("lenet-5",), seeds=1, out=tmp_path, csv=None, **consoles)


@pytest.mark.parametrize("figure", ["figure4", "figure6", "figure7"])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_seeds_of_a_figure_that_shows_one_run_are_refused(figure, seeds, tmp_path):
    consoles = {"stdout": Console(file=io.StringIO()), "stderr": Console(file=io.StringIO())}
    with pytest.raises(CommandError, match=f"{figure} --seeds {seeds}: shows one run"):
        command.run(figure, models=(), seeds=seeds, out=tmp_path / "out", csv=None, **consoles)
    assert list(tmp_path.iterdir()) == []
