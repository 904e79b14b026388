"""Links and JSON of earlier versions mean what they meant, whatever is the default by now; newer ones are refused."""

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunelab.errors import RecipeError
from prunelab.lab.links import Options, from_query, to_query
from prunelab.recipe import DEPENDENT, Recipe
from prunelab.recipe.field_kinds import link_text

FIRST_USUAL = ("learning_rate", "epochs", "retrain_epochs")  # what could be left to the usual in version 1
FIRST_DEFAULTS = {**Recipe().to_dict(), "retrain_rate": 0.1, "scope": "global"}


@st.composite
def recipes(draw):
    values = {
        "seed": st.integers(0, 9), "epochs": st.integers(2, 50), "quality": st.floats(0, 10),
        "rounds": st.integers(1, 9), "retrain_rate": st.sampled_from([0.1, 0.3, 0.5, 1.0]),
        "scope": st.sampled_from(["global", "layer"]),
        "optimizer": st.sampled_from(["sgd", "adam"]), "regularizer": st.sampled_from(["l1", "l2"]),
        "cut": st.sampled_from([{}, {"rule": "density"}, {"rule": "density", "unit": "neuron"}]),
    }  # fmt: skip
    given_values = draw(st.fixed_dictionaries({}, optional=values))
    return Recipe(**given_values.pop("cut", {}), **given_values)


def written_by_version_1(recipe: Recipe) -> str:
    """The link that version 1 made: no version, and no field that had its default of then."""
    usual = [name for name in recipe.usual if name in FIRST_USUAL]
    values = {name: value for name, value in recipe.to_dict().items() if name not in (*usual, "layer_quality")}
    return urlencode({n: link_text(v) for n, v in values.items() if n in FIRST_USUAL or v != FIRST_DEFAULTS[n]})


@given(recipes())
def test_links_of_both_versions_bring_the_recipe_back(recipe):
    now, then = recipe.to_query(), written_by_version_1(recipe)
    assert now.startswith("v=2") and Recipe.from_query(now) == recipe
    assert Recipe.from_query(now).usual == recipe.usual
    assert Recipe.from_query(f"v=1&{then}") == recipe
    assert Recipe.from_query(f"{then}&v=1") == recipe
    if then:
        assert Recipe.from_query(then) == recipe


@given(recipes(), recipes())
def test_over_the_start_of_a_page_what_is_said_holds_and_what_was_given_there(recipe, start):
    options = Options(hide=("mask",))
    assert from_query(to_query(recipe, options, (start, Options())), (start, Options())) == (recipe, options)
    read = Recipe.from_query("batch_size=12", start)
    assert read.batch_size == 12 and (read.epochs, read.rule) == (start.epochs, start.rule)
    assert read.retrain_rate == (0.1 if start.retrain_rate == 0.5 else start.retrain_rate)
    assert read.scope == ("global" if "scope" in start.usual else start.scope)


@pytest.mark.parametrize(
    "query, expected",
    [
        ("quality=1.2", Recipe(quality=1.2, retrain_rate=0.1)),
        ("?retrain_rate=0.5", Recipe(retrain_rate=0.5)),
        ("rule=density&density=0.05&rounds=1", Recipe(rule="density", density=0.05, rounds=1, retrain_rate=0.1)),
        (
            "rule=density&unit=neuron&density=0.3",
            Recipe(rule="density", unit="neuron", density=0.3, scope="global", retrain_rate=0.1),
        ),
        (
            "unit=neuron&rule=density&scope=layer&retrain_rate=1.0",
            Recipe(rule="density", unit="neuron", scope="layer", retrain_rate=1.0),
        ),
        ("v=1&unit=neuron&rule=density&scope=usual", Recipe(rule="density", unit="neuron", retrain_rate=0.1)),
        ("v=2&unit=neuron&rule=density", Recipe(rule="density", unit="neuron", scope="layer", retrain_rate=0.5)),
        ("v=2&unit=neuron&rule=density&scope=global", Recipe(rule="density", unit="neuron", scope="global")),
        ("v=2", Recipe()),
        ("v=1", Recipe(retrain_rate=0.1)),
        ("", Recipe()),  # no link at all
    ],
)
def test_links_written_by_hand(query, expected):
    assert Recipe.from_query(query) == expected
    assert from_query(query) == (expected, Options())


def test_connections_of_an_old_link_leave_the_scope_to_the_unit():
    read = Recipe.from_query("quality=1.2")
    assert "scope" in read.usual and read.changed(rule="density", unit="neuron").scope == "layer"


@pytest.mark.parametrize("query", ["hide=mask", "lock=data", "stage&hide=mask", "guess=true&lock=data"])
def test_a_link_that_only_arranges_panels_and_locks_is_of_version_1_too(query):
    assert from_query(query)[0] == Recipe(retrain_rate=0.1)
    assert from_query(f"v=2&{query}")[0] == Recipe()


@pytest.mark.parametrize("query", ["utm_source=mail", "session=a", "theme=dark&token=3"])
def test_a_link_that_says_nothing_of_ours_is_no_link(query):
    assert from_query(query) == (Recipe(), Options())


@pytest.mark.parametrize(
    "version, said",
    [
        ("3", "newer prunelab"), ("17", "update prunelab"), ("999999999", "newer"), ("0", "1 to 2"), ("-1", "1 to 2"),
        ("", "1 to 2"), ("two", "v = two: must be the version"), ("1.0", "1 to 2"), ("\u0662", "1 to 2"),
        ("9" * 5000, "1 to 2"),
    ],
)  # fmt: skip
def test_other_versions_are_refused_in_words(version, said):
    for read in (Recipe.from_query, from_query):
        with pytest.raises(RecipeError, match=said) as caught:
            read(urlencode({"v": version, "quality": "1"}))
        assert len(str(caught.value)) < 300


def test_a_version_that_stands_twice_is_refused():
    with pytest.raises(RecipeError, match="v stands twice"):
        Recipe.from_query("v=2&v=2")


@pytest.mark.parametrize("version", [1, 2])
def test_json_of_earlier_formats_had_other_defaults(version):
    def read(**values):
        return Recipe.from_json(json.dumps({"prunelab_recipe": version, **values}))

    assert read() == Recipe(retrain_rate=0.1) and read(retrain_rate=0.5).retrain_rate == 0.5
    neurons = {"rule": "density", "unit": "neuron"}
    assert read(**neurons).scope == "global" and read(**neurons, scope="layer").scope == "layer"
    assert read(quality=1.0).changed(**neurons).scope == "layer"


@given(recipes())
def test_json_of_format_2_named_every_field(recipe):
    usual = [name for name in recipe.usual if name != "scope"]
    old = Recipe.from_json(json.dumps({"prunelab_recipe": 2, **recipe.to_dict(), "usual": usual}))
    assert old == recipe and {*usual} <= {*old.usual} <= {*DEPENDENT}


def test_json_of_today_leaves_out_what_it_likes():
    assert Recipe.from_json('{"prunelab_recipe": 3}') == Recipe()
    with pytest.raises(RecipeError, match="reads format 3; update prunelab"):
        Recipe.from_json('{"prunelab_recipe": 4}')
