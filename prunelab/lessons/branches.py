"""One dense network, and branches of it: what differs between two branches is what was done to them, nothing else."""

from __future__ import annotations

from typing import Any

from torch import nn

from prunelab.data import Data
from prunelab.errors import LessonError
from prunelab.recipe import OWN, Recipe
from prunelab.results.snapshot import Snapshot
from prunelab.sessions.session import Session
from prunelab.training.evaluation import evaluate


def trained(recipe: Recipe) -> Session:
    """A new session by ``recipe``, at the end of dense training."""
    session = Session(recipe)
    for _ in session.train():
        pass
    return session


def branch(session: Session, **changes: Any) -> Session:
    """A new session that stands where ``session`` does, and goes on by its recipe with ``changes``.

    ``session`` is left as it is, so that any number of branches can start from it.

    Args:
        session: by a recipe with a model and data of prunelab.
        **changes: fields of the recipe that say how to prune and retrain. A quality or a density names the rule, too.

    Raises:
        LessonError: the session's model or data is the user's own, or it is none.
        RecipeError: a field or its value is not valid.
        SessionError: dense training depends on a field that is changed.
    """
    _check("branch", session, Session, "give the session itself")
    if OWN in (session.recipe.model, session.recipe.data):
        raise LessonError("branch: this session has a model or data of your own; save its state() and restore() it")
    twin = Session(session.recipe)
    twin.restore(session.state())
    twin.change(session.recipe.changed(**changes))
    return twin


def outcome(session: Session, **changes: Any) -> Snapshot:
    """How a ``branch`` of ``session`` with ``changes`` ends: the last snapshot of the rest of its recipe."""
    twin = branch(session, **changes)
    for _ in twin.run():
        pass
    return twin.snapshot()


def accuracy(snapshot: Snapshot) -> float:
    """Test accuracy in percent. LessonError for one that was not tested, or is none."""
    _check("accuracy", snapshot, Snapshot, "give session.snapshot()")
    if snapshot.test_accuracy is None:
        raise LessonError(f"accuracy: the network was not tested in this snapshot (phase {snapshot.phase})")
    return 100 * snapshot.test_accuracy


def right(model: nn.Module, data: Data) -> float:
    """Test samples that ``model`` classifies correctly, in percent: dropout off, batch norm as it is."""
    _check("right", model, nn.Module, "give session.model")
    _check("right", data, Data, "give session.data, or prunelab.data.own(train, test)")
    return 100 * evaluate(model, data.test_x, data.test_y).accuracy


def _check(name: str, value: object, kind: type, advice: str) -> None:
    """Raise LessonError unless a function of a lesson was given what it takes: a session has all of it."""
    if not isinstance(value, kind):
        raise LessonError(f"{name} takes a {kind.__name__}, and this is a {type(value).__name__}: {advice}")
