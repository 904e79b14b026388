"""Links that stand for much: a lesson's set-up, and a comparison that begins by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunelab import Lab, Recipe, lesson_catalogue
from prunelab.errors import RecipeError
from prunelab.lab import links, presets
from prunelab.lab.links import Options
from prunelab.recipe.link import VERSION

NUMBERS = range(len(lesson_catalogue.TITLES))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_lesson_stands_for_what_it_is_about(number):
    recipe, options = links.from_query(f"lesson={number}")
    written = links.from_query(lesson_catalogue.link(number))
    assert (recipe, options) == written
    assert links.from_query(links.to_query(recipe, options)) == (recipe, options)
    assert f"v={VERSION}" in lesson_catalogue.link(number).split("&")


def test_there_is_one_link_a_lesson_and_some_by_hand():
    assert len(lesson_catalogue.LINKS) == len(lesson_catalogue.TITLES)
    assert links.from_query("lesson=0") == (Recipe(), Options())
    recipe, options = links.from_query("lesson=3")
    assert (recipe.density, recipe.rounds, recipe.retrain_epochs, recipe.retrain_rate) == (0.03, 1, 5, 1.0)
    assert options.show == ("compare",)
    assert links.from_query("lesson=10")[0].batch_norm


@given(st.sampled_from(NUMBERS), st.integers(1, 9), st.booleans())
def test_what_the_link_says_itself_counts_more(number, rounds, before):
    own = f"rounds={rounds}&seed=4"
    query = f"{own}&lesson={number}" if before else f"lesson={number}&{own}"
    assert links.from_query(query)[0] == links.from_query(f"lesson={number}")[0].changed(rounds=rounds, seed=4)


@pytest.mark.parametrize("text", ["14", "-1", "3.0", "", "threshold", "٣", "9" * 5000])
def test_an_unknown_lesson_is_refused_with_those_there_are(text):
    with pytest.raises(RecipeError, match="lesson = .* there are 0 to 13"):
        links.from_query(f"lesson={text}")


@pytest.mark.parametrize("preset", presets.presets(Recipe()), ids=lambda preset: preset.name)
def test_a_preset_has_a_name_in_links(preset):
    slug = presets.slug(preset.name)
    assert presets.named(slug, Recipe()) == presets.named(preset.name, Recipe()) == preset.name
    assert links.unknown_keys(f"preset={slug}&lesson=1") == {}


def test_what_stands_beside_them_has_the_defaults_of_today():
    for short in ("preset=l1-or-l2", "lesson=0"):
        assert links.from_query(f"{short}&seed=4")[0] == Recipe(seed=4)
    assert links.from_query("v=1&preset=l1-or-l2&seed=4")[0].retrain_rate == 0.1


def test_versus_is_or_and_what_resembles_one_is_named():
    assert presets.named("l1-vs-l2", Recipe()) == "L1 or L2"
    with pytest.raises(RecipeError, match="did you mean l1-or-l2"):
        presets.named("l1-or-l3", Recipe())
    with pytest.raises(RecipeError, match="there are l1-or-l2, with-and-without-retraining"):
        presets.named("<b>everything</b>", Recipe())


def test_what_is_not_offered_for_a_model_of_your_own_is_refused():
    own = Recipe(model="own", data="own")
    assert presets.named("l1-or-l2", own) == "L1 or L2"
    with pytest.raises(RecipeError, match="there is no such preset"):
        presets.named("dropout-rule-on-or-off", own)


@pytest.fixture
def lab():
    made = Lab(Recipe(model="mlp-small", epochs=2, retrain_epochs=1, rounds=1), measure=False)
    assert made.wait(60)
    yield made
    made.close()


def test_a_link_begins_its_comparison_and_your_own_network_is_there_afterwards(lab):
    lab.follow("preset=batch-norm-renewed-or-stale")
    assert lab.wait(120)
    assert [run.label for run in lab.state.runs] == ["stale batch norm", "renewed batch norm"]
    assert lab.options.shows("compare") and lab.session.recipe == lab.recipe
    lab.follow("quality=1.25")
    assert lab.wait(60)
    assert len(lab.state.runs) == 2, "once is enough"


def test_it_waits_for_the_network_that_the_link_asks_for(lab):
    lab.follow("v=2&seed=3&preset=batch-norm-renewed-or-stale")
    assert lab.wait(120)
    assert [run.recipe.seed for run in lab.state.runs][-2:] == [3, 3] and lab.session.recipe.seed == 3


def test_an_unknown_one_changes_nothing_and_is_told(lab):
    before = lab.recipe
    lab.follow("v=2&quality=1.25&preset=nonsense")
    assert lab.wait(60)
    assert lab.recipe == before and lab.state.runs == ()
    assert "preset = 'nonsense': there is no such preset" in lab.status.trouble
    lab.follow("lesson=99")
    assert lab.wait(60)
    assert "lesson = '99': there is no such lesson" in lab.status.trouble
