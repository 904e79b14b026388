"""Runs of a sweep, as plain values: what each was asked for, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from prunelab.recipe import Recipe
from prunelab.results.counts import Counted


@dataclass(frozen=True, kw_only=True)
class Run(Counted):
    """The result of one recipe, run to its end.

    kept, total: connections that survive, of all that have a mask. effective: survivors on some path from input to
    output; None if the model's paths cannot be determined. layers: {parameter name: (kept, total)}, in the network's
    order. dense, cut, accuracy: metric on the test set of the dense network, right after the last cut, and at the end; 0
    to 1 for accuracy. loss: on the test set, at the end. seconds: of the whole run, dense training included; of runs that
    were trained together, an equal share.
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
    def from_dict(cls, values: dict[str, Any]) -> Run:
        """The inverse of ``to_dict``."""
        layers = {name: (kept, total) for name, (kept, total) in values["layers"].items()}
        return cls(**{**values, "recipe": Recipe.from_dict(values["recipe"]), "layers": layers})


@dataclass(frozen=True, kw_only=True)
class FailedRun:
    """A recipe that could not be run to its end. reason: what happened, in words."""

    recipe: Recipe
    reason: str
    seconds: float
