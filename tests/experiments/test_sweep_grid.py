"""Grids: every combination once, and what cannot be is refused before anything runs."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunelab.errors import RecipeError
from prunelab.experiments.sweep_grid import MOST_RUNS, grid
from prunelab.recipe import Recipe

START = Recipe(model="mlp-small", rounds=2)


def recipes(start=START, **settings):
    return grid(start, settings)[1]


@given(
    st.lists(st.sampled_from([0.5, 1.0, 1.5]), min_size=1, unique=True),
    st.lists(st.integers(0, 9), min_size=1, unique=True),
    st.lists(st.sampled_from(["l1", "l2", "none"]), min_size=1, unique=True),
)
def test_every_combination_once_the_last_field_fastest(qualities, seeds, regularizers):
    fields, made = grid(START, {"quality": qualities, "regularizer": regularizers, "seed": seeds})
    assert fields == ("quality", "regularizer", "seed")
    assert [(r.quality, r.regularizer, r.seed) for r in made] == list(itertools.product(qualities, regularizers, seeds))
    assert all(r == START.changed(quality=r.quality, regularizer=r.regularizer, seed=r.seed) for r in made)


@pytest.mark.parametrize(
    "seeds", [range(3), [0, 1, 2], (0, 1, 2), np.arange(3), (x for x in range(3)), {0: 0, 1: 0, 2: 0}.keys()]
)
def test_any_iterable_holds_values(seeds):
    assert [r.seed for r in recipes(seed=seeds)] == [0, 1, 2]


def test_one_value_is_one_value():
    made = recipes(optimizer="adam", quality=1, batch_norm=True, layer_quality={"fc1": 1.2}, epochs=None)
    assert made == (START.changed(optimizer="adam", quality=1, batch_norm=True, layer_quality={"fc1": 1.2}),)
    assert made[0].usual == START.usual
    assert recipes() == (START,)


def test_values_of_a_mapping_and_the_usual_are_values_too():
    assert [r.layer_quality for r in recipes(layer_quality=[{}, {"fc1": 1}])] == [(), (("fc1", 1.0),)]
    assert [r.retrain_epochs for r in recipes(retrain_epochs=[3, None])] == [3, 20]


def test_equal_recipes_are_run_once():
    assert [r.quality for r in recipes(quality=[1, 1.0, 2, 1])] == [1.0, 2.0]


def test_a_target_names_its_rule():
    assert {(r.rule, r.density) for r in recipes(density=[0.1, 0.2])} == {("density", 0.1), ("density", 0.2)}
    assert [r.rule for r in recipes(START.changed(rule="density"), quality=2)] == ["quality"]
    assert grid(START, {"density": 0.1})[0] == ("density",)


def test_qualities_and_densities_are_added_not_multiplied():
    fields, made = grid(START, {"density": [0.1, 0.2], "quality": [1, 2], "seed": [0, 1]})
    assert fields == ("rule", "density", "quality", "seed")
    assert len(made) == len(set(made)) == 8
    assert {(r.rule, r.quality if r.rule == "quality" else r.density) for r in made} == {
        ("quality", 1.0), ("quality", 2.0), ("density", 0.1), ("density", 0.2),
    }  # fmt: skip
    assert set(recipes(rule=["quality", "density"], density=[0.1, 0.2])) == {
        START,
        *recipes(density=[0.1, 0.2]),
    }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"qualty": [1]}, "'qualty' is not a field of a recipe; did you mean 'quality'?"),
        ({"directry": "x"}, "is not a field of a recipe; there are data, model"),
        ({"quality": []}, "quality has no values, an empty grid"),
        ({"seed": range(0)}, "an empty grid"),
        ({"seed": iter(())}, "an empty grid"),
        ({"quality": [1, 11]}, "quality = 11: must be a number from 0 to 10"),
        ({"quality": [1, math.nan]}, "quality = nan"),
        ({"optimizer": ["sgd", "adm"]}, "did you mean adam?"),
        ({"rule": "densty", "density": 0.1}, "did you mean density?"),
        ({"rule": "quality", "density": [0.1]}, "density: no run has the rule 'density'"),
        ({"unit": "neuron", "quality": 1}, "needs rule='density'"),
        ({"seed": range(10**9)}, f"at most {MOST_RUNS:,}"),
        ({"seed": itertools.count()}, f"at most {MOST_RUNS:,}"),
        ({"seed": range(1000), "batch_size": range(1, 1001)}, "1,000,000 runs"),
    ],
)
def test_what_cannot_be_is_refused_by_name(settings, said):
    with pytest.raises(RecipeError, match=said):
        grid(START, settings)
