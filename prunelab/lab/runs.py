"""Runs that are kept for comparison, and names for them that say how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from prunelab.recipe import Recipe
from prunelab.results.snapshot import Snapshot
from prunelab.sessions.session import Session

TARGETS = ("quality", "density")
# Fields that count under one rule alone.
OF_RULE = {"quality": ("quality", "std", "ramp", "layer_quality"), "density": ("density", "scope", "unit")}
MAX_SETTINGS = 3  # settings in a name; the others are counted
LIVE = 0  # number of the run that is on the page
MAX_RUNS = 12  # runs that are kept; one more replaces the oldest that is not pinned


@dataclass(frozen=True, eq=False)
class Run:
    """A run, as far as it got."""

    number: int  # unique; LIVE for the run on the page
    recipe: Recipe
    snapshots: tuple[Snapshot, ...]  # the settled ones (ends of phases), dense first
    label: str | None = None  # name; None: named by how the recipe differs from the others'
    pinned: bool = False  # not dropped for newer runs


class KeptRuns:
    """The runs that are kept, oldest first. Each state of a run is kept once."""

    def __init__(self) -> None:
        self.runs: tuple[Run, ...] = ()
        self._numbers = count(1)
        self._taken: set[tuple[object, ...]] = set()

    def take(self, session: Session, label: str | None = None, snapshots: Sequence[Snapshot] | None = None) -> bool:
        """Keep the session's run, or the given snapshots of it. False if nothing was cut, or it is kept already."""
        settled = [s for s in session.history if s.settled] if snapshots is None else snapshots
        if not any(s.phase == "pruned" for s in settled) or mark(settled[-1]) in self._taken:
            return False
        self._taken.add(mark(settled[-1]))
        self.runs = kept(self.runs, Run(next(self._numbers), settled[-1].recipe, tuple(settled), label))
        return True

    def restore(self, runs: Sequence[Run]) -> None:
        """Keep these runs, which were saved, and no others."""
        self.runs = tuple(runs)
        self._numbers = count(1 + max((run.number for run in runs), default=0))
        self._taken = {mark(run.snapshots[-1]) for run in runs}

    def forget(self, number: int) -> None:
        """Drop a run."""
        self.runs = tuple(run for run in self.runs if run.number != number)

    def pin(self, number: int) -> None:
        """Pin a run, so that newer ones do not replace it; or unpin it."""
        self.runs = tuple(replace(run, pinned=not run.pinned) if run.number == number else run for run in self.runs)


def mark(end: Snapshot) -> tuple[object, ...]:
    """An identifier of a run by its last snapshot: equal for equal runs, also for a run that was repeated."""
    masks = tuple(layer.digests["packed"] for layer in end.layers)
    return end.recipe.key, end.phase, end.clock, end.test_loss, masks


def kept(runs: Sequence[Run], new: Run) -> tuple[Run, ...]:
    """The runs with a new one; beyond MAX_RUNS the oldest that is not pinned is dropped."""
    loose = [run for run in runs if not run.pinned]
    drop = loose[: max(0, len(runs) + 1 - MAX_RUNS)]
    return (*(run for run in runs if run not in drop), new)


def names(runs: Sequence[Run]) -> dict[int, str]:
    """{number: name}: a run's label, or the fields in which the recipes differ. All names are different."""
    values = [run.recipe.to_dict() for run in runs]
    fields = sorted(values[0] if values else (), key=lambda field: field not in TARGETS)  # what was asked for first
    differing = [key for key in fields if len({str(v[key]) for v in values}) > 1]
    if "rule" in differing:  # what each asks for says it, too
        differing = [*TARGETS, *(key for key in differing if key not in (*TARGETS, "rule"))]
    by_number: dict[int, str] = {}
    for run, recipe in zip(runs, values, strict=True):
        idle = OF_RULE["quality" if recipe["rule"] == "density" else "density"]
        settings = [_words(key, recipe[key]) for key in differing if key not in idle]
        rest = [] if len(settings) <= MAX_SETTINGS else [f"{len(settings) - MAX_SETTINGS} more"]
        name = run.label or ", ".join(settings[:MAX_SETTINGS] + rest) or "run"
        if run.number == LIVE:
            name = f"{name} (on the page)"
        by_number[run.number] = name if name not in by_number.values() else f"{name} (run {run.number})"
    return by_number


def _words(key: str, value: Any) -> str:
    """A field's value in words."""
    known = {
        ("regularizer", "l1"): "L1", ("regularizer", "l2"): "L2", ("regularizer", "none"): "no penalty",
        ("adjust_dropout", False): "no dropout rule", ("adjust_dropout", True): "dropout rule",
        ("ramp", False): "constant quality", ("ramp", True): "rising quality",
        ("recalibrate", False): "stale batch norm", ("recalibrate", True): "renewed batch norm",
        ("batch_norm", False): "no batch norm", ("batch_norm", True): "batch norm",
        ("rounds", 1): "one round", ("std", "dense"): "dense deviation",
        ("std", "survivors"): "survivors' deviation", ("std", "all"): "deviation of all",
        ("unit", "neuron"): "whole neurons", ("unit", "weight"): "single connections",
        ("rule", "density"): "by density", ("rule", "quality"): "by quality",
    }  # fmt: skip
    if (key, value) in known:
        return known[key, value]
    if key == "rounds":
        return f"{value} rounds"
    if key in ("data", "model", "optimizer", "scope"):
        return str(value)
    if key == "layer_quality":
        return ", ".join(f"{layer} {quality:g}" for layer, quality in value.items()) or "one quality"
    return f"{key.replace('_', ' ')} {value:g}" if isinstance(value, float) else f"{key.replace('_', ' ')} {value}"
