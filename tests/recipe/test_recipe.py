"""Every field validated, every way out a way back in."""

import copy
import inspect
import json
import math
import pickle
import re
from dataclasses import replace
from urllib.parse import urlencode

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import prunelab as pl
from prunelab.errors import RecipeError
from prunelab.lab.links import Options
from prunelab.recipe import (
    LATER_FIELDS,
    LEARNING_RATES,
    MODELS,
    OWN,
    RETRAIN_EPOCHS,
    TRAIN_EPOCHS,
    Recipe,
    Target,
    allowed,
    help_text,
)
from prunelab.recipe.field_kinds import Choice, Flag, Number
from prunelab.resources import PACKAGE


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
    return made.map(going_together).map(lambda v: Recipe(**v))


def going_together(values):
    """These values, without those that others exclude."""
    left_out = set()
    if values.get("rule") != "density":
        left_out |= {"unit", "criterion", "regrow"}
    if values.get("unit") == "neuron":
        left_out |= {"criterion", "regrow"}
    if values.get("criterion") == "random":
        left_out |= {"regrow"}
    if values.get("batch_norm"):
        left_out |= {"batch_size"}
    if (
        values.get("gradual")
        or values.get("retrain_epochs") == 0
        or values.get("rewind_epoch", 1) >= least_epochs(values)
    ):
        left_out |= {"rewind"}
    if values.get("retrain_epochs") == 0:
        left_out |= {"gradual"}
    return {name: value for name, value in values.items() if name not in left_out}


def least_epochs(values):
    """Epochs of dense training: those given, or the fewest that are usual."""
    return values.get("epochs") or min(TRAIN_EPOCHS.values())


@given(recipes())
def test_json_dict_and_link_give_the_same_recipe_back(recipe):
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe.from_query(recipe.to_query()) == recipe
    assert Recipe.from_query("?" + recipe.to_query()).key == recipe.key
    assert hash(Recipe.from_json(recipe.to_json())) == hash(recipe)


@given(recipes(), recipes())
def test_a_link_over_any_start_gives_the_recipe_back_and_what_is_usual_in_it(recipe, start):
    back = Recipe.from_query(recipe.to_query(start), start)
    assert back == recipe and back.usual == recipe.usual
    alone = Recipe.from_query(recipe.to_query())
    assert alone == recipe and alone.usual == recipe.usual
    read = Recipe.from_json(recipe.to_json())
    assert read == recipe and read.usual == recipe.usual


def hostile():
    """Values as somebody might write them into a link: right ones, near misses, and noise."""
    numbers = st.one_of(
        st.integers().map(str),
        st.floats().map(repr),
        st.integers(1, 6000).map(lambda n: "9" * n),
        st.sampled_from(["1e999", "-0", "0x10", "1_0", "٣", "nan", "-inf", "", " 1 "]),
    )
    names = [option for rule in allowed().values() if isinstance(rule, Choice) for option in rule.options]
    return st.one_of(numbers, st.sampled_from([*names, "true", "false", "True"]), st.text(max_size=20))


def pairs():
    keys = st.one_of(
        st.sampled_from([*allowed(), "quality.fc1", "quality.", "quality.fc1.weight"]), st.text(max_size=12)
    )
    return st.lists(st.tuples(keys, hostile()), max_size=5)


@given(st.one_of(pairs().map(urlencode), st.text(max_size=200)))
def test_any_text_as_a_link_is_a_recipe_that_comes_back_or_a_recipe_error(text):
    try:
        recipe = Recipe.from_query(text)
    except RecipeError as error:
        assert 0 < len(str(error)) < 500
    else:
        assert Recipe.from_query(recipe.to_query()) == recipe


@pytest.mark.parametrize("name", [n for n in allowed() if n != "layer_quality"])
def test_numbers_without_end_are_recipe_errors(name):
    for value in (10**400, -(10**400), 10**5000, [[10**5000]]):
        with pytest.raises(RecipeError, match=f"{name} = .*: must be"):
            Recipe(**{name: value})
    for digits in (400, 4000):
        with pytest.raises(RecipeError, match="must be"):
            Recipe.from_query(f"{name}=" + "9" * digits)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"prunelab_recipe": 1, "seed": ' + "9" * 5000 + "}"])
