"""What stands in the place of a recipe and is none, wherever a recipe may be left out."""

import pytest
from torch import nn

import prunelab as pl
from prunelab.experiments.tradeoff import tradeoff
from prunelab.lessons import trained


@pytest.mark.parametrize(
    "takes",
    [
        pl.Session,
        lambda recipe: pl.Lab(recipe, start=False),
        lambda recipe: pl.sweep(recipe, seed=range(2)),
        lambda recipe: tradeoff(recipe, densities=(0.5,)),
        trained,
    ],
    ids=["session", "lab", "sweep", "tradeoff", "lessons"],
)
@pytest.mark.parametrize(
    ("given", "named"),
    [
        (nn.Linear(4, 2), "a Linear"),
        ({"quality": 1.5}, "a dict"),
        ("quality=1.5", "a str"),
        ([pl.Recipe()], "a list"),
        (0, "a int"),
        (pl.Recipe, "the class Recipe"),
    ],
    ids=str,
)
def test_what_is_no_recipe_is_told_what_to_give(takes, given, named):
    with pytest.raises(TypeError, match=f"recipe is {named}: must be a Recipe, .* model=... and data=..."):
        takes(given)
