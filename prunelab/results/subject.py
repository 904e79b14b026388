"""What a run is about, beyond its recipe: the names of model and data, and which modules of the model are pruned."""

from __future__ import annotations

from dataclasses import dataclass

from prunelab.recipe import OWN, Recipe


@dataclass(frozen=True)
class Module:
    """A module with parameters of its own, not counting those of modules inside it.

    name: as torch's ``named_modules`` gives it, "" for the model itself. kind: name of its class. counted: weights that
    density and compression count. others: values of its parameters that they do not count. A tied parameter counts at
    one module only. pruned: its weights can be cut. why: why it is pruned or not, and what of it is never cut.
    """

    name: str
    kind: str
    counted: int
    others: int
    pruned: bool
    why: str


@dataclass(frozen=True)
class Subject:
    """What a run is about.

    model, data: their names; for custom ones the model's class and the name that the data were given. modules: the
    model's, in its own order; empty if they are not known. masked: names of all weights with a mask, where these are
    not the usual ones of the model; else empty. zeros_learn: the session was given masks that cut nothing, so that
    zeros which its model began with are not taken as cut.
    """

    model: str
    data: str
    modules: tuple[Module, ...] = ()
    masked: tuple[str, ...] = ()
    zeros_learn: bool = False

    @classmethod
    def of(cls, recipe: Recipe) -> Subject:
        """As far as the recipe alone tells."""
        return cls(
            "a model of one's own" if recipe.model == OWN else recipe.model,
            "data of one's own" if recipe.data == OWN else recipe.data,
        )

    @property
    def layers(self) -> int:
        """Modules whose weights are counted."""
        return sum(module.counted > 0 for module in self.modules)

    @property
    def counted(self) -> int:
        """Weights that density and compression count."""
        return sum(module.counted for module in self.modules)

    @property
    def uncounted(self) -> int:
        """Values in modules that are neither counted nor pruned; the biases of pruned layers are not among them."""
        return sum(module.others for module in self.modules if not module.counted and not module.pruned)
