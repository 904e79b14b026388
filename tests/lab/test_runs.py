"""Runs that are kept: their names say what differs."""

from dataclasses import replace

from prunelab.lab.runs import MAX_RUNS, Run, kept, names
from prunelab.recipe import Recipe


def runs(*recipes: Recipe, **more) -> list[Run]:
    return [Run(number, recipe, (), **more) for number, recipe in enumerate(recipes, 1)]


def test_names_say_what_differs_and_nothing_else():
    base = Recipe(seed=3)
    assert list(names(runs(base)).values()) == ["run"]
    pair = runs(replace(base, regularizer="l1"), replace(base, rounds=1))
    assert list(names(pair).values()) == ["L1, 3 rounds", "L2, one round"]
    assert list(names(runs(base, replace(base, adjust_dropout=False))).values()) == ["dropout rule", "no dropout rule"]
    assert list(names(runs(base, base)).values()) == ["run", "run (run 2)"]
    far = replace(base, regularizer="l1", rounds=1, ramp=False, quality=2.0)
    assert list(names(runs(base, far)).values())[1] == "quality 2, L1, constant quality, 1 more"
    assert names([]) == {}


def test_the_oldest_that_is_not_pinned_makes_room():
    found: tuple[Run, ...] = ()
    for number in range(1, MAX_RUNS + 1):
        found = kept(found, Run(number, Recipe(), (), pinned=number == 1))
    found = kept(found, Run(99, Recipe(), ()))
    assert len(found) == MAX_RUNS and [run.number for run in found[:2]] == [1, 3] and found[-1].number == 99


def test_a_name_says_what_the_rule_asks_for_and_nothing_that_it_does_not_read():
    base = Recipe(quality=1.2)
    by_density = base.changed(rule="density", density=0.08, rounds=1)
    assert list(names(runs(base, by_density)).values()) == [
        "quality 1.2, 3 rounds",
        "density 0.08, one round",
    ]
    assert list(names(runs(base, base.changed(density=0.3, quality=2.0))).values()) == ["quality 1.2", "quality 2"]
