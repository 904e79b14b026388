"""Recipes: every field validated, every way out a way back in."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunelab.recipe import RETRAIN_EPOCHS, TRAIN_EPOCHS, Choice, Flag, Number, Recipe, RecipeError, allowed, help_text


def values_of(rule):
    if isinstance(rule, Flag):
        return st.booleans()
    if isinstance(rule, Choice):
        return st.sampled_from([option for option in rule.options])
    if rule.integer:
        return st.integers(int(rule.low), int(rule.high))
    return st.floats(rule.low, rule.high, exclude_min=rule.above)


def recipes():
    fields = {name: values_of(rule) for name, rule in allowed().items() if name != "layer_quality"}
    layers = st.dictionaries(st.text("abcfc123.&=% é", min_size=1, max_size=8), st.floats(0, 10), max_size=3)
    made = st.fixed_dictionaries({}, optional={**fields, "layer_quality": layers})
    return made.filter(lambda v: v.get("unit") != "neuron" or v.get("rule") == "density").map(lambda v: Recipe(**v))


@given(recipes())
def test_json_dict_and_link_give_the_same_recipe_back(recipe):
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe.from_query(recipe.to_query()) == recipe
    assert Recipe.from_query("?" + recipe.to_query()).key == recipe.key
    assert hash(Recipe.from_json(recipe.to_json())) == hash(recipe)


@given(st.text(max_size=200))
def test_any_text_as_a_link_is_a_recipe_or_a_recipe_error(text):
    try:
        assert isinstance(Recipe.from_query(text), Recipe)
    except RecipeError as error:
        assert str(error)


@pytest.mark.parametrize(
    "name", [n for n, rule in allowed().items() if isinstance(rule, Number) and n != "layer_quality"]
)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -1, "1", True, 1e12])
def test_bad_numbers_are_named_with_their_value_and_the_range(name, bad):
    with pytest.raises(RecipeError) as caught:
        Recipe(**{name: bad})
    text = str(caught.value)
    assert name in text and "must be a" in text and str(bad) in text


@pytest.mark.parametrize("name", [n for n, rule in allowed().items() if isinstance(rule, Choice | Flag)])
def test_bad_choices_are_named_with_what_is_allowed(name):
    with pytest.raises(RecipeError, match=rf"{name} = .*: must be (one of|true or false)"):
        Recipe(**{name: "nonsense"})


def test_a_misspelt_value_or_key_gets_a_suggestion():
    with pytest.raises(RecipeError, match="did you mean mnist"):
        Recipe(data="mnits")
    with pytest.raises(RecipeError, match="qualty is not a field.*did you mean quality"):
        Recipe.from_query("qualty=1")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("quality=nan", "quality = nan"),
        ("quality=-1", "quality = -1"),
        ("quality=1&quality=2", "twice"),
        ("rounds=2.5", "whole number"),
        ("batch_norm=yes", "true or false"),
        ("quality.fc1=-3", "layer_quality of fc1"),
        ("quality.fc1=<script>alert(1)</script>", "must be a number"),
        ("seed=" + "9" * 10000, "10005 characters long"),
        ("data=own%00", "one of"),
    ],
)
def test_bad_links_are_recipe_errors_of_readable_length(query, words):
    with pytest.raises(RecipeError) as caught:
        Recipe.from_query(query)
    assert words in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("prunelab_recipe"), "not a recipe"),
        (lambda d: d.update(prunelab_recipe=99), "update prunelab"),
        (lambda d: d.update(colour="red"), "colour is not a field"),
        (lambda d: d.update(rounds=0), "rounds = 0"),
        (lambda d: d.update(layer_quality=[1, 2]), "not a pair"),
    ],
)
def test_foreign_newer_and_bad_json_is_refused(change, words):
    values = json.loads(Recipe().to_json())
    change(values)
    with pytest.raises(RecipeError, match=words):
        Recipe.from_json(json.dumps(values))
    with pytest.raises(RecipeError, match="not JSON"):
        Recipe.from_json("{")


def test_lengths_suit_the_data_unless_given():
    for data in TRAIN_EPOCHS:
        assert (Recipe(data=data).epochs, Recipe(data=data).retrain_epochs) == (
            TRAIN_EPOCHS[data],
            RETRAIN_EPOCHS[data],
        )
    assert Recipe(data="mnist", epochs=2).epochs == 2


def test_quality_ramps_linearly_and_density_falls_by_a_cubic():
    recipe = Recipe(quality=2.0, rounds=4, density=0.1)
    assert [recipe.quality_of_round(r) for r in (1, 2, 3, 4, 5)] == [0.5, 1.0, 1.5, 2.0, 2.0]
    assert Recipe(quality=2.0, rounds=4, ramp=False).quality_of_round(1) == 2.0
    expected = [0.1 + 0.9 * (1 - r / 4) ** 3 for r in (1, 2, 3, 4)]
    assert [recipe.density_of_round(r) for r in (1, 2, 3, 4)] == pytest.approx(expected)


def test_every_field_has_a_meaning():
    assert all(help_text(name).endswith(".") for name in allowed())


def test_neurons_need_the_density_rule():
    with pytest.raises(RecipeError, match="density"):
        Recipe(unit="neuron")
