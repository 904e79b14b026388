"""What the weights of a model that can have a mask are called, and which of them are selected."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Literal

from torch import nn

from prunelab.formatting import did_you_mean, layer_of
from prunelab.pruning import model_state
from prunelab.pruning.layers import Place, places
from prunelab.pruning.reparametrisation import Computed

LEFT_OUT = "; or leave it out with exclude="  # the way on for whoever makes masks; others have no such argument


def as_names(names: str | Iterable[str]) -> tuple[str, ...]:
    """Names as a tuple; a string is one name, and so is what ``Names.find`` refuses: a number, a module."""
    return (names,) if isinstance(names, str | nn.Module) or not isinstance(names, Iterable) else tuple(names)


class Names:
    """The names of all weights of a model that can have a mask, and of their layers.

    A tied weight has one canonical name: its first one, or the first in a layer of a usual kind. places: by canonical
    name, in the model's order. canonical: for each name of a weight. layers: canonical names of a layer's weights.
    released: as for ``places``.
    """

    def __init__(self, model: nn.Module, released: Iterable[Computed] = ()) -> None:
        self.places: dict[str, Place] = {}
        self.canonical: dict[str, str] = {}
        self.layers: dict[str, list[str]] = {}
        self._model = model_state.checked_module(model)
        found = list(places(model, released))
        first: dict[int | str, str] = {}
        for place in sorted(found, key=_rank):
            first.setdefault(_identity(place), place.name)
        for place in found:
            name = self.canonical[place.name] = first[_identity(place)]
            if name == place.name:
                self.places[name] = place
            for layer in filter(None, place.layers):
                self.layers.setdefault(layer, []).append(name)

    def find(self, name: str) -> tuple[str, ...]:
        """Canonical names of what ``name`` names: a weight, or all weights of a layer. () if nothing.

        Raises TypeError for what is no string.
        """
        if not isinstance(name, str):
            path = next((path for path, module in self._model.named_modules() if module is name), None)
            hint = f"this one is {path!r}" if path else f"there are {', '.join(map(repr, self.layers))}"
            given = f"a {type(name).__name__}" if isinstance(name, nn.Module) else repr(name)
            raise TypeError(f"a layer is named by a string, not by {given}: {hint}")
        if name in self.canonical:
            return (self.canonical[name],)
        return tuple(dict.fromkeys(self.layers.get(name, ())))

    def select(self, layers: str | Iterable[str] | None, exclude: str | Iterable[str]) -> dict[str, nn.Parameter]:
        """The weights of ``layers`` (None: all usual ones) without those of ``exclude``, by canonical name.

        Those without entries are left out too. Raises ValueError: a name matches nothing, nothing is left, or a weight
        that is left is computed from others, has no shape yet, or can have no mask (see ``model_state``).
        """
        if layers is None:
            if not self.usual:
                obstacle = model_state.obstacle(self._model)
                raise ValueError(
                    f"{type(self._model).__name__} has no Linear or Conv layer, no recurrent or bilinear one and no "
                    f"attention: there is nothing to prune{f'; {obstacle}' if obstacle else self._others()}"
                )
            selected = set(self.usual)
        else:
            selected = {found for name in as_names(layers) for found in self.known(name)}
        selected -= {found for name in as_names(exclude) for found in self.known(name)}
        if not selected:
            raise ValueError("layers and exclude leave no layer to prune")
        try:
            weights = {name: place.checked() for name, place in self.places.items() if name in selected}
            return model_state.cuttable(weights)
        except ValueError as error:
            raise ValueError(f"{error}{LEFT_OUT}") from None

    def known(self, name: str) -> tuple[str, ...]:
        """``find``, but ValueError if it finds nothing."""
        found = self.find(name)
        if not found:
            known = [layer_of(name) for name, place in self.places.items() if place.kind is not None]
            raise ValueError(f"{name!r} matches no layer that can have a mask; {did_you_mean(name, known)}")
        return found

    def parameters(self, names: str | Iterable[str]) -> tuple[str, ...]:
        """``names``, and the parameters that the weights which they name are computed from."""
        found = [self.places[each] for name in as_names(names) for each in self.find(name)]
        return (*as_names(names), *(source for place in found for source in place.sources))

    @property
    def usual(self) -> list[str]:
        """Canonical names of the weights that are masked unless they are excluded."""
        return [name for name, place in self.places.items() if place.kind is not None and place.kind.usual]

    def stations(self, masked: Container[str]) -> dict[str, str]:
        """``canonical``, only for weights of usual kinds and those that are ``masked``: what data pass on their way."""
        usual = set(self.usual)
        return {
            name: canonical for name, canonical in self.canonical.items() if canonical in usual or canonical in masked
        }

    @property
    def of_neurons(self) -> dict[str, str]:
        """``canonical``, only for weights of layers whose neurons can be cut whole."""
        whole = self.without("neurons")
        return {name: canonical for name, canonical in self.canonical.items() if canonical not in whole}

    def without(self, trait: Literal["neurons", "matrix"]) -> frozenset[str]:
        """Canonical names of the weights whose kind does not have this trait (see ``Kind``)."""
        return frozenset(name for name, place in self.places.items() if not getattr(place.kind, trait, False))

    def _others(self) -> str:
        return f"; layers= takes {', '.join(self.places)}" if self.places else ""


def _rank(place: Place) -> int:
    """0 for weights of a usual kind, 1 for embeddings, 2 for those of no known kind."""
    return 2 if place.kind is None else int(not place.kind.usual)


def _identity(place: Place) -> int | str:
    """The same for places of one weight."""
    return place.name if place.weight is None else id(place.weight)
