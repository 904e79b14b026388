"""Results of a reproduction, as plain values: what was to be reached, and what every seed reached."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from prunelab.recipe import Recipe
from prunelab.results.estimate import Estimate, estimate
from prunelab.results.sweep import Run


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is to be reached, and how it is tried.

    compression: total / kept, at least. error: on the test set, at most, as the mean over seeds; a fraction. source: of
    these two. recipe: by which every seed is run; its density is 1 / compression.
    """

    name: str
    compression: float
    error: float
    source: str
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One seed of a goal.

    run: its figures are on the held-out part of the training set, which the run was watched on. dense_error, error: of
    the dense and of the pruned network on the test set, read once, at the end; fractions. packed: bytes of the packed
    file, exact. shared, shared_error: bytes of the file, and error on the test set, with values shared by k-means, 2^5
    a layer.
    """

    goal: str
    run: Run
    dense_error: float
    error: float
    packed: int
    shared: int
    shared_error: float

    def to_dict(self) -> dict[str, Any]:
        """All fields, as JSON types."""
        return {**asdict(self), "run": self.run.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Trial:
        """The inverse of ``to_dict``."""
        return cls(**{**values, "run": Run.from_dict(values["run"])})


@dataclass(frozen=True)
class Reached:
    """All seeds of a goal together. Errors are fractions; bytes and seconds are means."""

    goal: Goal
    seeds: tuple[int, ...]
    compression: float
    dense_error: Estimate
    error: Estimate
    layers: dict[str, float]
    packed: float
    shared: float
    shared_error: Estimate
    seconds: float

    @property
    def met(self) -> bool:
        """Whether the mean error is at most the goal's, at no less compression."""
        # The number of survivors is whole: 1 / 12 of the connections cannot always be kept.
        return self.error.mean <= self.goal.error and self.compression >= self.goal.compression * (1 - 1e-3)


COLUMNS = (
    "goal", "seed", "compression", "kept", "total", "dense_error", "error", "held_out_error", "packed_bytes",
    "shared_bytes", "shared_error", "seconds", "layers", "machine", "recipe",
)  # fmt: skip


@dataclass(frozen=True)
class Reproduction:
    """The trials so far. machine: that they were made on, in words."""

    goals: tuple[Goal, ...]
    seeds: tuple[int, ...]
    machine: str
    trials: tuple[Trial, ...] = ()

    @property
    def planned(self) -> int:
        """Number of trials when complete."""
        return len(self.goals) * len(self.seeds)

    @property
    def complete(self) -> bool:
        """Whether every seed of every goal was tried."""
        return len(self.trials) == self.planned

    def reached(self) -> tuple[Reached, ...]:
        """For each goal that was tried: means over its seeds, never the best of them."""
        found = []
        for goal in self.goals:
            trials = [trial for trial in self.trials if trial.goal == goal.name]
            if trials:
                found.append(_together(goal, trials))
        return tuple(found)

    def rows(self) -> list[dict[str, Any]]:
        """A dict for each trial, as JSON types, with the keys COLUMNS."""
        return [
            dict(
                zip(
                    COLUMNS,
                    (
                        trial.goal, trial.run.recipe.seed, trial.run.compression, trial.run.kept, trial.run.total,
                        trial.dense_error, trial.error, 1 - trial.run.accuracy, trial.packed, trial.shared,
                        trial.shared_error, trial.run.seconds,
                        ";".join(f"{name}={kept}/{total}" for name, (kept, total) in trial.run.layers.items()),
                        self.machine, trial.run.recipe.to_json(),
                    ),
                    strict=True,
                )
            )
            for trial in self.trials
        ]  # fmt: skip

    def to_csv(self) -> str:
        """``rows`` as CSV, with a header."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows())
        return text.getvalue()


def _together(goal: Goal, trials: list[Trial]) -> Reached:
    runs = [trial.run for trial in trials]
    return Reached(
        goal=goal,
        seeds=tuple(run.recipe.seed for run in runs),
        compression=fmean([run.compression for run in runs]),
        dense_error=estimate([trial.dense_error for trial in trials]),
        error=estimate([trial.error for trial in trials]),
        layers={name: fmean([run.layers[name][0] / run.layers[name][1] for run in runs]) for name in runs[0].layers},
        packed=fmean([trial.packed for trial in trials]),
        shared=fmean([trial.shared for trial in trials]),
        shared_error=estimate([trial.shared_error for trial in trials]),
        seconds=fmean([run.seconds for run in runs]),
    )
