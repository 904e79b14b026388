"""Rules: from the weights of all layers and the masks they have to the masks they should have. Nothing is changed.

Each rule only takes away: what is cut stays cut, and every layer keeps at least one connection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from prunelab.pruning import criteria

Scope = Literal["global", "layer"]
Tensors = Mapping[str, Tensor]

GONE = -1.0  # score of what is cut already: below every survivor's, one that happens to be zero included


@dataclass(frozen=True)
class Cut:
    """What a prune did to one layer (or would do).

    threshold: magnitude below which connections go; None where no threshold decides (whole neurons, untouched layers).
    deviation: of the layer's weights, as the quality rule asks for it; None under a density rule.
    kept, total: connections after the prune. spared: the rule would have cut the whole layer, its strongest was kept.
    """

    threshold: float | None
    deviation: float | None
    kept: int
    total: int
    spared: bool = False

    @property
    def density(self) -> float:
        """kept / total, 0 to 1."""
        return self.kept / self.total


class Plan(NamedTuple):
    """Masks that a rule leads to, and what it cuts, by parameter name."""

    masks: dict[str, Tensor]
    cuts: dict[str, Cut]


def by_quality(weights: Tensors, masks: Tensors, settings: Mapping[str, tuple[float, float]]) -> Plan:
    """Cut below quality x deviation. settings: (quality, deviation) of each layer that is to be cut, by name."""
    new, cuts = dict(masks), {}
    for name, mask in masks.items():
        if name not in settings:
            cuts[name] = _untouched(mask)
            continue
        quality, spread = settings[name]
        limit = quality * spread
        magnitude = weights[name].abs()
        new[name], spared = _keep_one(mask & criteria.at_least(magnitude, limit), mask, magnitude)
        cuts[name] = Cut(limit, spread, int(new[name].sum()), mask.numel(), spared)
    return Plan(new, cuts)


def by_density(weights: Tensors, masks: Tensors, density: float, scope: Scope) -> Plan:
    """Keep the largest magnitudes, ``density`` x total of them, in all layers together or in each alone."""
    new: dict[str, Tensor] = {}
    cuts: dict[str, Cut] = {}
    for names in _groups(list(masks), scope):
        scores = {name: weights[name].abs().masked_fill(~masks[name], GONE) for name in names}
        flat = torch.cat([score.flatten() for score in scores.values()])
        chosen = criteria.largest(flat, max(round(density * flat.numel()), 1)) & (flat > GONE)
        limit = float(flat[chosen].min())
        for name, part in zip(names, chosen.split([masks[n].numel() for n in names]), strict=True):
            new[name], spared = _keep_one(part.view(masks[name].shape), masks[name], scores[name])
            cuts[name] = Cut(limit, None, int(new[name].sum()), masks[name].numel(), spared)
    return Plan({name: new[name] for name in masks}, {name: cuts[name] for name in masks})


def by_neuron(
    weights: Tensors,
    masks: Tensors,
    density: float,
    scope: Scope,
    *,
    outputs: Collection[str],
    transposed: Mapping[str, int],
) -> Plan:
    """Keep ``density`` x all neurons (rows, filters), largest root mean square first.

    outputs: layers that keep all of theirs, because they are the network's outputs: without one of them a class could
    never be predicted. transposed: groups of the transposed convolutions, whose weights have their inputs first.
    Raises ValueError when nothing but outputs is left.
    """
    names = [name for name in masks if name not in outputs]
    if not names:
        raise ValueError(f"{', '.join(masks)}: these neurons are the network's outputs and must stay; nothing to prune")
    new = dict(masks)
    cuts = {name: _untouched(mask) for name, mask in masks.items() if name in outputs}

    def rows_of(tensors: Tensors, name: str) -> Tensor:
        return criteria.outputs_first(tensors[name], transposed[name]) if name in transposed else tensors[name]

    alive = {name: rows_of(masks, name).flatten(1).any(1) for name in names}
    scores = {name: criteria.row_scores(rows_of(weights, name)).masked_fill(~alive[name], GONE) for name in names}
    for group in _groups(names, scope):
        flat = torch.cat([scores[name] for name in group])
        chosen = criteria.largest(flat, max(round(density * flat.numel()), 1)) & (flat > GONE)
        for name, part in zip(group, chosen.split([len(scores[n]) for n in group]), strict=True):
            kept, spared = _keep_one(part, alive[name], scores[name])
            mask = rows_of(masks, name) & kept.view(-1, *[1] * (masks[name].dim() - 1))
            new[name] = criteria.inputs_first(mask, transposed[name]) if name in transposed else mask
            cuts[name] = Cut(None, None, int(new[name].sum()), new[name].numel(), spared)
    return Plan(new, {name: cuts[name] for name in masks})


def two_of_four(weights: Tensors, masks: Tensors, density: float) -> Plan:
    """Of every four neighbouring inputs of a neuron keep the two largest: what sparse tensor cores multiply.

    Raises ValueError for a density other than 0.5, and for a layer that such a pattern does not fit.
    """
    if density != 0.5:
        raise ValueError(f"density = {density:g}: two of four is 0.5, neither more nor less")
    unfit = [name for name, mask in masks.items() if mask.dim() != 2 or mask.shape[1] % 4]
    if unfit:
        raise ValueError(
            f"{', '.join(unfit)}: 2:4 fits Linear layers whose inputs are a multiple of four; "
            "leave the others out, Masks(model, exclude=[...])"
        )
    new: dict[str, Tensor] = {}
    cuts: dict[str, Cut] = {}
    for name, mask in masks.items():
        scores = weights[name].abs().masked_fill(~mask, GONE)
        fours = scores.reshape(-1, 4)
        order = fours.argsort(dim=1, descending=True, stable=True)
        chosen = torch.zeros_like(fours, dtype=torch.bool).scatter_(1, order[:, :2], True).view(mask.shape)
        new[name], spared = _keep_one(chosen & mask, mask, scores)
        cuts[name] = Cut(None, None, int(new[name].sum()), mask.numel(), spared)
    return Plan(new, cuts)


def _groups(names: list[str], scope: Scope) -> list[list[str]]:
    return [names] if scope == "global" else [[name] for name in names]


def _untouched(mask: Tensor) -> Cut:
    return Cut(None, None, int(mask.sum()), mask.numel())


def _keep_one(mask: Tensor, before: Tensor, scores: Tensor) -> tuple[Tensor, bool]:
    """``mask``, or, if it keeps nothing, the single highest score among ``before``; and whether that was needed."""
    if bool(mask.any()):
        return mask, False
    return criteria.largest(scores.masked_fill(~before, GONE), 1), True
