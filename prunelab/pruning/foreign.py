"""Networks that other tools pruned: what is taken up of them, and what is not, before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from prunelab.errors import LeftOutWarning, warn
from prunelab.formatting import percent
from prunelab.pruning.layers import EMBEDDING, join
from prunelab.pruning.reparametrisation import Computed, computed
from prunelab.pruning.selection import Names, as_names


class TakenUp(NamedTuple):
    """layers: names of the weights to mask. masks: torch's, by parameter name, True where kept."""

    layers: list[str]
    masks: dict[str, Tensor]


def with_zeros(names: Names, exclude: str | Iterable[str]) -> list[str]:
    """Names of the usual weights, and of embeddings with zeros.

    Warns of matrices of modules of no known kind that have zeros and survivors, unless excluded.
    """
    excluded = {found for name in as_names(exclude) for found in names.known(name)}
    chosen, left = [], []
    for name, place in names.places.items():
        if place.kind is not None and place.kind.usual:
            chosen.append(name)
            continue
        weight = place.weight
        if (
            name in excluded
            or weight is None
            or weight.is_meta
            or isinstance(weight, nn.parameter.UninitializedParameter)
        ):
            continue
        zeros = weight.detach() == 0
        if place.kind is EMBEDDING and (padding := getattr(place.module, "padding_idx", None)) is not None:
            zeros[padding] = False
        if zeros.any() and not zeros.all():
            if place.kind is EMBEDDING:
                chosen.append(name)
            else:
                left.append(f"{name} ({percent(float(zeros.double().mean()))} zeros)")
    if left:
        warn(
            f"{', '.join(left)}: of no kind of layer that is masked by itself, so these zeros get no mask and may be "
            "trained away; name them in layers=, or in exclude= if they are no cuts",
            LeftOutWarning,
            stacklevel=3,
        )
    return chosen


def taken_up(model: nn.Module, layers: str | Iterable[str] | None, exclude: str | Iterable[str]) -> TakenUp:
    """Undo the reparametrisation of ``torch.nn.utils.prune`` in place, and return its masks.

    Each ``name_orig`` becomes the parameter ``name`` again, with its cut entries at zero; torch's buffers and hooks are
    removed. Raises ValueError, with the model unchanged, if torch pruned nothing here or what it pruned cannot be
    taken up. Warns of biases and the like, which get no mask.
    """
    pruned = {each.full_name: each for each in computed(model) if each.by == "prune"}
    if not pruned:
        raise ValueError(
            f"torch.nn.utils.prune has pruned nothing in this {type(model).__name__}; "
            "for a network whose cut weights are plain zeros take Masks.from_zeros(model)"
        )
    names = Names(model, pruned.values())
    left = {name for name in pruned if name not in names.canonical}  # biases and the like
    layers = None if layers is None else as_names(layers)
    exclude = as_names(exclude)

    def chosen(name: str) -> bool:
        """Whether what torch pruned under this name is taken up, if it can have no mask."""
        own = (name, pruned[name].path)
        return (layers is None or any(each in own for each in layers)) and not any(each in own for each in exclude)

    taken = [pruned[name] for name in left if chosen(name)]
    known = {name: names.canonical[name] for name in pruned if name not in left}
    select = [*names.usual, *known.values()] if layers is None else [name for name in layers if name not in left]
    selected = names.select(select, [name for name in exclude if name not in left])
    taken += [pruned[name] for name, canonical in known.items() if canonical in selected]
    masks: dict[str, Tensor] = {}
    for each in taken:
        mask = _checked(each, model, taken)
        if each.full_name in known:
            name = known[each.full_name]
            masks[name] = masks[name] & mask if name in masks else mask
    if left and (without := [each.full_name for each in taken if each.full_name in left]):
        warn(
            f"{', '.join(without)}: torch pruned these too, but biases and vectors get no mask: their zeros stay only "
            "until they are trained; freeze them, or leave them under torch.nn.utils.prune (exclude=)",
            LeftOutWarning,
            stacklevel=3,
        )
    for each in taken:
        prune.remove(each.module, each.name)
    return TakenUp(list(selected), masks)


def _checked(pruned: Computed, model: nn.Module, taken: list[Computed]) -> Tensor:
    """The mask of what torch pruned, True where kept; ValueError if it cannot become an ordinary parameter."""
    mask: Tensor = getattr(pruned.module, f"{pruned.name}_mask").bool()
    if mask.dim() > 1 and not mask.any():
        raise ValueError(f"{pruned.full_name} has no survivor: nothing passes through a layer of zeros; leave it out")
    value = pruned.value()
    if value[~mask].any():  # NaN times zero
        raise ValueError(f"{pruned.full_name} holds NaN or infinite weights where torch cut it: they are no zeros")
    origin = getattr(pruned.module, f"{pruned.name}_orig")
    uses = {(id(each.module), f"{each.name}_orig"): each for each in taken}
    for path, module in model.named_modules():
        for name, parameter in module._parameters.items():
            if parameter is not origin:
                continue
            other = uses.get((id(module), name))
            if not torch.equal(value, parameter.detach() if other is None else other.value()):
                raise ValueError(
                    f"{pruned.full_name} is tied to {join(path, name)}, which torch did not cut in the same way: as "
                    "one weight they would give other outputs. Cut both alike, or untie them"
                )
    return mask
