"""The folder of a sweep: a file a run, gone on with, and never another sweep's, half a run's or another process's."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import torch

import prunelab as pl
from prunelab.errors import ClaimedError, StorageError, SweepError
from prunelab.experiments import sweep_engines, sweep_folder, sweep_runs
from prunelab.experiments.sweep import stream, sweep
from prunelab.experiments.sweep_folder import MANIFEST, SweepFolder
from support.own_models import blobs, small
from support.sessions import quick
from support.sweeps import DATA, TINY, bare

BASE = quick(epochs=1, retrain_epochs=1, rounds=1)
GRID = {"quality": [0.5, 1.0], "seed": [0, 1]}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of the whole sweep."""
    folder = tmp_path_factory.mktemp("saved")
    sweep(BASE, directory=folder, **GRID)
    return folder


@pytest.fixture(scope="module")
def whole():
    return sweep(BASE, **GRID)


@pytest.fixture
def copied(saved, tmp_path):
    """A copy of the folder of the whole sweep."""
    return Path(shutil.copytree(saved, tmp_path / "copied"))


@pytest.fixture
def runs(monkeypatch) -> list[pl.Recipe]:
    """The recipes that are run from now on."""
    begun: list[pl.Recipe] = []
    inner = sweep_engines.run

    def noted(recipe, *rest):
        begun.append(recipe)
        return inner(recipe, *rest)

    monkeypatch.setattr(sweep_engines, "run", noted)
    return begun


def files(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def left(folder, after):
    """Start the sweep and leave it after some runs."""
    watched = stream(BASE, directory=folder, **GRID)
    for _ in range(1 + after):
        next(watched)
    watched.close()


def test_a_file_a_run_named_by_its_recipe_and_what_sweep_it_is(tmp_path, whole):
    result = sweep(BASE, directory=tmp_path / "new" / "folder", **GRID)
    folder = tmp_path / "new" / "folder"
    assert bare(result) == bare(whole)
    assert files(folder) == sorted([MANIFEST, *(f"{recipe.key}.json" for recipe in whole.recipes)])
    for run in result.runs:
        values = json.loads((folder / f"{run.recipe.key}.json").read_text())
        assert values == {"prunelab_run": 1, **run.to_dict()}


@pytest.mark.parametrize("after", [0, 1, 3, 4])
def test_the_same_again_does_what_is_missing(tmp_path, whole, runs, after):
    left(tmp_path, after)
    assert len(files(tmp_path)) == after + 1 and len(runs) == after
    progress = []
    result = sweep(BASE, directory=str(tmp_path), on_progress=progress.append, **GRID)
    assert bare(result) == bare(whole)
    assert len(runs) == len(set(runs)) == 4 and progress[0].done == after
    assert progress[-1].seconds_left == 0
    assert sweep(BASE, directory=tmp_path, **GRID) == result and len(runs) == 4, "times too: nothing was done"


def test_a_run_that_failed_is_not_tried_again(tmp_path, runs):
    settings = {"learning_rate": [10.0, 0.1], "strength": 1.0}
    result = sweep(quick(epochs=2), directory=tmp_path, **settings)
    assert len(result.failed) == 1 and len(runs) == 2
    assert sweep(quick(epochs=2), directory=tmp_path, **settings) == result and len(runs) == 2


def test_files_of_a_process_that_was_killed_while_it_wrote_are_removed(copied):
    half = copied / f".{BASE.key}.json.0123456789abcdef"
    half.write_text('{"prunelab_run": 1, "kept"')
    sweep(BASE, directory=copied, **GRID)
    assert not half.exists()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({**GRID, "quality": [0.5, 2.0]}, "quality = 0.5, 1.0 there, 0.5, 2.0 here"),
        ({**GRID, "seed": [0, 1, 2]}, "seed = 0, 1 there, 0, 1, 2 here"),
        ({**GRID, "optimizer": "adam"}, "optimizer = sgd there, adam here"),
        ({"density": [0.5], "seed": [0, 1]}, "rule = quality there, density here; quality = 0.5, 1.0 there, 1.5 here"),
        ({}, "holds another sweep"),
    ],
)
def test_a_folder_of_another_sweep_is_refused_and_stays_as_it_is(copied, whole, other, said, runs):
    before = {name: (copied / name).read_bytes() for name in files(copied)}
    with pytest.raises(StorageError, match=f"{said}.*choose another directory"):
        sweep(BASE, directory=copied, **other)
    assert {name: (copied / name).read_bytes() for name in files(copied)} == before
    assert bare(sweep(BASE, directory=copied, **GRID)) == bare(whole) and not runs, "and is free"


