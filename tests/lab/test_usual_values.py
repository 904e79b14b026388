"""What was left to the usual stays usual by every way: constructor, link, settings, controls, options."""

from itertools import product
from urllib.parse import urlencode

import pytest

from prunelab.cli.dashboard import start_query
from prunelab.cli.recipe_options import recipe_from
from prunelab.lab.links import Options, from_query, to_query
from prunelab.lab.page.controls import Controls
from prunelab.recipe import DATASETS, DEPENDENT, LEARNING_RATES, MODELS, RETRAIN_EPOCHS, TRAIN_EPOCHS, Recipe

CHOSEN = [
    {"data": data, "model": model, "optimizer": optimizer}
    for data, model, optimizer in product(DATASETS, MODELS, ("sgd", "adam"))
]
OTHERS = {"learning_rate": 1, "epochs": 1, "retrain_epochs": 1, "scope": "layer"}  # usual nowhere above
# What is asked for in addition. None of these numbers is usual anywhere.
ASKED = [{}, {"epochs": 2}, {"learning_rate": 0.02}, {"retrain_epochs": 7, "quality": 1.2}, OTHERS]
# Numbers that are usual for the digits, LeNet-300-100 and SGD, but were asked for.
USUAL_NUMBERS = {"epochs": 40, "retrain_epochs": 20, "learning_rate": 0.1}


def same(one, other):
    return one == other and one.usual == other.usual


def name(values):
    return "-".join(map(str, values.values())) or "as usual"


@pytest.fixture(scope="module")
def controls():
    return Controls(Recipe(), {}, lambda name: None)


@pytest.mark.parametrize("chosen", CHOSEN, ids=name)
@pytest.mark.parametrize("asked", [*ASKED, USUAL_NUMBERS], ids=name)
def test_every_way_gives_the_same_recipe(chosen, asked, controls):
    values = {**chosen, **asked}
    made = Recipe(**values)
    usual = {
        "epochs": TRAIN_EPOCHS[chosen["data"]],
        "retrain_epochs": RETRAIN_EPOCHS[chosen["data"]],
        "learning_rate": LEARNING_RATES[chosen["model"]][chosen["optimizer"]],
        "scope": "global",
    }
    assert made.usual == tuple(n for n in DEPENDENT if n not in asked)
    assert {n: getattr(made, n) for n in DEPENDENT} == {**usual, **{n: asked[n] for n in DEPENDENT if n in asked}}

    query = urlencode({"v": 2, **values})
    texts = {n: str(value) for n, value in values.items()}
    assert same(from_query(query)[0], made)
    assert same(from_query(start_query(query))[0], made)
    assert same(from_query(made.to_query())[0], made)
    assert same(recipe_from(texts), made)
    assert same(Recipe.from_json(made.to_json()), made)
    assert same(Recipe(**chosen).changed(**asked), made)
    for start in (Recipe(), *(Recipe(**each) for each in CHOSEN)):
        assert same(from_query(query, (start, Options()))[0], made), "over the page's start"
        controls.set(start)
        for field, value in values.items():
            controls[field].value = value
        if asked is not USUAL_NUMBERS:  # typed back to the usual, a number is usual again: see the controls' tests
            assert same(controls.recipe, made), "by drop-downs and fields"
        controls.set(made)
        assert same(controls.recipe, made), "by a link that sets the controls"


@pytest.mark.parametrize("start", CHOSEN, ids=name)
@pytest.mark.parametrize("asked", [*ASKED, USUAL_NUMBERS], ids=name)
def test_what_a_servers_start_asks_for_holds_for_every_choice(start, asked, controls, tmp_path):
    file = tmp_path / "recipe.json"
    page = Recipe(**start, **asked)
    file.write_text(page.to_json())
    settings = from_query(start_query(page.to_query()))
    for chosen in CHOSEN:
        made = Recipe(**chosen, **asked)
        assert same(from_query(urlencode({"v": 2, **chosen}), settings)[0], made)
        assert same(recipe_from(chosen, file), made)
        controls.set(settings[0])
        for field, value in chosen.items():
            controls[field].value = value
        assert same(controls.recipe, made)
        for wanted in (made, Recipe(**chosen), Recipe(**chosen, **USUAL_NUMBERS)):
            link = to_query(wanted, Options(), settings)
            assert same(from_query(link, settings)[0], wanted), "a link back to this page"


@pytest.mark.parametrize("field", DEPENDENT)
def test_a_link_and_an_option_can_ask_for_the_usual(field, tmp_path):
    start = Recipe(data="mnist", optimizer="adam", **OTHERS)
    file = tmp_path / "recipe.json"
    file.write_text(start.to_json())
    asked = {n: value for n, value in OTHERS.items() if n != field}
    wanted = Recipe(data="mnist", optimizer="adam", **asked)
    assert same(from_query(f"v=2&{field}=usual", (start, Options()))[0], wanted)
    assert same(recipe_from({field: "usual"}, file), wanted)


def test_a_layer_follows_the_common_quality_again():
    start = Recipe(layer_quality={"fc1": 0.4, "fc2": 0.9}), Options()
    assert from_query("v=2&quality.fc1.weight=usual&quality=1.2", start)[0] == Recipe(
        quality=1.2, layer_quality={"fc2": 0.9}
    )
    for own in ({}, {"fc1": 0.4}, {"fc3": 2.0}, {"fc2": 0.1, "fc1": 0.4}, {"fc1.weight": 1.0}):
        wanted = Recipe(layer_quality=own)
        assert from_query(to_query(wanted, Options(), start), start)[0] == wanted


NEURONS = {"rule": "density", "unit": "neuron"}


@pytest.mark.parametrize("asked", [{}, {"scope": "global"}, {"scope": "layer"}], ids=name)
def test_neurons_are_compared_within_their_layer_unless_asked_for_otherwise(asked, controls):
    made = Recipe(**NEURONS, **asked)
    assert made.scope == asked.get("scope", "layer") and ("scope" in made.usual) is (not asked)
    texts = {**NEURONS, **asked}
    for start in (Recipe(), Recipe(scope="layer"), Recipe(scope="global"), Recipe(**NEURONS), Recipe(**CHOSEN[-1])):
        link = to_query(made, Options(), (start, Options()))
        assert same(from_query(link, (start, Options()))[0], made)
    assert same(from_query("v=2&" + urlencode(texts))[0], made)
    assert same(from_query(start_query("v=2&" + urlencode(texts)))[0], made)
    assert same(recipe_from(texts), made)
    assert same(Recipe.from_json(made.to_json()), made)
    assert same(Recipe().changed(**NEURONS).changed(**asked), made)
    controls.set(made)
    assert same(controls.recipe, made)


def test_the_control_follows_the_unit_until_somebody_chooses():
    controls = Controls(Recipe(rule="density"), {}, lambda name: controls.set_defaults())
    assert controls["scope"].value == "global"
    controls["unit"].value = "neuron"
    assert controls["scope"].value == controls.recipe.scope == "layer" and "scope" in controls.recipe.usual
    assert "Usual here: layer." in controls["scope"].tooltip
    controls["unit"].value = "weight"
    assert controls["scope"].value == controls.recipe.scope == "global"
    controls["scope"].value = "layer"
    controls["unit"].value = "neuron"
    controls["unit"].value = "weight"
    assert controls.recipe.scope == "layer" and "scope" not in controls.recipe.usual
