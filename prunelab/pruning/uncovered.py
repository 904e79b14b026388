"""Weights of a model that no mask covers, though nobody left them out: how many, and in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import torch
from torch import Tensor, nn

from prunelab.formatting import count, percent
from prunelab.pruning.layers import identity, join
from prunelab.pruning.packed import packed
from prunelab.pruning.reparametrisation import computed

SHARE = 0.05  # of all weights, from which those without a mask are told
NAMED = 5  # at most as many are told by name, largest first


def matrices(model: nn.Module) -> dict[str, Tensor]:
    """The model's weights by name, tied ones once: those of two or more dimensions, so no biases or norms.

    Weights that are computed from parameters (torch.nn.utils.prune, parametrizations) stand for these. Packed ones are
    among them, where they can be read.
    """
    lazy = nn.parameter.UninitializedParameter
    weights: dict[str, Tensor] = {name: p for name, p in model.named_parameters() if not isinstance(p, lazy)}
    first: dict[object, Tensor] = {}  # by what it is computed from
    for each in computed(model):
        for source in each.sources:
            weights.pop(join(each.path, source), None)
        origin, value = tuple(map(identity, each.origins)), each.value()
        if origin not in first or not torch.equal(first[origin], value):
            first[origin] = weights[each.full_name] = value
    for path, found in packed(model).items():
        weights |= {join(path, name): weight for name, weight in (found or {}).items()}
    return {name: weight for name, weight in weights.items() if weight.dim() > 1}


def uncovered(model: nn.Module, masked: Iterable[nn.Parameter], excluded: Collection[str] = ()) -> dict[str, int]:
    """{parameter name: number of weights} of those without a mask, except in what is ``excluded`` by name."""

    def left_out(name: str) -> bool:
        return any(name == part or name.startswith(f"{part}.") for part in excluded)

    known = {id(weight) for weight in masked}
    known |= {id(p) for name, p in model.named_parameters(remove_duplicate=False) if left_out(name)}
    return {
        name: weight.numel()
        for name, weight in matrices(model).items()
        if id(weight) not in known and not left_out(name)
    }


def words(model: nn.Module, found: Mapping[str, int]) -> str | None:
    """What there is to tell of weights without a mask; None if all are known, and less than SHARE of all."""
    return ". ".join(filter(None, (_known(model, found), _unknown(model)))) or None


def _known(model: nn.Module, found: Mapping[str, int]) -> str | None:
    total = sum(weight.numel() for weight in matrices(model).values())
    left = sum(found.values())
    if left <= SHARE * total:
        return None
    largest = sorted(found, key=lambda name: -found[name])
    named = ", ".join(f"{name} ({percent(found[name] / total)})" for name in largest[:NAMED])
    more = f" and {len(largest) - NAMED} more" if len(largest) > NAMED else ""
    return (
        f"{percent(left / total)} of the {count(total)} weights of {type(model).__name__} have no mask and stay as "
        f"they are: {named}{more}. The density of the masks is that of the others; model_density is that of all"
    )


def _unknown(model: nn.Module) -> str | None:
    unread = [path for path, weights in packed(model).items() if weights is None]
    if not unread:
        return None
    named = ", ".join(f"{path} ({type(model.get_submodule(path)).__name__})" for path in unread)
    return (
        f"The weights of {named} are packed and cannot be read: they have no mask, and no density counts them. Prune "
        "before weights are packed"
    )
