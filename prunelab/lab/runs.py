"""What is kept of a run for comparison, and names that say what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from prunelab.recipe import Recipe
from prunelab.results.snapshot import Snapshot
from prunelab.sessions.session import Session

MOST_SAID = 3  # settings in a name; a run that differs in more is another experiment
LIVE = 0  # number of the run that is on the page
MOST = 12  # runs that are kept; beyond that the oldest that is not pinned goes


@dataclass(frozen=True, eq=False)
class Run:
    """A run as far as it came. snapshots: the settled ones, dense first. label: instead of what differs."""

    number: int
    recipe: Recipe
    snapshots: tuple[Snapshot, ...]
    label: str | None = None
    pinned: bool = False


class KeptRuns:
    """The runs that are kept, each once as far as it came."""

    def __init__(self) -> None:
        self.runs: tuple[Run, ...] = ()
        self._numbers = count(1)
        self._taken: set[tuple[object, ...]] = set()

    def take(self, session: Session, label: str | None = None, snapshots: Sequence[Snapshot] | None = None) -> bool:
        """Keep the session's run, or these snapshots of it; False where nothing was cut, or it is here already."""
        settled = [s for s in session.history if s.settled] if snapshots is None else snapshots
        if not any(s.phase == "pruned" for s in settled) or mark(settled[-1]) in self._taken:
            return False
        self._taken.add(mark(settled[-1]))
        self.runs = kept(self.runs, Run(next(self._numbers), settled[-1].recipe, tuple(settled), label))
        return True

    def forget(self, number: int) -> None:
        """Let go of a run."""
        self.runs = tuple(run for run in self.runs if run.number != number)

    def pin(self, number: int) -> None:
        """Keep a run whatever comes after it; or no longer."""
        self.runs = tuple(replace(run, pinned=not run.pinned) if run.number == number else run for run in self.runs)


def mark(end: Snapshot) -> tuple[object, ...]:
    """Equal for the ends of equal runs. A run that is carried out again comes to the same weights."""
    masks = tuple(layer.digests["packed"] for layer in end.layers)
    return end.recipe.key, end.phase, end.clock, end.test_loss, masks


def kept(runs: Sequence[Run], new: Run) -> tuple[Run, ...]:
    """The runs with one more; the oldest that is not pinned makes room for it."""
    loose = [run for run in runs if not run.pinned]
    drop = loose[: max(0, len(runs) + 1 - MOST)]
    return (*(run for run in runs if run not in drop), new)


def names(runs: Sequence[Run]) -> dict[int, str]:
    """A name for each run, by number: its label, or what its recipe has that the others have not. No two are equal."""
    values = [run.recipe.to_dict() for run in runs]
    differing = [key for key in (values[0] if values else ()) if len({str(v[key]) for v in values}) > 1]
    found: dict[int, str] = {}
    for run, own in zip(runs, values, strict=True):
        said = [_words(key, own[key]) for key in differing]
        more = [] if len(said) <= MOST_SAID else [f"{len(said) - MOST_SAID} more"]
        name = run.label or ", ".join(said[:MOST_SAID] + more) or "run"
        if run.number == LIVE:
            name = f"{name} (on the page)"
        found[run.number] = name if name not in found.values() else f"{name} (run {run.number})"
    return found


def _words(key: str, value: Any) -> str:
    """A field as people say it."""
    said = {
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
    if (key, value) in said:
        return said[key, value]
    if key == "rounds":
        return f"{value} rounds"
    if key in ("data", "model", "optimizer", "scope"):
        return str(value)
    if key == "layer_quality":
        return ", ".join(f"{layer} {quality:g}" for layer, quality in value.items()) or "one quality"
    return f"{key.replace('_', ' ')} {value:g}" if isinstance(value, float) else f"{key.replace('_', ' ')} {value}"
