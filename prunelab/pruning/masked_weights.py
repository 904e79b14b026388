"""Reading masks: by the name of a parameter or of a layer, with the counts of what they keep."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from prunelab.formatting import did_you_mean, layer_of
from prunelab.pruning import ranking, uncovered
from prunelab.pruning.layers import at
from prunelab.pruning.selection import Names
from prunelab.results.counts import Counted


class MaskedWeights(Counted, Mapping[str, Tensor]):
    """The weights of a model that have a mask, and these masks, by parameter name; see ``Masks``."""

    model: nn.Module
    _names: Names
    _parameters: dict[str, nn.Parameter]
    _masks: dict[str, Tensor]
    _kept: dict[str, int]  # survivors in each mask
    _excluded: tuple[str, ...]  # names that were left out
    _told: bool  # whether nothing is left to tell of weights without a mask

    def __getitem__(self, name: str) -> Tensor:
        return self._masks[self.resolve(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and len(self._masked(name)) == 1

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    def __eq__(self, other: object) -> bool:
        """Whether the other has masks for weights of the same names, and keeps the same ones."""
        if not isinstance(other, Mapping):
            return NotImplemented
        alike = self.keys() == other.keys()
        return alike and all(isinstance(other[name], Tensor) and torch.equal(self[name], other[name]) for name in self)

    __hash__ = None  # type: ignore[assignment]  # masks change

    def __repr__(self) -> str:
        kept, total = sum(self._kept.values()), self.total
        if self._replaced(self._parameters) is not None:
            return f"Masks({kept:,} of {total:,} connections kept, of weights that the model no longer has)"
        whole = f"; density of all weights of the model {self.model_density:.4f}" if self._without_mask() else ""
        return f"Masks({kept:,} of {total:,} connections kept, density {kept / total:.4f}{whole})"

    @property
    def model_density(self) -> float:
        """Fraction of all weights of the model that are not zero, 0 to 1, whether a mask covers them or not.

        ``density`` is that of the weights with a mask alone. Biases and norms are not counted: parameters of one
        dimension. Packed weights are, as of quantised layers, where they can be read.
        """
        self.check_current()
        without = self._without_mask()
        weights = uncovered.matrices(self.model)
        # As booleans: torch counts no non-zeros among 8-bit floats and some integers, which are for storage only.
        kept = sum(self._kept.values()) + sum(ranking.count(_stored(weights[name]).bool()) for name in without)
        return kept / (self.total + sum(without.values()))

    @property
    def revision(self) -> object:
        """An object that is another one after every change of the masks."""
        return self._masks

    @property
    def usual(self) -> bool:
        """Whether these are all weights that ``Masks(model)`` has: none was left out, or taken besides, by name."""
        places = self._names.places
        return set(self._parameters) == {
            name for name in self._names.usual if (weight := places[name].weight) is None or weight.numel()
        }

    def untold(self) -> str | None:
        """In words, the weights that have no mask though nobody left them out, and their share; None if few or none.

        It is told once: None from then on.
        """
        if self._told:
            return None
        self._told = True
        found = uncovered.uncovered(self.model, self._parameters.values(), self._excluded)
        return uncovered.words(self.model, found)

    def _without_mask(self) -> dict[str, int]:
        return uncovered.uncovered(self.model, self._parameters.values())

    @property
    def kept(self) -> int:
        """Connections that survive, in all layers. ValueError if a weight is no longer the model's."""
        self.check_current()
        return sum(self._kept.values())

    @property
    def total(self) -> int:
        """Connections of the dense network, in all layers that have a mask."""
        return sum(mask.numel() for mask in self._masks.values())

    def kept_in(self, name: str) -> int:
        """Connections that survive in one layer, or in one of its weights. ValueError as ``kept``."""
        names = self.names_of(name)
        self.check_current(names)
        return sum(self._kept[each] for each in names)

    def total_in(self, name: str) -> int:
        """Connections that one layer, or one of its weights, has in the dense network."""
        return sum(self._masks[each].numel() for each in self.names_of(name))

    def weight(self, name: str) -> nn.Parameter:
        """The parameter that this layer's mask applies to."""
        return self._parameters[self.resolve(name)]

    def names_of(self, name: str) -> tuple[str, ...]:
        """Parameter names of what ``name`` names, a weight or all of a layer's; ValueError if none has a mask."""
        found = self._masked(name)
        if not found:
            hint = did_you_mean(name, [layer_of(known) for known in self._parameters])
            raise ValueError(f"{name!r} matches no layer with a mask; {hint}")
        return found

    def check_distinct(self, names: Collection[str]) -> None:
        """Raise ValueError if two of ``names`` name one weight, or if one of them names none that has a mask."""
        found = [each for name in names for each in self.names_of(name)]
        if len(set(found)) < len(found):
            raise ValueError(f"{', '.join(names)}: two of these names are of one layer; give it one value")

    def resolve(self, name: str) -> str:
        """Parameter name for the name of a layer, a parameter or a tied parameter; ValueError if it has no mask.

        ValueError too for a layer with several masks.
        """
        found = self.names_of(name)
        if len(found) > 1:
            raise ValueError(f"{name!r} has {len(found)} weights, each with a mask: name one, {', '.join(found)}")
        return found[0]

    def _masked(self, name: str) -> tuple[str, ...]:
        return tuple(found for found in self._names.find(name) if found in self._parameters)

    def check_current(self, names: Iterable[str] | None = None) -> None:
        """Raise ValueError if a weight is no longer the model's: what is asked or done would be about another one.

        names: of parameters; None: all that have a mask.
        """
        name = self._replaced(self._parameters if names is None else names)
        if name is not None:
            raise ValueError(
                f"{name} has been replaced since these masks were made (by module.weight = ..., load_state_dict with "
                "assign=True, or a reparametrisation): make new ones, Masks(model) or, if weights are zero already, "
                "Masks.from_zeros"
            )
        for name in self._parameters if names is None else names:
            weight, mask = self._parameters[name], self._masks[name]
            if weight.shape != mask.shape:
                raise ValueError(
                    f"{name} is of shape {tuple(weight.shape)} now, and its mask of shape {tuple(mask.shape)}: make "
                    "new masks, Masks(model) or, if weights are zero already, Masks.from_zeros"
                )

    def _replaced(self, names: Iterable[str]) -> str | None:
        """The first of ``names``, or of the places where these weights are tied, whose parameter is another now."""
        asked = set(names)
        for place, name in self._names.canonical.items():
            if name in asked and at(self.model, place) is not self._parameters[name]:
                return place
        return None


def _stored(weight: Tensor) -> Tensor:
    """The entries of a weight that are stored: all, but for a sparse layout. Those of a packed one as numbers."""
    weight = weight.detach()
    if weight.is_quantized:
        return weight.dequantize()
    if weight.is_mkldnn:
        return weight.to_dense()
    if weight.layout == torch.sparse_coo:
        return weight.coalesce().values()
    return weight if weight.layout == torch.strided else weight.values()
