"""Runs that are kept: their names say what differs, and presets make one point each."""

from dataclasses import replace

from prunelab.lab.runs import MOST, Run, kept, names, presets
from prunelab.recipe import TRAINING_FIELDS, Recipe


def runs(*recipes: Recipe, **more) -> list[Run]:
    return [Run(number, recipe, (), **more) for number, recipe in enumerate(recipes, 1)]


def test_names_say_what_differs_and_nothing_else():
    base = Recipe(seed=3)
    assert list(names(runs(base)).values()) == ["run"]
    pair = runs(replace(base, regularizer="l1"), replace(base, rounds=1))
    assert list(names(pair).values()) == ["L1, 3 rounds", "L2, one round"]
    assert list(names(runs(base, replace(base, adjust_dropout=False))).values()) == ["dropout rule", "no dropout rule"]
    assert list(names(runs(base, base)).values()) == ["run", "run (run 2)"]
    assert names([]) == {}


def test_the_oldest_that_is_not_pinned_makes_room():
    found: tuple[Run, ...] = ()
    for number in range(1, MOST + 1):
        found = kept(found, Run(number, Recipe(), (), pinned=number == 1))
    found = kept(found, Run(99, Recipe(), ()))
    assert len(found) == MOST and [run.number for run in found[:2]] == [1, 3] and found[-1].number == 99


def test_every_preset_changes_what_it_speaks_of_and_nothing_else():
    recipe = Recipe(model="mlp-small", epochs=2, retrain_epochs=1)
    for preset in presets(recipe):
        plans = preset.plans(recipe)
        assert len(plans) == 2 and preset.point.endswith(".")
        assert len({(plan.recipe, plan.retrain) for plan in plans}) == 2
        for plan, change in zip(plans, preset.changes, strict=True):
            now, before = plan.recipe.to_dict(), recipe.to_dict()
            assert {key for key in now if now[key] != before[key]} <= set(change) - {"retrain"}
    shot, rounds = next(p for p in presets(recipe) if p.name.startswith("one shot")).plans(recipe)
    budget = [plan.recipe.rounds * plan.recipe.retrain_epochs for plan in (shot, rounds)]
    assert budget[0] == budget[1], "as many epochs for both"
    assert all(getattr(shot.recipe, name) == getattr(rounds.recipe, name) for name in TRAINING_FIELDS)