def test_json_without_end_is_a_recipe_error(text):
    with pytest.raises(RecipeError, match="not JSON"):
        Recipe.from_json(text)
    with pytest.raises(RecipeError, match="seed = a number of about 400 digits"):
        Recipe.from_json('{"prunelab_recipe": 1, "seed": ' + "9" * 400 + "}")


def test_numbers_of_numpy_are_numbers():
    recipe = Recipe(seed=np.int64(3), quality=np.float32(1.25), layer_quality={"fc1": np.float64(0.5)})
    assert recipe == Recipe(seed=3, quality=1.25, layer_quality={"fc1": 0.5})
    assert Recipe.from_json(recipe.to_json()) == recipe and type(recipe.seed) is int
    with pytest.raises(RecipeError, match="seed"):
        Recipe(seed=np.float64(3.0))


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


@pytest.mark.parametrize("model", [*MODELS, OWN])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_learning_rate_suits_model_and_optimizer_unless_given(model, optimizer):
    usual = Recipe(model=model, optimizer=optimizer)
    assert usual.learning_rate == LEARNING_RATES[model][optimizer]
    assert "learning_rate" not in usual.to_query()
    given = Recipe(model=model, optimizer=optimizer, learning_rate=0.37)
    assert given.learning_rate == 0.37 and "learning_rate=0.37" in given.to_query()


def test_the_usual_of_another_model_is_no_usual_in_a_link():
    other = Recipe(model="lenet-5", learning_rate=Recipe().learning_rate)
    assert other.learning_rate != Recipe(model="lenet-5").learning_rate
    assert Recipe.from_query(other.to_query()) == other


def test_a_changed_recipe_keeps_what_was_given_and_renews_what_was_left():
    changed = Recipe(quality=1.75).changed(data=OWN, model=OWN)
    assert changed == Recipe(quality=1.75, data=OWN, model=OWN)
    assert (changed.epochs, changed.retrain_epochs) == (TRAIN_EPOCHS[OWN], RETRAIN_EPOCHS[OWN])
    given = Recipe(epochs=40, learning_rate=0.1)  # what was usual, but somebody wanted it
    assert (given.changed(data=OWN, model=OWN).epochs, given.changed(model=OWN).learning_rate) == (40, 0.1)
    assert Recipe().changed(data="mnist").changed(data="digits") == Recipe()
    assert Recipe(layer_quality={"fc1": 1.0}).changed(rounds=2) == Recipe(layer_quality={"fc1": 1.0}, rounds=2)
    with pytest.raises(RecipeError, match="colour"):
        Recipe().changed(colour="red")


def test_a_saved_run_keeps_its_numbers_where_another_version_has_other_usual_ones():
    values = Recipe().to_dict(usual=True)
    assert values["usual"] == ["learning_rate", "epochs", "retrain_epochs", "scope"]
    other = Recipe.from_dict({**values, "epochs": 33})
    assert other.epochs == 33 and other.usual == ("learning_rate", "retrain_epochs", "scope")
    assert Recipe.from_dict({**values, "usual": []}).usual == ()
    for bad in (["quality"], "epochs", 3, [["epochs"]]):
        with pytest.raises(RecipeError, match="usual = .*: must be a list of fields out of learning_rate"):
            Recipe.from_dict({**values, "usual": bad})


def test_json_of_format_1_did_not_say_what_was_usual():
    old = json.dumps({"prunelab_recipe": 1, **Recipe(epochs=2).to_dict()})
    assert Recipe.from_json(old) == Recipe(epochs=2) and Recipe.from_json(old).usual == (
        "learning_rate",
        "retrain_epochs",
        "scope",
    )


def test_keys_are_those_of_earlier_versions_and_do_not_depend_on_what_is_usual():
    assert Recipe(retrain_rate=0.1).key == Recipe(epochs=40, retrain_rate=0.1).key == "9480d3c6d4b8"
    cut = {
        "rule": "density", "density": 0.05, "unit": "neuron", "scope": "global", "rounds": 7, "retrain_rate": 0.1,
        "layer_quality": {"fc1": 1.25},
    }  # fmt: skip
    assert Recipe(data="mnist", model="lenet-5", seed=3, batch_norm=True, **cut).key == "1958de68404b"


