"""Qualities per layer that keep a budget of accuracy, and on which samples that was chosen and verified."""

from __future__ import annotations

from dataclasses import dataclass

from prunelab.formatting import layer_of
from prunelab.recipe import Recipe
from prunelab.results.counts import Counted
from prunelab.results.objective import CLASSIFYING, Objective


@dataclass(frozen=True)
class Check:
    """The accuracy (or another metric) of the network before and after the cut, on a number of samples."""

    samples: int
    before: float
    after: float

    @property
    def lost(self) -> float:
        return self.before - self.after


@dataclass(frozen=True, kw_only=True)
class Budget(Counted):
    """A cut of all layers together that keeps a budget of accuracy, without retraining.

    tolerance: the budget, in units of the metric, a fraction for accuracy. qualities: {parameter name: quality}.
    scale: part (0 to 1) that these are of what each layer alone could be cut at. kept, total: connections after the
    cut, and of the dense network. chosen: on the samples by which the scale was chosen. verified: on others, which had
    no part in it; None if there are none.
    """

    tolerance: float
    qualities: dict[str, float]
    scale: float
    kept: int
    total: int
    chosen: Check
    verified: Check | None = None
    objective: Objective = CLASSIFYING

    @property
    def holds(self) -> bool | None:
        """Whether the cut keeps the budget on the samples that had no part in the choice; None if there are none."""
        check = self.verified
        return None if check is None else self.objective.within(check.lost, self.tolerance, check.before)

    def recipe(self, recipe: Recipe) -> Recipe:
        """``recipe`` with these qualities for its layers."""
        layers = {layer_of(name): quality for name, quality in self.qualities.items()}
        return recipe.changed(
            rule="quality", unit="weight", criterion="magnitude", regrow=0.0, std="dense", layer_quality=layers
        )  # fmt: skip
