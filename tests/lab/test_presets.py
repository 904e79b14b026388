"""Each makes its point on the data that comes along, and says of its own runs only what they show."""

import functools
from dataclasses import replace
from typing import Any

import pytest

import prunelab as pl
from prunelab.lab.presets import MIN_GAP, PlannedRun, Preset, presets, series
from prunelab.recipe import TRAINING_FIELDS, Recipe
from prunelab.results.snapshot import Snapshot
from prunelab.sessions.snapshot_rate import SnapshotRate

SMALL = Recipe(model="mlp-small")
NAMES = [preset.name for preset in presets(SMALL)]


def preset_of(name: str, recipe: Recipe) -> Preset:
    return next(preset for preset in presets(recipe) if preset.name == name)


@functools.cache
def learned(recipe: Recipe) -> dict[str, Any]:
    """The state of a session by this recipe when dense training has ended."""
    session = pl.Session(recipe)
    for _ in session.train():
        pass
    return session.state()


def begun(plan: PlannedRun) -> pl.Session:
    """The session of a plan; plans that differ in pruning alone begin with one dense network, trained once."""
    session = pl.Session(plan.recipe)
    if not plan.cuts:
        training = {name: getattr(plan.recipe, name) for name in TRAINING_FIELDS}
        session.restore(learned(Recipe(**training)))
    return session


def carried_out(preset: Preset, recipe: Recipe) -> dict[str, list[Snapshot]]:
    found = {}
    for _ in series(preset.plans(recipe), begun, lambda plan, run: found.update({plan.label: run})):
        pass
    assert tuple(found) == preset.labels
    return found


@pytest.mark.parametrize("recipe", [SMALL, Recipe()], ids=lambda recipe: recipe.model)
@pytest.mark.parametrize("name", NAMES)
def test_a_preset_shows_its_point(name, recipe, monkeypatch):
    monkeypatch.setattr(SnapshotRate, "due", lambda _: False)  # only the end of a phase is looked at
    preset = preset_of(name, recipe)
    worse, better = (run[-1] for run in carried_out(preset, recipe).values())
    said = preset.says((worse, better))
    if name == "constant quality stalls":
        assert worse.density > 1.5 * better.density and "ever less to cut" in said
        return
    assert abs(worse.density - better.density) < 0.001, "only what is as thin can be compared"
    assert better.test_accuracy > worse.test_accuracy + 2 * MIN_GAP, "seen in class, not a matter of seven digits"
    assert not said.endswith(("hardly a difference here.", "the other way round."))


@pytest.mark.parametrize("name", NAMES)
def test_what_the_runs_do_not_show_is_not_said(name):
    session = pl.Session(replace(SMALL, epochs=1))
    for _ in session.train():
        pass
    good = replace(session.preview(density=0.1), test_accuracy=0.9)
    bad, preset = replace(good, test_accuracy=0.5), preset_of(name, SMALL)
    alike, swapped = preset.says((good, replace(good, test_accuracy=0.91))), preset.says((good, bad))
    if name == "constant quality stalls":
        assert alike.endswith("Here it does not stall.")
    else:
        assert alike.endswith("hardly a difference here.") and swapped.endswith("here it is the other way round.")
        assert "50.0 %" in swapped and "90.0 %" in swapped


def test_every_preset_asks_and_respects_the_page():
    recipe = replace(SMALL, seed=7, optimizer="adam", learning_rate=0.02, batch_size=32, epochs=3, retrain_epochs=2)
    kept = ("data", "model", "seed", "optimizer", "learning_rate", "batch_size", "epochs", "retrain_rate")
    for preset in presets(recipe):
        plans = preset.plans(recipe)
        assert len(plans) == 2 and preset.asks.endswith("?")
        assert len({(plan.recipe, plan.cuts) for plan in plans}) == 2
        assert all(getattr(plan.recipe, name) == getattr(recipe, name) for plan in plans for name in kept)
        assert preset_of(preset.name, plans[1].recipe).plans(plans[1].recipe) == plans, "known again by its last run"


def test_one_shot_and_five_rounds_take_as_many_epochs_to_as_few_weights():
    recipe = replace(SMALL, retrain_epochs=3)
    shot, rounds = preset_of("one shot or five rounds", recipe).plans(recipe)
    budget = [plan.recipe.rounds * plan.recipe.retrain_epochs for plan in (shot, rounds)]
    assert budget == [15, 15] and shot.recipe.density == rounds.recipe.density
    assert all(getattr(shot.recipe, name) == getattr(rounds.recipe, name) for name in TRAINING_FIELDS)


def test_a_network_of_ones_own_is_not_offered_what_cannot_be_done_to_it():
    names = [preset.name for preset in presets(Recipe(model="own"))]
    assert names == NAMES[:4] and not any("batch norm" in name or "dropout" in name for name in names)


def test_cuts_without_retraining_are_moments_of_the_dense_network():
    recipe = replace(SMALL, epochs=2)
    plan = PlannedRun(recipe, "cut", (0.5, 0.1))
    told = []
    for _ in series([plan], lambda plan: pl.Session(plan.recipe), lambda plan, run: told.extend(run)):
        pass
    assert [s.phase for s in told] == ["trained", "pruned", "pruned"]
    assert [round(s.density, 2) for s in told] == [1.0, 0.5, 0.1]