@pytest.mark.parametrize(
    ("construct", "said"),
    [
        (lambda: Recipe(qualty=1.2), "Recipe() has no argument qualty; did you mean quality?"),
        (lambda: pl.Lab(shw=["mask"]), "Lab() has no argument shw; did you mean show?"),
        (lambda: pl.Session(modle=None), "Session() has no argument modle; did you mean model?"),
        (lambda: pl.Masks(None, exlude=["fc1"]), "Masks() has no argument exlude; did you mean exclude?"),
        (lambda: Recipe(colour="red"), "Recipe() has no argument colour; known: data, model, seed,"),
        (lambda: Options(hied=["mask"]), "Options() has no argument hied; did you mean hide?"),
    ],
)
def test_constructors_suggest_the_near_name(construct, said):
    with pytest.raises(TypeError, match=re.escape(said)):
        construct()


def test_a_checked_constructor_is_still_the_one_that_it_was():
    assert list(inspect.signature(Recipe).parameters) == list(allowed())
    assert copy.deepcopy(Recipe(epochs=3)) == pickle.loads(pickle.dumps(Recipe(epochs=3))) == Recipe(epochs=3)
    assert replace(Recipe(epochs=3), quality=2.0) == Recipe(epochs=3, quality=2.0)
    with pytest.raises(TypeError, match="positional"):
        Recipe("mnist")


def test_single_samples_and_batch_norm_do_not_go_together():
    with pytest.raises(RecipeError, match="batch_size = 1.*batch normalisation"):
        Recipe(batch_size=1, batch_norm=True)
    assert Recipe(batch_size=1).batch_size == 1


def test_quality_ramps_linearly_and_density_falls_by_a_cubic():
    recipe = Recipe(quality=2.0, rounds=4)
    assert [recipe.target_of_round(r) for r in (1, 2, 3, 4, 5)] == [Target(q) for q in (0.5, 1.0, 1.5, 2.0, 2.0)]
    assert Recipe(quality=2.0, rounds=4, ramp=False).target_of_round(1) == Target(2.0)
    expected = [0.1 + 0.9 * (1 - r / 4) ** 3 for r in (1, 2, 3, 4)]
    recipe = Recipe(rule="density", density=0.1, rounds=4)
    assert [recipe.target_of_round(r).density for r in (1, 2, 3, 4)] == pytest.approx(expected)
    assert recipe.final_target == Target(density=0.1)


def test_a_target_is_a_quality_or_a_density_and_never_both():
    assert Target.given(None, None) is None and Target.given(1.0, None) == Target(1.0)
    assert Target.given(Target(density=0.5), None) == Target(density=0.5)
    for both in (lambda: Target(1.0, 0.5), lambda: Target(), lambda: Target.given(Target(1.0), 0.5)):
        with pytest.raises(ValueError, match="either"):
            both()
    assert Target({"fc1": 1.0}).common_quality is None and Target(2).common_quality == 2
    assert Target(**Target({"fc1": 1.0}).to_dict()) == Target({"fc1": 1.0})


def test_recipes_train_alike_whatever_they_prune():
    recipe = Recipe(quality=2.0)
    assert recipe.trains_like(Recipe(rule="density", rounds=9)) and not recipe.trains_like(Recipe(seed=1))
    assert recipe.training_differences(Recipe(seed=1, dropout=0.5, quality=1.0)) == ["seed", "dropout"]
    own = recipe.changed(model="own")
    assert own.trains_like(own.changed(model="lenet-5", learning_rate=own.learning_rate)), "its model is what it is"


def test_every_field_has_a_meaning():
    assert all(help_text(name).endswith(".") for name in allowed())


