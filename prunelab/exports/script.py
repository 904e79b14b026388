"""The few lines of Python that do a run again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from prunelab.recipe import OWN, Recipe
from prunelab.results.snapshot import Snapshot

WIDEST = 100


def differing(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe that differ from the defaults, by name, as JSON types; what its link would carry."""
    names = [name for name, _ in parse_qsl(recipe.to_query(), keep_blank_values=True)]
    wanted = {"layer_quality" if "." in name else name for name in names}
    return {name: value for name, value in recipe.to_dict().items() if name in wanted}


def snippet(recipe: Recipe, history: Sequence[Snapshot] = ()) -> str:
    """Python that runs ``recipe`` again and prints what came out; only what differs from the defaults is written.

    history: of the run, if it may have gone otherwise than the recipe says (cut by hand, stopped early, settings
    changed on the way): then its steps are written one by one, up to the last that was finished, and count instead of
    ``recipe``. Data and models of one's own are left to be filled in.
    """
    taken = [s for s in history if s.phase in ("trained", "pruned", "retrained")]
    recipe = next((s.recipe for s in taken if s.phase == "pruned"), recipe)  # dense training is the same by all of them
    values = {name: value for name, value in differing(recipe).items() if value != OWN}
    own = [name for name in ("model", "data") if getattr(recipe, name) == OWN]
    lines = ["import prunelab as pl", ""]
    if own:
        what = {"model": "model: your torch module", "data": "train, test: pairs (x, y) of tensors, or datasets"}
        lines += [f"# {what[name]}" for name in own]
    lines += _written("recipe = pl.Recipe", values)
    given = {"model": ", model=model", "data": ", data=(train, test)"}
    lines.append(f"session = pl.Session(recipe{''.join(given[name] for name in own)})")
    lines += _steps(recipe, taken) or ["for snapshot in session:", "    pass"]
    lines += [
        "",
        "now = session.snapshot()",
        'print(f"accuracy {now.test_accuracy:.4f}, {now.kept} of {now.total} connections kept")',
    ]
    return "\n".join(lines) + "\n"


def _written(call: str, values: dict[str, Any], end: str = "") -> list[str]:
    """A call with these arguments, on one line or on many."""
    arguments = [f"{name}={value!r}" for name, value in values.items()]
    line = f"{call}({', '.join(arguments)}){end}"
    if len(line) <= WIDEST:
        return [line]
    return [f"{call}(", *(f"    {argument}," for argument in arguments), f"){end}"]


def _steps(recipe: Recipe, taken: Sequence[Snapshot]) -> list[str]:
    """The steps that were taken, a line each; none where they are just those of the recipe."""
    planned = ["trained"] + ["pruned", "retrained"] * recipe.rounds
    by_it = all(s.recipe == recipe and by_recipe(s) for s in taken if s.round)
    if not taken or ([s.phase for s in taken] == planned and by_it):
        return []
    lines = []
    for s in taken:
        if s.round and s.recipe != recipe:
            old, new = recipe.to_dict(), s.recipe.to_dict()
            changes = {name: value for name, value in new.items() if value != old[name]}
            lines += _written("session.change(session.recipe.changed", changes, ")")
            recipe = s.recipe
        lines.append(_step(s))
    return lines


def _step(taken: Snapshot) -> str:
    if taken.phase != "pruned":
        return f"list(session.{'train' if taken.phase == 'trained' else 'retrain'}())"
    if by_recipe(taken):
        return "session.prune()"
    assert taken.target is not None
    density = taken.target.density
    return f"session.prune({taken.target.quality!r})" if density is None else f"session.prune(density={density!r})"


def by_recipe(taken: Snapshot) -> bool:
    """Whether a step was the one that its recipe asks for: a cut may have been made by hand instead."""
    if taken.phase != "pruned":
        return True
    return taken.target == taken.recipe.target_of_round(taken.round)
