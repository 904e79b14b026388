"""Controls: the values that go with a choice, and values that no slider would stop at."""

import pytest

import prunelab as pl
from prunelab.lab.links import Options
from prunelab.lab.page.controls import Controls
from prunelab.lab.widgets.shared_looks import is_shown
from prunelab.recipe import CHOICES, allowed


def test_other_data_bring_their_own_lengths():
    lab = pl.Lab(pl.Recipe(model="mlp-small"), start=False)
    lab.controls["data"].value = "mnist"
    usual = pl.Recipe(data="mnist")
    assert (lab.controls["epochs"].value, lab.controls["retrain_epochs"].value) == (usual.epochs, usual.retrain_epochs)
    lab.stop()


def test_other_models_bring_the_rate_they_learn_at(lab):
    lab.controls["model"].value = "lenet-5"
    assert lab.controls["learning_rate"].value == pl.Recipe(model="lenet-5").learning_rate != 0.1
    assert lab.controls["epochs"].value == 3, "what the page was given stays"


@pytest.fixture
def controls():
    """Controls as the page has them: a choice of data, model or optimizer shows what is usual for it."""
    made = Controls(pl.Recipe(), {}, lambda name: made.set_defaults() if name in CHOICES else None)
    return made


def test_what_the_user_typed_is_kept_through_every_choice(controls):
    controls["epochs"].value = 6
    for data in ("mnist", "digits"):
        controls["data"].value = data
        assert controls["epochs"].value == controls.recipe.epochs == 6
        assert controls.recipe.usual == ("learning_rate", "retrain_epochs", "scope")


def test_typed_back_to_the_usual_it_is_usual_again(controls):
    controls["learning_rate"].value = 0.2
    controls["learning_rate"].value = 0.1
    assert controls.recipe.usual == pl.Recipe().usual
    controls["optimizer"].value = "adam"
    assert controls["learning_rate"].value == 0.003


def test_the_usual_number_is_kept_where_somebody_asked_for_it(controls):
    controls.set(pl.Recipe(epochs=40))
    controls["data"].value = "mnist"
    assert controls.recipe == pl.Recipe(data="mnist", epochs=40) and controls["retrain_epochs"].value == 3


def test_the_way_back_to_the_usual_is_in_the_tooltip(controls):
    controls["epochs"].value = 7
    assert controls["epochs"].tooltip.endswith("Usual here: 40.")
    controls["data"].value = "mnist"
    assert controls["epochs"].tooltip.endswith("Usual here: 6.") and controls["epochs"].value == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [("density", 0.005), ("density", 0.0123), ("density", 1e-6), ("quality", 7.0), ("quality", 1.55),
     ("quality", 1.5234), ("rounds", 64)],
)  # fmt: skip
def test_a_value_that_no_slider_would_stop_at_is_kept_as_it_is(name, value):
    recipe = pl.Recipe(**{name: value})
    first = Controls(recipe, {}, lambda name: None)
    later = Controls(pl.Recipe(), {}, lambda name: None)
    later.set(recipe)
    for controls in (first, later):
        control = controls[name]
        assert getattr(controls.recipe, name) == control.value == value
        assert control.min <= value <= control.max, "the track reaches it"


def test_what_other_fields_leave_without_use_is_hidden_and_not_in_the_recipe(controls):
    controls["rule"].value, controls["regrow"].value = "density", 0.5
    assert shown(controls) >= {"density", "scope", "unit", "criterion", "regrow"} and controls.recipe.regrow == 0.5
    controls["criterion"].value = "random"
    assert "regrow" not in shown(controls) and (controls.recipe.criterion, controls.recipe.regrow) == ("random", 0.0)
    controls["unit"].value = "neuron"
    assert "criterion" not in shown(controls) and controls.recipe.criterion == "magnitude"
    controls["rule"].value = "quality"
    assert not shown(controls) & {"density", "scope", "unit", "criterion", "regrow"}
    assert (controls.recipe.unit, controls.recipe.criterion) == ("weight", "magnitude")
    controls["rule"].value, controls["unit"].value = "density", "weight"
    assert controls.recipe.criterion == "random", "what was chosen is there again"


def shown(controls) -> set[str]:
    controls.arrange(Options())
    return {name for name, control in controls.items() if is_shown(control)}


def test_every_field_of_the_recipe_has_a_control():
    assert set(Controls(pl.Recipe(), {}, lambda name: None)) == set(allowed()) - {"layer_quality"}


def test_rewinding_and_one_cycle_exclude_each_other_on_the_page(controls):
    controls["gradual"].value = True
    assert "rewind" not in shown(controls) and controls.recipe.gradual
    controls["gradual"].value, controls["rewind"].value = False, "rate"
    assert "rewind_epoch" in shown(controls) and controls.recipe.rewind == "rate"
    assert not shown(controls) & {"gradual", "retrain_epochs", "retrain_rate"}
    controls["rewind"].value = "none"
    assert "rewind_epoch" not in shown(controls) and shown(controls) >= {"gradual", "retrain_epochs", "retrain_rate"}
