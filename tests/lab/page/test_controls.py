"""Controls: the values that go with a choice, and values that no slider would stop at."""

import pytest

import prunelab as pl
from prunelab.lab.page.controls import Controls


def test_other_data_bring_their_own_lengths(lab):
    lab.controls["data"].value = "mnist"
    usual = pl.Recipe(data="mnist")
    assert (lab.controls["epochs"].value, lab.controls["retrain_epochs"].value) == (usual.epochs, usual.retrain_epochs)


def test_other_models_bring_the_rate_they_learn_at(lab):
    lab.controls["model"].value = "lenet-5"
    assert lab.controls["learning_rate"].value == pl.Recipe(model="lenet-5").learning_rate != 0.1


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
