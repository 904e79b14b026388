"""The target of a prune: a quality or a density, for all layers or for each of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PerLayer = float | Mapping[str, float]  # one value for all layers, or {layer: value}
RULES = ("quality", "density")  # each is called as the field of a recipe that counts under this rule alone


def naming_rule(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a recipe, with the rule that they ask for: who gives a density, and no quality, wants to cut to it."""
    named = [rule for rule in RULES if rule in given]
    unclear = "rule" in given or len(named) != 1 or (named == ["density"] and given.get("layer_quality"))
    return dict(given) if unclear else {**given, "rule": named[0]}


@dataclass(frozen=True)
class Target:
    """The target of a prune: exactly one of ``quality`` and ``density``.

    quality: threshold in standard deviations of a layer's weights. density: fraction to keep, 0 to 1. Either is one for
    all layers, or {layer: value}; layers that are not named stay unchanged. Raises ValueError for both and for neither.
    """

    quality: PerLayer | None = None
    density: PerLayer | None = None

    def __post_init__(self) -> None:
        if (self.quality is None) == (self.density is None):
            raise ValueError("give either quality= or density=, not both and not neither")

    @classmethod
    def given(cls, quality: PerLayer | Target | None, density: PerLayer | None) -> Target | None:
        """The target for a caller's arguments: a target, a quality or a density; None if none is given."""
        if isinstance(quality, Target):
            if density is not None:
                raise ValueError("give either a target or density=, not both")
            return quality
        return None if quality is None and density is None else cls(quality, density)

    def to_dict(self) -> dict[str, Any]:
        """The target as JSON types, with the constructor's keys."""
        values = {"quality": self.quality, "density": self.density}
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}

    @property
    def common_quality(self) -> float | None:
        """The quality shared by all layers; None for a density, and for qualities per layer."""
        return None if isinstance(self.quality, Mapping) else self.quality

    @property
    def common_density(self) -> float | None:
        """The density asked for of all layers; None for a quality, and for densities per layer."""
        return None if isinstance(self.density, Mapping) else self.density
