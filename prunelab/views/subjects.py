"""What a view is given: a snapshot, a history of them, runs by name or a result; all else is refused in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from prunelab.results.measurement import Measurement
from prunelab.results.sensitivity import Sensitivity
from prunelab.results.snapshot import Snapshot
from prunelab.results.tradeoff import Tradeoff

ResultT = TypeVar("ResultT", Measurement, Sensitivity, Tradeoff)

# What gives a result, by its kind.
SOURCES = {
    Measurement: "prunelab.sparse.measure(session.model, example)",
    Sensitivity: "prunelab.sensitivity(session.model, session.data)",
    Tradeoff: "prunelab.experiments.tradeoff.tradeoff(recipe)",
}


def a_snapshot(value: Any, name: str) -> Snapshot:
    """``value`` if it is a snapshot. TypeError, for the view called ``name``, if not."""
    if isinstance(value, Snapshot):
        return value
    kind = type(value).__name__
    if hasattr(value, "history"):  # a session: views are below sessions, and do not know them
        how = "session.snapshot() gives its current one, session.preview(...) the one after a cut"
    else:
        how = "as session.snapshot() returns it"
    raise TypeError(f"views.{name} shows a Snapshot, and this is {_article(kind)} {kind}: {how}")


def a_history(value: Any, name: str) -> list[Snapshot]:
    """``value`` as a list if it holds snapshots alone. TypeError, for the view called ``name``, if not."""
    kind = type(value).__name__
    if hasattr(value, "history"):  # iterating a session would run it
        raise TypeError(f"views.{name} shows a history of snapshots, and this is a {kind}: give session.history")
    if isinstance(value, Snapshot):
        raise TypeError(f"views.{name} shows a history of snapshots, and this is a single one: put it into a list")
    if not isinstance(value, Iterable):
        raise TypeError(f"views.{name} shows a history of snapshots, and this is {_article(kind)} {kind}")
    snapshots = list(value)
    for snapshot in snapshots:
        if not isinstance(snapshot, Snapshot):
            raise TypeError(f"views.{name} shows snapshots, and one of these is a {type(snapshot).__name__}")
    return snapshots


def runs_by_name(value: Any, name: str) -> dict[str, list[Snapshot]]:
    """``value`` as {name: snapshots} if it is that. TypeError, for the view called ``name``, if not."""
    if isinstance(value, Mapping):
        return {run: a_history(snapshots, name) for run, snapshots in value.items()}
    kind = type(value).__name__
    if hasattr(value, "history"):
        how = '{"my run": session.history}'
    elif isinstance(value, Snapshot):
        how = '{"my run": [snapshot]}'
    else:
        how = 'as in {"one": session.history, "other": another.history}'
    raise TypeError(f"views.{name} shows runs by name, and this is {_article(kind)} {kind}: give a dict, {how}")


def a_result(value: Any, kind: type[ResultT], name: str) -> ResultT | None:
    """``value`` if it is a result of that kind, or None. TypeError, for the view called ``name``, if not."""
    if value is None or isinstance(value, kind):
        return value
    found, needed = type(value).__name__, kind.__name__
    raise TypeError(
        f"views.{name} shows {_article(needed)} {needed}, and this is {_article(found)} {found}: "
        f"{SOURCES[kind]} gives one"
    )


def _article(noun: str) -> str:
    return "an" if noun[:1] in "AEIOUaeiou" else "a"
