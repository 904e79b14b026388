"""The saved state of a session: what it may be, part by part and as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prunelab.recipe import Recipe
from prunelab.results.objective import Objective
from prunelab.results.snapshot import PHASES
from prunelab.sessions import checkpoint, pruned_model, trainer
from prunelab.sessions.checkpoint_schema import (
    check_keys,
    check_part,
    count,
    each,
    either,
    fields,
    flag,
    number,
    one_of,
    optional,
    row,
    share,
    text,
)

# Of the part "session"; those of "trainer" and "model" are in trainer.py and pruned_model.py.
SCHEMA = {
    "phase": one_of(*(phase for phase in PHASES if phase != "preview")),
    "round": count,
    "dense_accuracy": optional(number),
    "objective": optional(
        fields(
            loss=text,
            metric=text,
            low=optional(number),
            high=optional(number),
            classifies=flag,
            own=lambda value: isinstance(value, list) and set(value) <= {"loss", "metric"},
        )
    ),
    "target": optional(
        fields(quality=optional(either(number, each(number))), density=optional(either(share, each(share))))
    ),
    "zeros_learn": flag,
    "samples": row(count, count),
    "data": text,
}


def read_state(directory: Path) -> tuple[dict[str, Any], Recipe]:
    """The state, as ``Session.state`` returns it, and the recipe that ``Session.save`` wrote to ``directory``.

    Raises:
        StorageError: the files are missing, damaged, not a session, or of a newer format.
    """
    return checkpoint.read(directory, _check)


def _check(state: Mapping[str, Any]) -> None:
    """Raise ValueError, with name and value, unless ``state`` is a possible state of a session."""
    check_keys("the index", state, {"session", "trainer", "model", "history"})
    session = state["session"]
    if isinstance(session, dict):  # the usual is not saved, as by earlier versions
        session = {"objective": None, "zeros_learn": False, **session}
    check_part("session", session, SCHEMA)
    for part, schema in (("trainer", trainer.SCHEMA), ("model", pruned_model.SCHEMA)):
        check_part(part, state.get(part), schema)
    training, objective = state["trainer"], Objective.from_dict(session["objective"])
    tested = training["tested"] and training["tested"]["accuracy"]
    for name, accuracy in (("dense_accuracy", session["dense_accuracy"]), ("tested", tested)):
        if accuracy is not None and not objective.allows(accuracy):
            raise ValueError(f"{name} = {accuracy} cannot be: {objective.metric} is {objective.range}")
    phase, course, at = session["phase"], training["course"], training["at"]
    clock, learning = at["start"] + at["number"], phase in ("training", "retraining")
    gradual = session["round"] > 0 and len(state["history"]) > 0 and state["history"][-1].recipe.gradual
    consistent = {
        "round": (session["round"] == 0) == (phase in ("new", "training", "trained")),
        "course": course is not None if learning or phase == "retrained" else course is None or phase == "trained",
        "step": at["number"] == 0 if course is None else at["number"] <= at["total"],
        "clock": phase != "new" or clock == 0,
        "tested": (training["tested"] is None) == (not training["predicted"]),
        "optimizer": training["optimizer"] is None or learning or gradual,
    }
    for name, fits in consistent.items():
        if not fits:
            raise ValueError(f"{name} does not fit phase {phase!r} at round {session['round']}, step {at['number']}")
