"""The table of a sweep: a row a run, means over seeds, CSV and pandas."""

import csv
import io
import json
import sys
from types import SimpleNamespace

import pytest

from prunelab.recipe import Recipe
from prunelab.results.sweep import COLUMNS, FailedRun, Progress, Run, Sweep, result_from

START = Recipe(model="mlp-small")


def ran(recipe: Recipe, accuracy: float, **changes) -> Run:
    values = {
        "kept": 25, "total": 100, "effective": 20, "layers": {"a": (20, 50), "b": (5, 50)}, "dense": 0.98, "cut": 0.5,
        "accuracy": accuracy, "loss": 0.1, "seconds": 2.0,
    }  # fmt: skip
    return Run(recipe=recipe, **{**values, **changes})


RECIPES = tuple(START.changed(quality=quality, seed=seed) for quality in (1.0, 2.0) for seed in (0, 1, 2))
FAILED = FailedRun(recipe=RECIPES[5], reason="the loss became nan", seconds=1.0)
RUNS = (*(ran(recipe, right) for recipe, right in zip(RECIPES, (0.96, 0.97, 0.98, 0.5, 0.7), strict=False)), FAILED)
SWEEP = Sweep(("quality", "seed"), RECIPES, RUNS)


def test_a_row_a_run_with_its_settings():
    rows = SWEEP.rows()
    assert [(row["quality"], row["seed"], row["accuracy"]) for row in rows] == [
        (1.0, 0, 0.96), (1.0, 1, 0.97), (1.0, 2, 0.98), (2.0, 0, 0.5), (2.0, 1, 0.7), (2.0, 2, None),
    ]  # fmt: skip
    assert (rows[0]["density"], rows[0]["effective_density"], rows[0]["compression"]) == (0.25, 0.2, 4.0)
    assert rows[5]["failed"] == "the loss became nan" and rows[0]["failed"] is None
    assert [row["key"] for row in rows] == [recipe.key for recipe in RECIPES]
    assert json.loads(json.dumps(SWEEP.to_dict())) == SWEEP.to_dict()


def test_the_same_in_csv():
    rows = list(csv.DictReader(io.StringIO(SWEEP.to_csv())))
    assert tuple(rows[0]) == ("quality", "seed", *COLUMNS, "failed", "key")
    assert [{k: v for k, v in row.items() if v} for row in rows] == [
        {k: str(v) for k, v in row.items() if v is not None} for row in SWEEP.rows()
    ]


def test_flags_and_qualities_of_layers_in_csv():
    recipes = (START.changed(ramp=False), START.changed(ramp=True, layer_quality={"fc1": 1.2, "fc2": 1}))
    sweep = Sweep(("ramp", "layer_quality"), recipes, tuple(ran(recipe, 0.9) for recipe in recipes))
    rows = list(csv.DictReader(io.StringIO(sweep.to_csv())))
    assert [(row["ramp"], row["layer_quality"]) for row in rows] == [("false", ""), ("true", "fc1=1.2;fc2=1.0")]


def test_means_over_seeds_by_hand():
    low, high = SWEEP.summary()
    assert (low.settings, low.seeds, low.failed) == ({"quality": 1.0}, (0, 1, 2), 0)
    assert low.figures["accuracy"].mean == pytest.approx(0.97)
    assert low.figures["accuracy"].half == pytest.approx(4.302653 * 0.01 / 3**0.5, 1e-6)
    assert (low.figures["density"].mean, low.figures["density"].half) == (0.25, 0)
    assert (high.settings, high.seeds, high.failed) == ({"quality": 2.0}, (0, 1), 1)
    assert high.figures["accuracy"].mean == pytest.approx(0.6), "of those that reached their end"


def test_what_is_unknown_has_no_mean():
    unknown = Sweep(("seed",), RECIPES[:2], (ran(RECIPES[0], 0.9, effective=None), ran(RECIPES[1], 0.9)))
    (summary,) = unknown.summary()
    assert "effective_density" not in summary.figures and unknown.rows()[0]["effective_density"] is None
    (summary,) = Sweep(("seed",), (RECIPES[5],), (FAILED,)).summary()
    assert (summary.seeds, summary.failed, summary.figures) == ((), 1, {})


def test_what_has_ended_and_what_is_missing():
    half = Sweep(("quality", "seed"), RECIPES, (RUNS[0], RUNS[5]))
    assert not half.complete and SWEEP.complete
    assert half.missing == RECIPES[1:5] and half.finished == (RUNS[0],) and half.failed == (FAILED,)
    assert (Progress(half, 0.5, 2.0).done, Progress(half, 0.5, 2.0).total) == (2, 6)


@pytest.mark.parametrize(("share", "seconds", "left"), [(0.0, 3.0, None), (0.25, 3.0, 9.0), (1.0, 3.0, 0.0)])
def test_the_rest_takes_as_long_as_its_share_of_the_work(share, seconds, left):
    assert Progress(SWEEP, share, seconds).seconds_left == left


def test_a_density_asked_for_is_told_from_the_one_reached():
    recipe = START.changed(rule="density", density=0.1)
    row = Sweep(("rule", "quality", "density"), (recipe,), (ran(recipe, 0.9),)).rows()[0]
    assert (row["rule"], row["quality"], row["target_density"], row["density"]) == ("density", None, 0.1, 0.25)


@pytest.mark.parametrize("result", [RUNS[0], ran(START, 0.9, effective=None), FAILED])
def test_results_survive_json(result):
    again = result_from(json.loads(json.dumps(result.to_dict())))
    assert again == result and again.recipe.usual == result.recipe.usual


def test_a_table_of_pandas_is_made_of_the_rows_and_its_absence_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=lambda rows: ("table", rows)))
    assert SWEEP.to_dataframe() == ("table", SWEEP.rows())
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pandas"):
        SWEEP.to_dataframe()
