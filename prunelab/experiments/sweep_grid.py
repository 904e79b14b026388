"""The recipes of a grid: every combination of the values that fields are given."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

from prunelab.errors import RecipeError
from prunelab.formatting import did_you_mean
from prunelab.recipe import Recipe, allowed
from prunelab.recipe.field_kinds import refusal
from prunelab.recipe.target import RULES

MOST_RUNS = 100_000


def grid(start: Recipe, settings: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[Recipe, ...]]:
    """(names of the fields, recipes): ``start`` with every combination of values; the last field changes fastest.

    settings: {field: value, or values in any iterable}; a text and a mapping are one value, None leaves a field to its
    usual value. A quality, or a density, names the rule as well; with both, and no rule, each is run under its own:
    they are added, not multiplied. Equal recipes are run once.

    Raises RecipeError for an unknown field, a field without values, a value that is not allowed, a quality, density or
    quality of a layer that no run takes notice of, and more than MOST_RUNS runs.
    """
    values = {name: _values(name, value) for name, value in settings.items()}
    named = [rule for rule in RULES if rule in values]
    if "rule" in values:
        for rule in values["rule"]:
            if not allowed()["rule"].check(rule):
                raise refusal("rule", rule, allowed()["rule"])
        for rule in named:
            if rule not in values["rule"]:
                raise RecipeError(f"{rule}: no run has the rule {rule!r}; leave the rule out, or name this one too")
    elif named:
        values = {"rule": named, **values}
    if any(values.get("layer_quality", ())) and "quality" not in values.get("rule", [start.rule]):
        raise RecipeError(
            "layer_quality: no run has the rule 'quality'; leave it out, or give a quality or that rule too"
        )
    runs = math.prod(map(len, values.values()))
    if runs > MOST_RUNS:
        raise RecipeError(f"this grid has {runs:,} runs; at most {MOST_RUNS:,} are done in one sweep")
    combined = (dict(zip(values, each, strict=True)) for each in itertools.product(*values.values()))
    recipes = dict.fromkeys(start.changed(**_noticed(each)) for each in combined)
    fields = tuple(name for name in values if name != "rule" or name in settings or len(named) > 1)
    return fields, tuple(recipes)


def _values(name: str, value: Any) -> list[Any]:
    known = allowed()
    if name not in known:
        raise RecipeError(f"{name!r} is not a field of a recipe; {did_you_mean(name, known)}")
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        return [value]
    values = list(itertools.islice(value, MOST_RUNS + 1))
    if not values:
        raise RecipeError(f"{name} has no values, an empty grid: give at least one")
    return values


def _noticed(values: dict[str, Any]) -> dict[str, Any]:
    """The values without the target of the other rule, which would do the same run again and again."""
    return {name: value for name, value in values.items() if name not in RULES or values["rule"] == name}