@pytest.mark.parametrize(
    "given, rule",
    [
        ({"density": 0.1}, "density"), ({"density": 0.08}, "density"), ({"quality": 2.0}, "quality"),
        ({"quality": 2.0, "density": 0.1}, "quality"), ({"rule": "quality", "density": 0.1}, "quality"),
        ({"rule": "density", "quality": 2.0}, "density"), ({}, "quality"),
        ({"density": 0.1, "layer_quality": {}}, "density"), ({"density": 0.1, "layer_quality": {"a": 1.0}}, "quality"),
    ],
)  # fmt: skip
def test_a_target_alone_names_the_rule(given, rule):
    """Recipe(density=0.1) was cut by quality 1.5, and nothing said so."""
    assert Recipe(**given).rule == rule
    assert Recipe.from_dict(given).rule == rule
    layers = {f"quality.{layer}": quality for layer, quality in given.get("layer_quality", {}).items()}
    others = {name: value for name, value in given.items() if name != "layer_quality"}
    assert Recipe.from_query("v=2&" + urlencode({**others, **layers})).rule == rule
    assert Recipe(rule="quality", seed=3).changed(**given).rule == rule
    over_density = given.get("rule", "quality" if given == {"quality": 2.0} else "density")
    assert Recipe(rule="density", seed=3).changed(**given).rule == over_density


@given(recipes(), recipes())
def test_a_link_keeps_the_rule_where_it_names_the_target_of_the_other(recipe, start):
    assert Recipe.from_query(recipe.to_query()) == recipe
    assert Recipe.from_query(recipe.to_query(start), start) == recipe


def test_neurons_need_the_density_rule():
    with pytest.raises(RecipeError, match="density"):
        Recipe(unit="neuron")


def test_a_field_that_came_later_counts_in_a_key_only_where_it_is_set():
    recipe = Recipe(rule="density")
    keys = {recipe.changed(**{name: value}).key for name, value in LATER.items()}
    assert LATER.keys() == set(LATER_FIELDS) and len(keys | {recipe.key}) == len(LATER) + 1
    defaults = {name: getattr(Recipe(), name) for name in LATER}
    assert recipe.changed(**defaults).key == recipe.key


# Another value than the default for each field that came later.
LATER = {
    "criterion": "random", "gradual": True, "rewind": "rate", "rewind_epoch": 3, "regrow": 0.5, "distill": 0.5,
    "retrain_schedule": "constant",
}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"criterion": "random"}, "criterion = 'random': needs rule='density'"),
        ({"criterion": "random", "rule": "density", "unit": "neuron"}, "criterion = 'random': .* unit='weight'"),
        ({"gradual": True, "retrain_epochs": 0}, "retrain_epochs = 0: gradual"),
        ({"gradual": True, "rewind": "rate"}, "rewind = 'rate': begins each retraining anew"),
        ({"rewind": "weights", "retrain_epochs": 0}, "retrain_epochs = 0: .*rewind = 'weights'"),
        ({"rewind": "rate", "epochs": 3, "rewind_epoch": 3}, "rewind_epoch = 3: dense training has 3 epochs"),
        ({"regrow": 0.1}, "regrow = 0.1: needs rule='density'"),
        ({"regrow": 0.1, "rule": "density", "unit": "neuron"}, "regrow = 0.1: needs .* unit='weight'"),
        ({"regrow": 0.1, "rule": "density", "criterion": "random"}, "regrow = 0.1: needs .* criterion='magnitude'"),
        ({"regrow": 1.1, "rule": "density"}, "regrow = 1.1: must be a number from 0 to 1"),
        ({"distill": -0.1}, "distill = -0.1: must be a number from 0 to 1"),
        ({"rewind": "back"}, "rewind = back: must be one of none, weights, rate"),
    ],
)
def test_what_does_not_go_together_is_refused_in_words(values, words):
    with pytest.raises(RecipeError, match=words):
        Recipe(**values)


def test_what_retraining_takes_is_counted_for_all_rounds():
    assert Recipe(rounds=4, retrain_epochs=5).retraining_epochs == 20
    assert Recipe(rounds=4, retrain_epochs=5, gradual=True).retraining_epochs == 20
    assert Recipe(rounds=4, epochs=9, rewind="rate", rewind_epoch=2).retraining_epochs == 28
    assert Recipe(rounds=4, retrain_epochs=0).retraining_epochs == 0


@pytest.mark.parametrize("name", LATER_FIELDS)
def test_every_field_past_the_paper_is_explained_with_its_source(name):
    page = (PACKAGE.parent / "docs" / "explanation" / "options.md").read_text(encoding="utf-8")
    sections = [section for section in page.split("## ")[1:] if re.search(rf"`{name}\b", section)]
    assert sections and all("Source:" in section or "section" in section for section in sections)
