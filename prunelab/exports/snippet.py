"""Snippet: the few lines of Python that do a run again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from prunelab.recipe import OWN, Recipe
from prunelab.snapshot import Snapshot

WIDEST = 100


def differing(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe that differ from the defaults, by name, as JSON types; what its link would carry."""
    names = [name for name, _ in parse_qsl(recipe.to_query(), keep_blank_values=True)]
    wanted = {"layer_quality" if "." in name else name for name in names}
    return {name: value for name, value in recipe.to_dict().items() if name in wanted}


def snippet(recipe: Recipe, history: Sequence[Snapshot] = ()) -> str:
    """Python that runs ``recipe`` again and prints what came out; only what differs from the defaults is written.

    history: of the run, if it may have gone otherwise than the recipe says (cut by hand, stopped early): then its steps
    are written one by one, up to the last that was finished. Data and models of one's own are left to be filled in.
    """
    values = {name: value for name, value in differing(recipe).items() if value != OWN}
    own = [name for name in ("model", "data") if getattr(recipe, name) == OWN]
    lines = ["import prunelab as pl", ""]
    if own:
        what = {"model": "model: your torch module", "data": "train, test: pairs (x, y) of tensors, or datasets"}
        lines += [f"# {what[name]}" for name in own]
    lines += _recipe(values)
    given = {"model": ", model=model", "data": ", data=(train, test)"}
    lines.append(f"session = pl.Session(recipe{''.join(given[name] for name in own)})")
    lines += _steps(recipe, history) or ["for snapshot in session:", "    pass"]
    lines += [
        "",
        "now = session.snapshot()",
        'print(f"accuracy {now.test_accuracy:.4f}, {now.kept} of {now.total} connections kept")',
    ]
    return "\n".join(lines) + "\n"


def _recipe(values: dict[str, Any]) -> list[str]:
    arguments = [f"{name}={value!r}" for name, value in values.items()]
    line = f"recipe = pl.Recipe({', '.join(arguments)})"
    if len(line) <= WIDEST:
        return [line]
    return ["recipe = pl.Recipe(", *(f"    {argument}," for argument in arguments), ")"]


def _steps(recipe: Recipe, history: Sequence[Snapshot]) -> list[str]:
    """The steps that were taken, a line each; none where they are just those of the recipe."""
    taken = [s for s in history if s.phase in ("trained", "pruned", "retrained")]
    planned = ["trained"] + ["pruned", "retrained"] * recipe.rounds
    as_planned = [_usual(recipe, s) for s in taken if s.phase == "pruned"]
    if not taken or ([s.phase for s in taken] == planned and all(as_planned)):
        return []
    lines = []
    for s in taken:
        if s.phase == "pruned":
            lines.append(f"session.prune({'' if _usual(recipe, s) else repr(s.quality)})")
        else:
            lines.append(f"list(session.{'train' if s.phase == 'trained' else 'retrain'}())")
    return lines


def _usual(recipe: Recipe, cut: Snapshot) -> bool:
    """Whether a cut was the one that the recipe asks for in its round."""
    return cut.quality == (recipe.quality_of_round(cut.round) if recipe.rule == "quality" else None)
