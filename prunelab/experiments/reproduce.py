"""Reproductions: every seed of every goal, run on held-in data, and tested once.

A part of the training set (HELD_OUT) is held out. Runs are watched, and recipes were
chosen, on that part alone; the test set is read once a network, when all is decided. All seeds count.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from prunelab import disk, hardware, sparse
from prunelab.data import hold_out, load
from prunelab.errors import RecipeError, StorageError
from prunelab.recipe import Recipe
from prunelab.results.published import LATER, PAPER
from prunelab.results.reproduction import Goal, Reproduction, Trial
from prunelab.results.sweep import Run
from prunelab.sessions.session import Session
from prunelab.training.evaluation import evaluate

HELD_OUT = 1 / 12  # of the training set: 5,000 of MNIST's images
SHARED_BITS = 5  # of a value in the file with shared values
FORMAT = 1  # of a trial's file

# Chosen on held-out images, seed 0: see results/README.md.
_SMALL = Recipe(
    data="mnist", model="lenet-300-100", batch_size=128, learning_rate=0.15, epochs=20, dropout=0.3, rule="density",
    gradual=True, regrow=0.3, retrain_epochs=4, retrain_rate=1.0, rounds=25,
)  # fmt: skip
_CONV = Recipe(
    data="mnist", model="lenet-5", batch_size=128, epochs=10, dropout=0.2, rule="density", gradual=True,
    retrain_epochs=1, retrain_rate=1.0, rounds=20,
)  # fmt: skip
_CONV_DEEP = _CONV.changed(learning_rate=0.075, regrow=0.3, retrain_epochs=3)


def _goal(name: str, compression: float, error: float, source: str, recipe: Recipe) -> Goal:
    recipe = recipe.changed(density=1 / compression)
    return Goal(name=name, compression=compression, error=error, source=source, recipe=recipe)


_SURGERY, _VARIATIONAL = LATER[0].source, LATER[4].source
GOALS = {
    goal.name: goal
    for goal in (
        _goal("lenet-300-100 12x", 12, 0.0159, PAPER["lenet-300-100"].source, _SMALL),
        _goal("lenet-300-100 40x", 40, 0.0164, "ours", _SMALL),
        _goal("lenet-300-100 68x", 68, 0.0190, _VARIATIONAL, _SMALL),
        _goal("lenet-5 12x", 12, 0.0077, PAPER["lenet-5"].source, _CONV),
        _goal("lenet-5 108x", 108, 0.0091, _SURGERY, _CONV_DEEP),
        _goal("lenet-5 280x", 280, 0.0075, _VARIATIONAL, _CONV_DEEP),
    )
}
TABLE1 = ("lenet-300-100 12x", "lenet-5 12x")


def stream(
    goals: Sequence[Goal],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    directory: str | Path,
    held_out: float = HELD_OUT,
) -> Generator[tuple[Reproduction, float], None, None]:
    """Try each goal with each seed: (the result so far, the share of all training that is done, 0 to 1).

    Leave it at any item to stop. Each trial is saved in ``directory`` when it ends, and a later call with the same
    goals takes it from there; the one under way begins anew.

    Args:
        goals: What to try; goals whose recipes train alike share a dense network.
        seeds: Every goal is tried with each.
        directory: Folder of the trials' files.
        held_out: Fraction of the training set that is held out, see ``data.hold_out``.

    Raises:
        DataError: The data are not there.
        Diverged: A run diverged.
        StorageError: The folder is in use by another process, has a trial of another recipe or one that cannot be read,
            or cannot be written.
        ValueError: No goals or no seeds.
    """
    if not goals or not seeds:
        raise ValueError("name at least one goal and one seed")
    return _stream(tuple(goals), tuple(dict.fromkeys(seeds)), Path(directory), held_out)


def _stream(
    goals: tuple[Goal, ...], seeds: tuple[int, ...], directory: Path, held_out: float
) -> Generator[tuple[Reproduction, float], None, None]:
    lock = disk.claim(directory, patience=1.0)
    try:
        recipes = {(goal.name, seed): goal.recipe.changed(seed=seed) for goal in goals for seed in seeds}
        trials = {key: _saved(directory, *key, recipe) for key, recipe in recipes.items()}
        result = Reproduction(goals, seeds, str(hardware.machine()))

        def now() -> Reproduction:
            return replace(result, trials=tuple(trial for trial in trials.values() if trial is not None))

        work = {key: recipe.epochs + recipe.retraining_epochs for key, recipe in recipes.items()}
        done = sum(work[key] for key, trial in trials.items() if trial is not None)
        dense: dict[str, tuple[dict[str, Any], float]] = {}
        yield now(), done / sum(work.values())
        for seed in seeds:
            for goal in goals:
                key = goal.name, seed
                if trials[key] is not None:
                    continue
                for item in _trial(goal, recipes[key], held_out, dense):
                    if isinstance(item, Trial):
                        trials[key] = item
                        _keep(directory, item)
                    else:
                        yield now(), (done + item * work[key]) / sum(work.values())
                done += work[key]
                yield now(), done / sum(work.values())
            dense.clear()  # of this seed
    finally:
        lock.release()


def _trial(
    goal: Goal, recipe: Recipe, held_out: float, dense: dict[str, tuple[dict[str, Any], float]]
) -> Generator[float | Trial, None, None]:
    """One seed of a goal: the share that is done, again and again, then the trial."""
    data = load(recipe.data, recipe.seed)
    session = Session(recipe, data=hold_out(data, held_out))
    trained_like = recipe.changed(density=1.0, rounds=1).key
    steps = session.steps_left("run")
    began = time.perf_counter()
    if trained_like not in dense:
        for _ in session.train():
            yield 1 - session.steps_left("run") / steps
        dense[trained_like] = {**session.state(), "history": []}, time.perf_counter() - began
    state, seconds = dense[trained_like]
    session.restore(state)
    before = evaluate(session.model, data.test_x, data.test_y)
    began = time.perf_counter() - seconds
    cut = None
    for snapshot in session.run():
        if snapshot.phase == "pruned":
            cut = snapshot.test_accuracy
        yield 1 - session.steps_left("run") / steps
    end = session.snapshot()
    seconds = time.perf_counter() - began
    assert cut is not None and end.dense_accuracy is not None
    assert end.test_accuracy is not None and end.test_loss is not None
    run = Run(
        recipe=recipe, kept=end.kept, total=end.total, effective=end.effective,
        layers={layer.name: (layer.kept, layer.total) for layer in end.layers}, dense=end.dense_accuracy, cut=cut,
        accuracy=end.test_accuracy, loss=end.test_loss, seconds=seconds,
    )  # fmt: skip
    after = evaluate(session.model, data.test_x, data.test_y)
    packed = sparse.save(session.model, io.BytesIO(), masks=session.masks)
    file = io.BytesIO()
    shared = sparse.save(session.model, file, masks=session.masks, bits=SHARED_BITS)
    file.seek(0)
    with torch.no_grad():
        sparse.load(file, session.model)
    shared_error = 1 - evaluate(session.model, data.test_x, data.test_y).accuracy
    yield Trial(
        goal=goal.name, run=run, dense_error=1 - before.accuracy, error=1 - after.accuracy, packed=packed,
        shared=shared, shared_error=shared_error,
    )  # fmt: skip


def _path(directory: Path, goal: str, seed: int) -> Path:
    return directory / f"{goal.replace(' ', '-')}-seed{seed}.json"


def _saved(directory: Path, goal: str, seed: int, recipe: Recipe) -> Trial | None:
    path = _path(directory, goal, seed)
    if not path.exists():
        return None
    try:
        values: Mapping[str, Any] = json.loads(path.read_bytes())
        if values["prunelab_trial"] != FORMAT:
            raise StorageError(f"{path}: this version reads format {FORMAT}; update prunelab")
        trial = Trial.from_dict({name: value for name, value in values.items() if name != "prunelab_trial"})
    except (OSError, ValueError, TypeError, KeyError, RecursionError, RecipeError) as error:
        raise StorageError(f"{path} is damaged ({error}): delete it, and this trial is done again") from error
    if trial.goal != goal or trial.run.recipe != recipe:
        raise StorageError(f"{path} is of another recipe: choose another folder, or delete it")
    return trial


def _keep(directory: Path, trial: Trial) -> None:
    path = _path(directory, trial.goal, trial.run.recipe.seed)
    try:
        disk.write_atomically(path, json.dumps({"prunelab_trial": FORMAT, **trial.to_dict()}, indent=1).encode())
    except OSError as error:
        raise StorageError(f"{path} could not be written: {error.strerror or error}") from error
