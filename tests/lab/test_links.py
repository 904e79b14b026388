"""Recipe and options, there and back; nothing that cannot be gets in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunelab.errors import RecipeError
from prunelab.lab.links import BUTTONS, EXTRA, KEYS, PANELS, Options, from_query, left_out, to_query, unknown_keys
from prunelab.recipe import Recipe, allowed

NAMES = sorted({*allowed(), *BUTTONS})
some = lambda names: st.lists(st.sampled_from(names), max_size=4).map(tuple)  # noqa: E731


@given(
    show=some([*NAMES, *PANELS]), hide=some([*NAMES, *PANELS]), lock=some(NAMES),
    big=st.booleans(), guess=st.booleans(), quality=st.floats(0, 10), rounds=st.integers(1, 100),
    regularizer=st.sampled_from(["l1", "l2", "none"]),
)  # fmt: skip
def test_a_link_brings_back_what_it_was_made_of(show, hide, lock, big, guess, quality, rounds, regularizer):
    recipe = Recipe(quality=quality, rounds=rounds, regularizer=regularizer, layer_quality={"fc1": quality})
    options = Options(show=show, hide=hide, lock=lock, big=big, guess=guess)
    assert from_query("?" + to_query(recipe, options)) == (recipe, options)


def test_defaults_make_a_link_of_the_version_alone():
    assert to_query(Recipe(), Options()) == "v=2"
    assert from_query("v=2") == from_query("") == (Recipe(), Options())
    assert to_query(Recipe(), Options(hide=("mask",))) == "v=2&hide=mask"


@pytest.mark.parametrize("typed", ["stage", "big", "?stage&big=true", "live&guess=false"])
def test_switches_alone_are_typed_by_hand_and_mean_the_lab_of_today(typed):
    assert from_query(typed)[0] == Recipe()
    assert from_query(f"{typed}&hide=size")[0].retrain_rate == 0.1, "a page of version 1 wrote such links"


def test_the_example_of_the_documentation():
    recipe, options = from_query("?v=2&quality=1.2&rounds=5&hide=regularizer&lock=data")
    assert (recipe.quality, recipe.rounds, options.hide, options.lock) == (1.2, 5, ("regularizer",), ("data",))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("hide=regulariser", "did you mean regularizer"),
        ("hide=<script>alert(1)</script>", "no panel, control or button"),
        ("lock=weights", "lock = 'weights'"),
        ("big=maybe", "must be true or false"),
        ("quality=99&hide=mask", "quality = 99"),
        ("rule=densty", "did you mean density"),
        ("show=" + "mask," * 5000, "characters long"),
    ],
)
def test_what_cannot_be_is_named(query, said):
    with pytest.raises(RecipeError, match=said):
        from_query(query)


@pytest.mark.parametrize(
    "key",
    ["utm_source", "utm_campaign", "fbclid", "gclid", "msclkid", "theme", "template", "token", "lang", "next",
     "redirects", "kernel_name", "reset", "q", "page", "source", "ref", ""],
)  # fmt: skip
def test_keys_of_other_systems_are_left_out_without_a_word(key):
    query = f"v=2&quality=1.2&{key}=some%20thing&hide=mask"
    assert from_query(query) == (Recipe(quality=1.2), Options(hide=("mask",)))
    assert unknown_keys(query) == {key: ""}
    assert not left_out(query)


@pytest.mark.parametrize(
    ("key", "near"),
    [("qualty", "quality"), ("Quality", "quality"), ("QUALITY", "quality"), ("RULE", "rule"),
     ("optimiser", "optimizer"), ("learning-rate", "learning_rate"),
     ("epoch", "epochs"), ("hied", "hide"), ("locked", "lock"), ("qualty.fc1", "quality.fc1")],
)  # fmt: skip
def test_misspelt_keys_are_left_out_and_named_with_the_nearest(key, near):
    query = f"v=2&rounds=4&{key}=2"
    assert from_query(query) == (Recipe(rounds=4), Options())
    assert unknown_keys(query) == {key: near} and f"did you mean {near}?" in left_out(query)


def test_own_keys_need_no_notice_and_many_misspelt_ones_a_short_one():
    assert all(not left_out(f"{key}=1") for key in (*KEYS, *allowed(), "v", "quality.fc1", "session"))
    many = left_out("&".join(f"quality{n}=1" for n in range(500)))
    assert "494 more" in many and len(many) < 700


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*allowed(), "v", "show", "hide", "lock", "big", "quality.fc1"]), st.text(max_size=12)
        ),
        max_size=4,
    )
)
def test_whatever_a_link_says_it_is_a_recipe_or_an_error_in_words(pairs):
    from urllib.parse import urlencode

    try:
        recipe, options = from_query(urlencode(pairs))
    except RecipeError as error:
        assert len(str(error)) < 1200
    else:
        assert isinstance(recipe, Recipe) and isinstance(options, Options)


@pytest.mark.parametrize("panel", PANELS)
def test_panels_can_be_toggled(panel):
    options = Options()
    assert options.shows(panel) is (panel not in EXTRA)
    on, off = options.toggled(panel, True), options.toggled(panel, False)
    assert on.shows(panel) and not off.shows(panel)
    assert on.toggled(panel, False).shows(panel) is False and off.toggled(panel, True).shows(panel)
    assert options.toggled(panel, options.shows(panel)) == options, "as by default leaves nothing in the link"