def test_custom_models_and_data_are_told_apart(tmp_path):
    model = small()
    first = sweep(TINY, model=model, data=DATA, directory=tmp_path, quality=[0.3, 0.6])
    assert sweep(TINY, model=small(), data=DATA, directory=tmp_path, quality=[0.3, 0.6]) == first
    with torch.no_grad():
        model[0].bias[0] += 1
    with pytest.raises(StorageError, match="another model of your own"):
        sweep(TINY, model=model, data=DATA, directory=tmp_path, quality=[0.3, 0.6])
    x, y = blobs()
    with pytest.raises(StorageError, match="another data of your own"):
        sweep(TINY, model=small(), data=((x + 1, y), (x, y)), directory=tmp_path, quality=[0.3, 0.6])


class Custom(torch.nn.Module):
    """A model of which its state dict and its repr do not tell all."""

    def __init__(self, *, slope=0.1, act=torch.relu, scale=1.0, phase=0.0, sizes=(1, 2)):
        super().__init__()
        self.slope, self.act, self.sizes = slope, act, sizes
        self.register_buffer("scale", torch.tensor(scale), persistent=False)
        self.turn = torch.nn.Parameter(torch.full((4, 4), complex(1, phase)))
        self.cache = object()  # another one in every process


def same_but_for_its_layout():
    class Net(torch.nn.Linear):
        def forward(self, x):  # the same, said in another way
            return super().forward(
                x.relu(),
            )

    return Net(4, 3)


def edited():
    class Net(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x.tanh())

    return Net(4, 3)


def test_custom_models_are_told_apart_by_what_they_compute(tmp_path):
    class Net(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x.relu())

    def folder(model):
        model.load_state_dict(first.state_dict())
        return SweepFolder(tmp_path, (TINY,), sweep_runs.Custom(torch.nn.Sequential(model)), "sessions")

    first = Net(4, 3)
    with folder(first) as opened:
        opened.begin()
    folder(same_but_for_its_layout()).close()
    with pytest.raises(StorageError, match="another model of your own"):
        folder(edited())


@pytest.mark.parametrize(
    "other",
    [{"slope": 0.2}, {"act": torch.tanh}, {"scale": 2.0}, {"phase": 1.0}, {"sizes": (1, 3)}],
    ids=lambda other: next(iter(other)),
)
def test_custom_models_are_told_apart_by_what_they_do_not_save(other, tmp_path):
    recipes = (TINY,)
    with SweepFolder(tmp_path, recipes, sweep_runs.Custom(Custom()), "sessions") as folder:
        folder.begin()
    with SweepFolder(tmp_path, recipes, sweep_runs.Custom(Custom().eval()), "sessions"):
        pass
    with pytest.raises(StorageError, match="another model of your own"):
        SweepFolder(tmp_path, recipes, sweep_runs.Custom(Custom(**other)), "sessions")


def test_a_run_of_another_sweep_among_the_files_is_named(copied, tmp_path):
    (stray,) = sweep(BASE, directory=tmp_path / "other", quality=2.0).recipes
    os.replace(tmp_path / "other" / f"{stray.key}.json", copied / f"{stray.key}.json")
    with pytest.raises(StorageError, match=f"{stray.key}.json is a run of another sweep"):
        sweep(BASE, directory=copied, **GRID)


def changed(**changes):
    def change(content):
        return json.dumps({**json.loads(content), **changes}).encode()

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content[:-20], "is damaged .*delete it, and this run is done again"),
        (lambda content: b"", "is damaged .*delete it"),
        (lambda content: b"\xff\x00\xfe", "is damaged .*delete it"),
        (lambda content: b"[" * 100_000, "is damaged .*delete it"),
        (lambda content: b"[1, 2]", "the key prunelab_run is missing.*delete it"),
        (changed(prunelab_run=2), "prunelab_run = 2, but this version reads format 1; update prunelab"),
        (changed(prunelab_run="1"), "prunelab_run = '1'"),
        (changed(accuracy="0.9"), "accuracy = 0.9 cannot be"),
        (changed(kept=-1), "kept = -1 cannot be"),
        (changed(loss=float("nan")), "loss = nan cannot be"),
        (changed(layers={"fc1.weight": [1]}), "layers = .* cannot be"),
        (changed(more=1), "more: missing, or not of"),
        (changed(recipe={"qualty": 1}), "qualty"),
        (changed(recipe=[]), "recipe = .* cannot be"),
    ],
)
def test_a_damaged_or_newer_file_is_named_with_what_to_do(copied, whole, runs, change, said):
    file = copied / f"{whole.recipes[2].key}.json"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(StorageError, match=f"{file.name}.*{said}"):
        sweep(BASE, directory=copied, **GRID)
    assert not runs
    file.unlink()
    assert bare(sweep(BASE, directory=copied, **GRID)) == bare(whole), "as the message says"
    assert runs == [whole.recipes[2]]


