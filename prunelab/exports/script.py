"""Python code that repeats a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from prunelab.recipe import OWN, Recipe
from prunelab.results.objective import CLASSIFYING, Objective
from prunelab.results.snapshot import Snapshot
from prunelab.results.subject import Subject

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


def snippet(recipe: Recipe, history: Sequence[Snapshot] = (), subject: Subject | None = None) -> str:
    """Python that repeats a run and prints the result; only fields that differ from the defaults are written.

    Custom data, models, losses and metrics are left to be filled in.

    Args:
        recipe: of the run.
        history: of the run, if it may differ from the recipe (manual cuts, stopped early, changed settings), or has
            another objective than classification. Then its steps are written one by one, also those that were left
            before their end, and replace ``recipe``.
        subject: of the run, as ``Session.subject`` gives it: names the weights with a mask, if the session was given
            masks of other weights than usual, and tells whether masks were given so that zeros learn. None: neither.
    """
    taken = list(steps_taken(history))
    trained = learned_before(history)
    recipe = next((s.recipe for s in taken if s.what == "prune"), recipe)  # all have the same dense training
    rewinding = next((s.recipe for s in taken if s.recipe.early_epoch is not None), recipe)
    if recipe.training_differences(rewinding):  # what is rewound to later has to be kept from the start
        recipe = rewinding
    objective = history[-1].objective if history else CLASSIFYING
    values = {name: value for name, value in differing(recipe).items() if value != OWN}
    custom = [name for name in ("model", "data") if getattr(recipe, name) == OWN]
    lines = ["import prunelab as pl", ""]
    if custom:
        what = {
            "model": f"model: your torch module{_zeros_at_the_start(history)}",
            "data": "train, test: pairs (x, y) of tensors, or datasets",
        }
        lines += [f"# {what[name]}" for name in custom]
    lines += [f"# {name}: {OWN_FUNCTIONS[name]}" for name in objective.own]
    lines += _written("recipe = pl.Recipe", values)
    given = {"model": ", model=model", "data": ", data=(train, test)"}
    arguments = "".join(given[name] for name in custom) + _objective(objective)
    if trained:
        arguments += ", trained=True"
    if subject is not None and (subject.masked or subject.zeros_learn):
        # Saved by earlier versions, only the history of a run tells that zeros at its dense start were to learn.
        began_dense = history and not history[0].round and history[0].kept == history[0].total
        make = "pl.Masks" if subject.zeros_learn or began_dense else "pl.Masks.from_zeros"
        layers = {"layers": list(subject.masked)} if subject.masked else {}
        lines += _written(f"masks = {make}", layers, first="model")
        arguments += ", masks=masks"
    if history and unfinished(history[-1]):
        lines.append(f"# {unfinished(history[-1])}")
    lines.append(f"session = pl.Session(recipe{arguments})")
    steps = _steps(recipe, taken, trained=trained)
    lines += ["for snapshot in session:", "    pass"] if steps is None else steps
    lines += [
        "",
        "now = session.snapshot()",
        'print(f"{now.objective.metric} {now.test_accuracy:.4f}, {now.kept} of {now.total} connections kept")',
    ]
    return "\n".join(lines) + "\n"


def _zeros_at_the_start(history: Sequence[Snapshot]) -> str:
    """What the model has to be like where masks or zeros were there before the session; "" where it was dense."""
    if not history or history[0].round or history[0].kept == history[0].total:
        return ""
    start = history[0]
    return f", as it began: {start.total - start.kept:,} of its {start.total:,} connections zero"


def _objective(objective: Objective) -> str:
    """The arguments of a session for its loss and metric; "" for classification."""
    parts = []
    for name, value, usual in (("loss", objective.loss, CLASSIFYING.loss), ("metric", objective.metric, None)):
        if name in objective.own:
            parts.append(f", {name}={name}")
        elif value != usual and objective != CLASSIFYING:
            parts.append(f", {name}={value!r}")
    return "".join(parts)


def _written(call: str, values: dict[str, Any], end: str = "", first: str = "") -> list[str]:
    """A call with these arguments, on one line if it fits. first: one without a name."""
    arguments = [first] * bool(first) + [f"{name}={value!r}" for name, value in values.items()]
    line = f"{call}({', '.join(arguments)}){end}"
    if len(line) <= LINE_LENGTH:
        return [line]
    return [f"{call}(", *(f"    {argument}," for argument in arguments), f"){end}"]


def unfinished(now: Snapshot) -> str:
    """A sentence about the phase that a run stands in the middle of; "" if it stands at the end of one."""
    if now.settled:
        return ""
    where = f"the retraining of round {now.round}" if now.round else "dense training"
    return f"This run is not finished: it stands in {where}, at step {now.step:,} of {now.steps:,}."


def learned_before(history: Sequence[Snapshot]) -> bool:
    """Whether the network had learned already when its session began."""
    first = next(iter(steps_taken(history)), None)
    return first is not None and first.what == "train" and first.end.clock == 0 and not first.left


@dataclass(frozen=True)
class Taken:
    """A step of a run. what: "train", "prune" or "retrain". recipe: that it followed. end: the snapshot after it.

    left: whether it was left before its end, at the clock of ``end``.
    """

    what: str
    recipe: Recipe
    end: Snapshot
    left: bool = False


def steps_taken(history: Sequence[Snapshot]) -> Iterator[Taken]:
    """The steps of a run, from its snapshots: all that are settled, and some of the others."""
    whats = {"trained": "train", "pruned": "prune", "retrained": "retrain"}
    learning = {"training": "train", "retraining": "retrain"}
    clock, under_way = 0, None  # of the latest step; a snapshot in the middle of the one that comes next
    for s in history:
        if s.phase in learning:
            under_way = s
        elif s.phase in whats:
            if s.phase == "pruned" and s.clock > clock and under_way is not None:
                yield Taken(learning[under_way.phase], under_way.recipe, s, left=True)
            yield Taken(whats[s.phase], s.recipe, s)
            clock, under_way = s.clock, None
    if under_way is not None:
        yield Taken(learning[under_way.phase], under_way.recipe, under_way, left=True)


def _steps(recipe: Recipe, taken: Sequence[Taken], *, trained: bool) -> list[str] | None:
    """The steps that were taken, in lines; None if they are exactly those of the recipe, or not known.

    trained: the first of them, dense training, was taken before the session began.
    """
    planned = ["train"] + ["prune", "retrain"] * recipe.rounds
    by_it = all(s.recipe == recipe and by_recipe(s.end) and not s.left for s in taken if s.what != "train")
    if not taken or ([s.what for s in taken] == planned and by_it and not taken[0].left):
        return None
    lines = []
    for s in taken[trained:]:
        if s.what != "train" and s.recipe != recipe:
            old, new = recipe.to_dict(), s.recipe.to_dict()
            changes = {name: value for name, value in new.items() if value != old[name]}
            lines += _written("session.change(session.recipe.changed", changes, ")")
            recipe = s.recipe
        lines += _step(s)
    return lines


def _step(taken: Taken) -> list[str]:
    if taken.left:
        return [
            f"for _ in session.ticks({taken.what!r}):  # left before its end",
            f"    if session.clock >= {taken.end.clock}:",
            "        break",
        ]
    if taken.what != "prune":
        return [f"list(session.{taken.what}())"]
    if by_recipe(taken.end):
        return ["session.prune()"]
    assert taken.end.target is not None
    quality, density = taken.end.target.to_dict().values()
    return [f"session.prune({quality!r})" if density is None else f"session.prune(density={density!r})"]


def by_recipe(taken: Snapshot) -> bool:
    """Whether a step followed its recipe; a cut may have a manual target instead."""
    if taken.phase != "pruned":
        return True
    return taken.target == taken.recipe.target_of_round(taken.round)
