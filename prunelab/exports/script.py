"""Python code that repeats a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from prunelab.recipe import OWN, Recipe
from prunelab.results.objective import CLASSIFYING, Objective
from prunelab.results.snapshot import Snapshot

OWN_FUNCTIONS = {
    "loss": "your function (output, target) -> mean loss of a batch",
    "metric": "your function (output, target) -> number, or pl.Metric",
}
LINE_LENGTH = 100  # characters


def differing(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe that are not left to their default, by name, as JSON types: those of its link."""
    names = [name for name, _ in parse_qsl(recipe.to_query(), keep_blank_values=True)]
    fields = {"layer_quality" if "." in name else name for name in names}
    return {name: value for name, value in recipe.to_dict().items() if name in fields}


def snippet(recipe: Recipe, history: Sequence[Snapshot] = ()) -> str:
    """Python that repeats a run and prints the result; only fields that differ from the defaults are written.

    Custom data, models, losses and metrics are left to be filled in.

    Args:
        recipe: of the run.
        history: of the run, if it may differ from the recipe (manual cuts, stopped early, changed settings), or has
            another objective than classification. Then its steps are written one by one, up to the last finished one,
            and replace ``recipe``.
    """
    taken = [s for s in history if s.phase in ("trained", "pruned", "retrained")]
    recipe = next((s.recipe for s in taken if s.phase == "pruned"), recipe)  # all have the same dense training
    objective = history[-1].objective if history else CLASSIFYING
    values = {name: value for name, value in differing(recipe).items() if value != OWN}
    custom = [name for name in ("model", "data") if getattr(recipe, name) == OWN]
    lines = ["import prunelab as pl", ""]
    if custom:
        what = {"model": "model: your torch module", "data": "train, test: pairs (x, y) of tensors, or datasets"}
        lines += [f"# {what[name]}" for name in custom]
    lines += [f"# {name}: {OWN_FUNCTIONS[name]}" for name in objective.own]
    lines += _written("recipe = pl.Recipe", values)
    given = {"model": ", model=model", "data": ", data=(train, test)"}
    arguments = "".join(given[name] for name in custom) + _objective(objective)
    lines.append(f"session = pl.Session(recipe{arguments})")
    lines += _steps(recipe, taken) or ["for snapshot in session:", "    pass"]
    lines += [
        "",
        "now = session.snapshot()",
        'print(f"{now.objective.metric} {now.test_accuracy:.4f}, {now.kept} of {now.total} connections kept")',
    ]
    return "\n".join(lines) + "\n"


def _objective(objective: Objective) -> str:
    """The arguments of a session for its loss and metric; "" for classification."""
    parts = []
    for name, value, usual in (("loss", objective.loss, CLASSIFYING.loss), ("metric", objective.metric, None)):
        if name in objective.own:
            parts.append(f", {name}={name}")
        elif value != usual and objective != CLASSIFYING:
            parts.append(f", {name}={value!r}")
    return "".join(parts)


def _written(call: str, values: dict[str, Any], end: str = "") -> list[str]:
    """A call with these arguments, on one line if it fits."""
    arguments = [f"{name}={value!r}" for name, value in values.items()]
    line = f"{call}({', '.join(arguments)}){end}"
    if len(line) <= LINE_LENGTH:
        return [line]
    return [f"{call}(", *(f"    {argument}," for argument in arguments), f"){end}"]


def _steps(recipe: Recipe, taken: Sequence[Snapshot]) -> list[str]:
    """The steps that were taken, a line each; [] if they are exactly those of the recipe."""
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
    quality, density = taken.target.to_dict().values()
    return f"session.prune({quality!r})" if density is None else f"session.prune(density={density!r})"


def by_recipe(taken: Snapshot) -> bool:
    """Whether a step followed its recipe; a cut may have a manual target instead."""
    if taken.phase != "pruned":
        return True
    return taken.target == taken.recipe.target_of_round(taken.round)
