"""What one visitor's run may take where many share a machine; nothing is limited elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from prunelab.errors import LimitError
from prunelab.lab import links, presets
from prunelab.recipe import Recipe

VARIABLE = "PRUNELAB_LIMITS"  # environment variable: they, as JSON


@dataclass(frozen=True)
class Limits:
    """Each may be None: no limit. All are at least 1.

    rounds: of a run. epochs: of one training or retraining. seconds: that a run may go on until it is paused; whoever
    looks at it can resume it.
    """

    rounds: int | None = None
    epochs: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not value >= 1:
                raise LimitError(f"{name} = {value}: a limit must be at least 1")

    def exceeded(self, recipe: Recipe) -> tuple[str, int, int] | None:
        """(field, its value, what is allowed) where a recipe asks for more; None if it does not."""
        for name, limit in (("rounds", self.rounds), ("epochs", self.epochs), ("retrain_epochs", self.epochs)):
            value = getattr(recipe, name)
            if limit is not None and value > limit:
                return name, value, limit
        return None

    def check(self, recipe: Recipe) -> None:
        """Raise LimitError, with the field and what is allowed, for a recipe that asks for more."""
        beyond = self.exceeded(recipe)
        if beyond is not None:
            name, value, limit = beyond
            raise LimitError(
                f"{name} = {value}: many share this machine, and a run may have at most {limit}; lower it, or ask "
                "the host"
            )

    def to_json(self) -> str:
        """For the environment of kernels."""
        return json.dumps(asdict(self))

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Limits:
        """Those that the server set; none where it set none."""
        return cls(**json.loads(env.get(VARIABLE) or "{}"))


def runs_of(query: str, over: links.Start = links.DEFAULT) -> tuple[Recipe, ...]:
    """The recipes of all that a link asks for: of the page, and of the runs of a preset. over: as in ``from_query``.

    Raises RecipeError for a link that cannot be followed.
    """
    recipe, _ = links.from_query(query, over)
    asked = links.last(query, links.PRESET)
    if asked is None:
        return (recipe,)
    name = presets.named(asked, recipe)
    (preset,) = (each for each in presets.presets(recipe) if each.name == name)
    return (recipe, *(plan.recipe for plan in preset.plans(recipe)))