def test_results_of_another_engine_are_not_mixed_with_these(copied):
    with pytest.raises(StorageError, match=r"another sweep \(engine = sessions there, stacked here\)"):
        sweep(BASE, directory=copied, engine="stacked", **GRID)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content[:-20], "damaged .*choose another directory"),
        (changed(prunelab_sweep=2), "prunelab_sweep = 2, but this version reads format 1; update prunelab"),
        (changed(recipes=5), "damaged .*recipes"),
        (changed(recipes=[{"quality": -1}]), "damaged .*quality = -1"),
        (changed(recipes=[3]), "damaged"),
    ],
)
def test_a_damaged_or_newer_manifest_is_refused(copied, change, said):
    (copied / MANIFEST).write_bytes(change((copied / MANIFEST).read_bytes()))
    with pytest.raises(StorageError, match=f"{MANIFEST}.*{said}"):
        sweep(BASE, directory=copied, **GRID)


def test_two_sweeps_on_one_folder_are_refused_until_the_first_ends(copied, monkeypatch, whole):
    monkeypatch.setattr(sweep_folder, "PATIENCE", 0.0)
    first = stream(BASE, directory=copied, **GRID)
    next(first)
    with pytest.raises(ClaimedError, match="in use by another"):
        sweep(BASE, directory=copied, **GRID)
    first.close()
    assert bare(sweep(BASE, directory=copied, **GRID)) == bare(whole)


def test_the_folder_is_free_after_an_error_of_whoever_watches(copied):
    def gone(progress):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError) as kept:
        sweep(BASE, directory=copied, on_progress=gone, **GRID)
    assert sweep(BASE, directory=copied, **GRID).complete and kept.value.__traceback__ is not None


def test_a_full_disk_keeps_what_is_finished_and_the_same_again_goes_on(tmp_path, monkeypatch, whole):
    write, written = sweep_folder.write_atomically, []

    def full(path, content):
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        write(path, content)

    monkeypatch.setattr(sweep_folder, "write_atomically", full)
    with pytest.raises(SweepError, match="No space left on device. 3 of 4 runs .*the same command again") as info:
        sweep(BASE, directory=tmp_path, **GRID)
    assert len(info.value.sweep.runs) == 3 and len(files(tmp_path)) == 3, "the manifest and two runs"
    monkeypatch.setattr(sweep_folder, "write_atomically", write)
    assert bare(sweep(BASE, directory=tmp_path, **GRID)) == bare(whole)


def test_a_disk_that_is_full_from_the_start(tmp_path, monkeypatch, runs):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sweep_folder, "write_atomically", full)
    with pytest.raises(StorageError, match="could not be written: No space left"):
        sweep(BASE, directory=tmp_path, **GRID)
    assert not runs


def test_a_folder_that_cannot_be_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be used for saving"):
        sweep(BASE, directory=tmp_path / "file", **GRID)


class Noted(torch.nn.Linear):
    def get_extra_state(self):
        return {"notes": "no tensor"}

    def set_extra_state(self, state):
        pass


@pytest.mark.parametrize("engine", ["sessions", "stacked"])
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"layer_quality": {"fc9": 1.0}}, "'fc9' matches no layer"),
        ({"model": torch.nn.Linear(4, 2)}, "2 outputs, but the data have 3 classes"),
        ({"model": torch.nn.LazyLinear(3)}, "has no shape yet"),
        ({"model": torch.nn.Linear(4, 3, device="meta")}, "meta"),
        ({"model": Noted(4, 3)}, "_extra_state in the model's state dict is a dict"),
    ],
    ids=["layer", "outputs", "lazy", "meta", "extra state"],
)
def test_a_sweep_that_cannot_be_run_takes_no_folder_from_the_one_that_can(wrong, words, engine, tmp_path):
    with pytest.raises(ValueError, match=words):
        sweep(TINY, **{"model": small(), "data": DATA, **wrong}, engine=engine, directory=tmp_path, quality=[0.3, 0.6])
    assert files(tmp_path) == []

    assert sweep(TINY, model=small(), data=DATA, engine=engine, directory=tmp_path, quality=[0.3, 0.6]).complete


def test_a_recipe_that_cannot_be_stacked_takes_no_folder_from_the_one_that_can(tmp_path):
    with pytest.raises(ValueError, match="the stacked engine knows only"):
        sweep(TINY, engine="stacked", rule="density", regrow=0.2, directory=tmp_path, density=[0.3, 0.6])
    assert files(tmp_path) == []
