"""A reproduction in miniature, on the digits: held-out data, one test at the end, means over seeds, going on."""

import json
from contextlib import closing

import pytest

from prunelab import sparse
from prunelab.data import hold_out, load
from prunelab.errors import StorageError
from prunelab.experiments import reproduce
from prunelab.recipe import Recipe
from prunelab.results.reproduction import Goal
from prunelab.sessions.session import Session
from prunelab.training.evaluation import evaluate

SMALL = Recipe(model="mlp-small", epochs=3, rule="density", gradual=True, rounds=3, retrain_epochs=1, retrain_rate=1.0)
PART = 0.15


def goal(compression, error=0.5):
    recipe = SMALL.changed(density=1 / compression)
    return Goal(name=f"mlp-small {compression}x", compression=compression, error=error, source="none", recipe=recipe)


GOALS = (goal(4), goal(10, error=0.0))


def whole(directory, goals=GOALS, seeds=(0, 1)):
    *_, (last, share) = reproduce.stream(goals, seeds=seeds, directory=directory, held_out=PART)
    assert share == pytest.approx(1)
    return last


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return whole(tmp_path_factory.mktemp("trials"))


def test_a_trial_is_what_a_session_on_the_held_in_part_gives(result):
    (trial,) = [t for t in result.trials if t.goal == GOALS[0].name and t.run.recipe.seed == 1]
    data = load("digits", 1)
    session = Session(GOALS[0].recipe.changed(seed=1), data=hold_out(data, PART))
    for _ in session.train():
        pass
    assert trial.dense_error == 1 - evaluate(session.model, data.test_x, data.test_y).accuracy
    for _ in session:
        pass
    assert trial.error == 1 - evaluate(session.model, data.test_x, data.test_y).accuracy
    assert trial.run.accuracy == session.snapshot().test_accuracy
    assert trial.run.kept == session.masks.kept and trial.run.recipe.data == "digits"


def test_both_files_are_as_large_as_said_and_the_shared_one_errs_as_said(result, tmp_path):
    trial = result.trials[0]
    recipe = trial.run.recipe
    data = load("digits", recipe.seed)
    session = Session(recipe, data=hold_out(data, PART))
    for _ in session:
        pass
    assert trial.packed == sparse.save(session.model, tmp_path / "exact", masks=session.masks)
    assert trial.shared == sparse.save(session.model, tmp_path / "shared", masks=session.masks, bits=5)
    sparse.load(tmp_path / "shared", session.model)
    assert trial.shared_error == 1 - evaluate(session.model, data.test_x, data.test_y).accuracy


def test_every_seed_counts_and_a_goal_is_met_by_the_mean(result):
    assert [(t.goal, t.run.recipe.seed) for t in result.trials] == [(g.name, s) for g in GOALS for s in (0, 1)]
    easy, hard = result.reached()
    errors = [t.error for t in result.trials if t.goal == GOALS[0].name]
    assert easy.error.mean == pytest.approx(sum(errors) / 2)
    # Student's t for one degree of freedom, 97.5 %: 12.7062.
    assert easy.error.half == pytest.approx(12.7062 * abs(errors[0] - errors[1]) / 2, rel=1e-4)
    assert easy.met and not hard.met
    assert easy.compression == pytest.approx(4, rel=0.01) and hard.compression == pytest.approx(10, rel=0.01)
    total = sum(easy.layers[name] * t for name, (_, t) in result.trials[0].run.layers.items())
    assert total == pytest.approx(result.trials[0].run.total / 4, rel=0.01)


def test_a_table_has_a_row_for_each_run(result):
    header, *rows = result.to_csv().splitlines()
    assert header.startswith("goal,seed,compression,kept,total,dense_error,error,")
    assert len(rows) == 4 and rows[0].startswith("mlp-small 4x,0,")


def test_what_is_finished_is_kept_and_the_same_call_does_the_rest(tmp_path, result):
    with closing(reproduce.stream(GOALS, seeds=(0, 1), directory=tmp_path, held_out=PART)) as items:
        for found, share in items:
            if len(found.trials) == 2:
                assert 0 < share < 1
                break
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert len(files) == 2
    assert [t.error for t in whole(tmp_path).trials] == [t.error for t in result.trials]
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_files_of_other_recipes_and_damaged_ones_are_refused_in_words(tmp_path):
    whole(tmp_path, GOALS[:1], (0,))
    (path,) = tmp_path.glob("*.json")
    other = Goal(**{**vars(GOALS[0]), "recipe": SMALL.changed(density=0.5)})
    with pytest.raises(StorageError, match="is of another recipe"):
        whole(tmp_path, [other], (0,))
    good = path.read_text()
    path.write_text(good[: len(good) // 2])
    with pytest.raises(StorageError, match="is damaged .*: delete it, and this trial is done again"):
        whole(tmp_path, GOALS[:1], (0,))
    path.write_text(json.dumps({**json.loads(good), "prunelab_trial": 99}))
    with pytest.raises(StorageError, match="update prunelab"):
        whole(tmp_path, GOALS[:1], (0,))


def test_nothing_to_do_is_refused_before_anything_runs(tmp_path):
    for goals, seeds in (((), (0,)), (GOALS, ())):
        with pytest.raises(ValueError, match="at least one goal and one seed"):
            reproduce.stream(goals, seeds=seeds, directory=tmp_path)


def test_the_goals_say_what_the_papers_said():
    names = {name: (g.compression, g.error) for name, g in reproduce.GOALS.items()}
    assert names["lenet-300-100 12x"] == (12, 0.0159) and names["lenet-5 12x"] == (12, 0.0077)
    assert names["lenet-300-100 68x"][0] == 68 and names["lenet-5 108x"] == (108, 0.0091)
    for name, each in reproduce.GOALS.items():
        assert name.startswith(each.recipe.model) and each.recipe.density == pytest.approx(1 / each.compression)
