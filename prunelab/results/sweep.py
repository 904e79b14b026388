"""Results of a sweep, as plain values: what each run was asked for, what came of it, and means over seeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from prunelab.recipe import Recipe
from prunelab.recipe.target import RULES
from prunelab.results.counts import Counted
from prunelab.results.estimate import Estimate, estimate

FIGURES = ("density", "effective_density", "dense", "cut", "accuracy", "loss", "seconds")  # that have means over seeds
COLUMNS = (
    "kept", "total", "density", "compression", "effective", "effective_density", "dense", "cut", "accuracy", "loss",
    "seconds",
)  # fmt: skip
RENAMED = {"density": "target_density"}  # settings that are called like a result


@dataclass(frozen=True, kw_only=True)
class Run(Counted):
    """The result of one recipe, run to its end.

    kept, total: connections that survive, of all that have a mask. effective: survivors on some path from input to
    output; None if the model's paths cannot be determined. layers: {parameter name: (kept, total)}, in the network's
    order. dense, cut, accuracy: metric on the test set of the dense network, right after the last cut, and at the end;
    0 to 1 for accuracy. loss: on the test set, at the end. seconds: of the whole run, dense training included, also
    where several runs shared it; of runs that were trained together, an equal share.
    """

    recipe: Recipe
    kept: int
    total: int
    effective: int | None
    layers: dict[str, tuple[int, int]]
    dense: float
    cut: float
    accuracy: float
    loss: float
    seconds: float

    @property
    def effective_density(self) -> float | None:
        """effective / total, 0 to 1."""
        return None if self.effective is None else self.effective / self.total

    def to_dict(self) -> dict[str, Any]:
        """All fields, as JSON types."""
        layers = {name: list(counts) for name, counts in self.layers.items()}
        return {**asdict(self), "recipe": self.recipe.to_dict(usual=True), "layers": layers}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Run:
        """The inverse of ``to_dict``."""
        layers = {name: (kept, total) for name, (kept, total) in values["layers"].items()}
        return cls(**{**values, "recipe": Recipe.from_dict(values["recipe"]), "layers": layers})


@dataclass(frozen=True, kw_only=True)
class FailedRun:
    """A recipe that could not be run to its end. reason: what happened, in words."""

    recipe: Recipe
    reason: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """All fields, as JSON types."""
        return {"recipe": self.recipe.to_dict(usual=True), "reason": self.reason, "seconds": self.seconds}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FailedRun:
        """The inverse of ``to_dict``."""
        return cls(**{**values, "recipe": Recipe.from_dict(values["recipe"])})


Result = Run | FailedRun


def result_from(values: Mapping[str, Any]) -> Result:
    """The inverse of both ``to_dict``: a failed run is one that has a reason."""
    return FailedRun.from_dict(values) if "reason" in values else Run.from_dict(values)


@dataclass(frozen=True)
class Summary:
    """Runs that differ in their seed alone.

    settings: as in a row of the sweep, without the seed. seeds: of the runs that reached their end. failed: number of
    those that did not. figures: {name in FIGURES: mean and interval over the seeds}; without those that are unknown,
    and empty if all runs failed.
    """

    settings: dict[str, Any]
    seeds: tuple[int, ...]
    failed: int
    figures: dict[str, Estimate]

    def to_dict(self) -> dict[str, Any]:
        """All fields, as JSON types."""
        figures = {name: figure.to_dict() for name, figure in self.figures.items()}
        return {"settings": self.settings, "seeds": list(self.seeds), "failed": self.failed, "figures": figures}


@dataclass(frozen=True)
class Sweep:
    """The runs of a grid of recipes so far.

    fields: names of the recipe's fields that the grid sets, in the order in which they were given. recipes: all that
    are to be run. runs: those that have ended, in the order of ``recipes``; Run or FailedRun.
    """

    fields: tuple[str, ...]
    recipes: tuple[Recipe, ...]
    runs: tuple[Result, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all runs have ended."""
        return len(self.runs) == len(self.recipes)

    @property
    def finished(self) -> tuple[Run, ...]:
        """The runs that reached their end."""
        return tuple(run for run in self.runs if isinstance(run, Run))

    @property
    def failed(self) -> tuple[FailedRun, ...]:
        """The runs that could not be run to their end."""
        return tuple(run for run in self.runs if isinstance(run, FailedRun))

    @property
    def missing(self) -> tuple[Recipe, ...]:
        """The recipes that have not been run."""
        ended = {run.recipe for run in self.runs}
        return tuple(recipe for recipe in self.recipes if recipe not in ended)

    def settings(self, recipe: Recipe) -> dict[str, Any]:
        """What the grid sets in this recipe, {column: value}, as JSON types: the recipe's names, but "target_density",
        as density is a result. None where the recipe's rule takes no notice.
        """
        values = recipe.to_dict()
        return {
            RENAMED.get(name, name): None if name in RULES and name != recipe.rule else values[name]
            for name in self.fields
        }

    @property
    def common(self) -> dict[str, Any]:
        """The fields that are the same in all recipes, {name: value}, as JSON types."""
        first, *others = [recipe.to_dict() for recipe in self.recipes]
        return {name: value for name, value in first.items() if all(each[name] == value for each in others)}

    def differing(self, recipe: Recipe) -> dict[str, Any]:
        """The ``settings`` that tell this recipe from others of the sweep."""
        same = {RENAMED.get(name, name) for name in self.common}
        return {name: value for name, value in self.settings(recipe).items() if name not in same}

    def rows(self) -> list[dict[str, Any]]:
        """A dict for each run that has ended, as JSON types: its settings, the columns COLUMNS (None for failed runs,
        but for their seconds), "failed" (the reason, or None) and "key" (of the recipe).
        """
        rows = []
        for run in self.runs:
            figures = {name: getattr(run, name, None) for name in COLUMNS}
            failed = run.reason if isinstance(run, FailedRun) else None
            rows.append({**self.settings(run.recipe), **figures, "failed": failed, "key": run.recipe.key})
        return rows

    def summary(self) -> tuple[Summary, ...]:
        """Runs that differ in their seed alone as one: mean and 95 % interval of each figure (see ``estimate``)."""
        groups: dict[Recipe, list[Result]] = {}
        for run in self.runs:
            groups.setdefault(run.recipe.changed(seed=0), []).append(run)
        return tuple(self._summary(runs) for runs in groups.values())

    def _summary(self, runs: list[Result]) -> Summary:
        finished = [run for run in runs if isinstance(run, Run)]
        values = {name: [getattr(run, name) for run in finished] for name in FIGURES}
        figures = {name: estimate(each) for name, each in values.items() if each and None not in each}
        settings = {name: value for name, value in self.settings(runs[0].recipe).items() if name != "seed"}
        seeds = tuple(run.recipe.seed for run in finished)
        return Summary(settings, seeds, len(runs) - len(finished), figures)

    def to_csv(self) -> str:
        """``rows`` as CSV, with a header. Numbers are written exactly; what is unknown is empty."""
        columns = [*(RENAMED.get(name, name) for name in self.fields), *COLUMNS, "failed", "key"]
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _text(value) for name, value in row.items()} for row in self.rows())
        return text.getvalue()

    def to_dataframe(self) -> Any:
        """The rows as a pandas DataFrame; ModuleNotFoundError if pandas is not installed."""
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("to_dataframe needs pandas: pip install pandas; to_csv needs nothing") from error
        return pandas.DataFrame(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """Settings, rows and summary, as JSON types. planned: number of runs when complete."""
        return {
            "fields": list(self.fields),
            "planned": len(self.recipes),
            "runs": self.rows(),
            "summary": [each.to_dict() for each in self.summary()],
        }


@dataclass(frozen=True)
class Progress:
    """How far a sweep is.

    sweep: the results so far. share: of the work that was left when it was started, 0 to 1. seconds: since then.
    """

    sweep: Sweep
    share: float
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """About what the rest takes, if it goes on as so far; None before anything was done."""
        return self.seconds * (1 - self.share) / self.share if self.share else None

    @property
    def done(self) -> int:
        """Number of runs that have ended."""
        return len(self.sweep.runs)

    @property
    def total(self) -> int:
        """Number of all runs."""
        return len(self.sweep.recipes)


def _text(value: Any) -> Any:
    """A value as a cell of a table."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return ";".join(f"{layer}={quality!r}" for layer, quality in value.items())
    return value
