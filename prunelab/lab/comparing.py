"""Comparing: the runs of a preset, one after the other, as one stream; what was cut without retraining too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from prunelab.lab.presets import Plan
from prunelab.session import Session
from prunelab.snapshot import Snapshot


def series(
    plans: Sequence[Plan], begin: Callable[[Plan], Session], end: Callable[[Plan, Sequence[Snapshot]], None]
) -> Iterator[Snapshot | None]:
    """Every plan carried out. begin: opens a session by it; end: told its settled moments. Leave it to cancel."""
    for plan in plans:
        session = begin(plan)
        if plan.cuts:
            yield from session.ticks("train")
            moments = [snapshot for snapshot in session.history if snapshot.phase == "trained"]
            for number, density in enumerate(plan.cuts, 1):
                moments.append(replace(session.preview(density=density), phase="pruned", round=number))
                yield None
            end(plan, moments)
        else:
            yield from session.ticks("run")
            end(plan, [snapshot for snapshot in session.history if snapshot.settled])
