"""What a view is given: a snapshot, or a history of them; anything else is refused in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prunelab.results.snapshot import Snapshot


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


def _article(noun: str) -> str:
    return "an" if noun[:1] in "AEIOUaeiou" else "a"
