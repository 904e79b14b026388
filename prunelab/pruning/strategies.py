"""Pruning strategies: from weights and current masks to new masks, for all layers.

All have one signature and are listed by name in STRATEGIES. A strategy is a pure function. It only removes connections,
unless it is given a ``Regrowth``: what is cut stays cut. Every layer keeps at least one connection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from torch import Tensor

from prunelab.pruning import criteria, ranking
from prunelab.recipe import Scope, Target
from prunelab.results.counts import Counted

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Cut(Counted):
    """What a prune did, or would do, to one layer.

    threshold: magnitude below which connections are cut; None where no threshold applies (whole neurons, 2:4, untouched
    layers). deviation: standard deviation of the layer's weights that the quality rule used; None under a density.
    kept, total: surviving connections after the prune, and connections of the dense layer. spared: the strategy would
    have cut the whole layer, so its strongest connection (or neuron) was kept. quality: used for this layer; None under
    a density and for layers without a target.
    """

    threshold: float | None
    deviation: float | None
    kept: int
    total: int
    spared: bool = False
    quality: float | None = None


class Plan(NamedTuple):
    """The new masks and the cuts of a strategy, by parameter name. before: the masks that it was made from."""

    masks: dict[str, Tensor]
    cuts: dict[str, Cut]
    before: Mapping[str, Tensor]

    def without_thresholds(self) -> Plan:
        """The same plan, where what was ranked are not the weights: no magnitude divides them."""
        return self._replace(cuts={name: replace(cut, threshold=None) for name, cut in self.cuts.items()})


@dataclass(frozen=True)
class Regrowth:
    """Connections that come back at a cut. share: of those that go, 0 to 1. gradients: of all weights, cut ones too."""

    share: float
    gradients: Tensors

    def number(self, masks: Sequence[Tensor], kept: int) -> int:
        """How many come back when ``kept`` connections are to be left of those of ``masks``: one stays at least."""
        survivors = sum(map(ranking.count, masks))
        cut = sum(mask.numel() for mask in masks) - survivors
        return max(min(round(self.share * (survivors - kept)), kept - 1, cut), 0)

    def chosen(self, names: list[str], masks: Sequence[Tensor], number: int) -> list[Tensor]:
        """Masks of the ``number`` cut connections with the largest gradients. Source: Evci et al. 2020, section 3."""
        gradients = [self.gradients[name] for name in names]
        return ranking.largest(gradients, [~mask for mask in masks], number)[1]


@dataclass(frozen=True)
class Layers:
    """The input of a strategy, by parameter name.

    weights, masks: current ones. deviation: returns the standard deviation of a layer's weights for the quality rule.
    scope: rank all layers together ("global") or each on its own ("layer"). outputs: returns the layers that keep all
    neurons because they are the network's outputs: a class without its neuron could never be predicted. transposed:
    groups of each transposed convolution, whose weights have their inputs first. whole: layers whose rows are no
    neurons. unfit: layers that are no matrix, which 2:4 does not fit. regrowth: what may come back; by_density only.
    """

    weights: Tensors
    masks: Tensors
    deviation: Callable[[str], float]
    scope: Scope = "global"
    outputs: Callable[[], frozenset[str]] = frozenset
    transposed: Mapping[str, int] = field(default_factory=dict)
    whole: Collection[str] = frozenset()
    unfit: Collection[str] = frozenset()
    regrowth: Regrowth | None = None

    def ranked(self, names: list[str], target: Target) -> list[tuple[list[str], float]]:
        """Groups of these layers that are ranked together, each with its density; layers without one are in no group.

        Raises ValueError for a target that is no density.
        """
        density = target.density
        if density is None:
            raise ValueError("quality= cuts single connections; for whole neurons or 2:4 give density=")
        if isinstance(density, Mapping):
            return [([name], density[name]) for name in names if name in density]
        return [(names, density)] if self.scope == "global" else [([name], density) for name in names]


Strategy = Callable[[Layers, Target], Plan]


def by_quality(layers: Layers, target: Target) -> Plan:
    """Cut below quality x deviation; layers without a quality stay unchanged. Source: Han et al. 2015, section 3."""
    qualities = target.quality if isinstance(target.quality, Mapping) else dict.fromkeys(layers.masks, target.quality)
    new, cuts = dict(layers.masks), {}
    for name, mask in layers.masks.items():
        quality = qualities.get(name)
        if quality is None:
            cuts[name] = _untouched(mask)
            continue
        deviation = layers.deviation(name)
        threshold = quality * deviation
        weights = layers.weights[name]
        new[name], spared = _keep_one(ranking.at_least(weights, mask, threshold), mask, weights)
        cuts[name] = Cut(threshold, deviation, ranking.count(new[name]), mask.numel(), spared, quality)
    return Plan(new, cuts, layers.masks)


def by_density(layers: Layers, target: Target) -> Plan:
    """Keep the density x total largest magnitudes, over all layers together or per layer.

    With regrowth some less, and in their place as many of those that were cut before.
    """
    masks = layers.masks
    new = dict(masks)
    cuts: dict[str, Cut] = {}
    for names, density in layers.ranked(list(masks), target):
        number = max(round(density * sum(masks[name].numel() for name in names)), 1)
        weights, before = [layers.weights[name] for name in names], [masks[name] for name in names]
        back = layers.regrowth.number(before, number) if layers.regrowth else 0
        threshold, chosen = ranking.largest(weights, before, number - back)
        if layers.regrowth and back:
            grown = layers.regrowth.chosen(names, before, back)
            chosen = [mask | more for mask, more in zip(chosen, grown, strict=True)]
        for name, mask in zip(names, chosen, strict=True):
            new[name], spared = _keep_one(mask, masks[name], layers.weights[name])
            cuts[name] = Cut(threshold, None, ranking.count(new[name]), mask.numel(), spared)
    return Plan(new, {name: cuts.get(name) or _untouched(mask) for name, mask in masks.items()}, masks)


def by_neuron(layers: Layers, target: Target) -> Plan:
    """Keep density x all neurons (rows, filters), largest root mean square first; output layers keep all neurons.

    So do layers whose rows are no neurons. Raises ValueError if no other layers are left.
    """
    masks, transposed = layers.masks, layers.transposed
    named = masks if not isinstance(target.density, Mapping) else target.density
    whole = [name for name in masks if name in layers.whole and name in named]
    if len(whole) == len(masks) or (named is not masks and whole):
        raise ValueError(f"{', '.join(whole)}: the rows of these weights are no neurons; nothing to prune")
    outputs = layers.outputs()
    names = [name for name in masks if name not in outputs and name not in layers.whole]
    if not names or (named is not masks and outputs & named.keys()):
        stay = ", ".join(name for name in masks if name in outputs and name in named)
        raise ValueError(f"{stay}: these neurons are the network's outputs and must stay; nothing to prune")
    new = dict(masks)
    cuts: dict[str, Cut] = {}

    def rows_of(tensors: Tensors, name: str) -> Tensor:
        return criteria.outputs_first(tensors[name], transposed[name]) if name in transposed else tensors[name]

    alive = {name: rows_of(masks, name).flatten(1).any(1) for name in names}
    scores = {name: criteria.row_scores(rows_of(layers.weights, name)) for name in names}
    for group, density in layers.ranked(names, target):
        number = max(round(density * sum(len(scores[name]) for name in group)), 1)
        _, chosen = ranking.largest([scores[name] for name in group], [alive[name] for name in group], number)
        for name, rows in zip(group, chosen, strict=True):
            kept, spared = _keep_one(rows, alive[name], scores[name])
            mask = rows_of(masks, name) & kept.view(-1, *[1] * (masks[name].dim() - 1))
            new[name] = criteria.inputs_first(mask, transposed[name]) if name in transposed else mask
            cuts[name] = Cut(None, None, ranking.count(new[name]), new[name].numel(), spared)
    return Plan(new, {name: cuts.get(name) or _untouched(mask) for name, mask in masks.items()}, masks)


def two_of_four(layers: Layers, target: Target) -> Plan:
    """Keep the two largest of every four neighbouring inputs of a neuron, as sparse tensor cores need.

    Raises ValueError for a density other than 0.5, and for layers that the pattern does not fit: no matrix, or inputs
    not a multiple of four.
    """
    masks = layers.masks
    names = []
    for group, density in layers.ranked(list(masks), target):
        if density != 0.5:
            raise ValueError(f"density = {density:g}: two of four is 0.5, neither more nor less")
        names += group
    unfit = [n for n in names if n in layers.unfit or masks[n].dim() != 2 or masks[n].shape[1] % 4]
    if unfit:
        raise ValueError(
            f"{', '.join(unfit)}: 2:4 fits matrices, as of Linear layers, whose inputs are a multiple of four; "
            "leave the others out, Masks(model, exclude=[...])"
        )
    new = dict(masks)
    cuts: dict[str, Cut] = {}
    for name in names:
        mask, weights = masks[name], layers.weights[name]
        new[name], spared = _keep_one(ranking.two_of_four(weights, mask), mask, weights)
        cuts[name] = Cut(None, None, ranking.count(new[name]), mask.numel(), spared)
    return Plan(new, {name: cuts.get(name) or _untouched(mask) for name, mask in masks.items()}, masks)


# Keyed by unit; for single connections, by the kind of target.
STRATEGIES: dict[str, Strategy] = {
    "quality": by_quality,
    "density": by_density,
    "neuron": by_neuron,
    "2:4": two_of_four,
}


def _untouched(mask: Tensor) -> Cut:
    return Cut(None, None, ranking.count(mask), mask.numel())


def _keep_one(mask: Tensor, before: Tensor, scores: Tensor) -> tuple[Tensor, bool]:
    """``mask``, or, if it is empty, only the highest score within ``before``; and whether it was empty."""
    if any(bool(part.any()) for part in ranking.parts(mask)):
        return mask, False
    return ranking.largest([scores], [before], 1)[1][0], True
