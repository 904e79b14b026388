"""Which modules of a model are pruned, which are not, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from torch import nn

from prunelab.pruning.layers import EMBEDDING, join, kind_of
from prunelab.pruning.packed import packed
from prunelab.results.subject import Module

ONLY = "only weights of Linear and Conv layers are pruned, of bilinear and recurrent ones, and attention's projections"
NAMED = "only pruned where layers= names it"
LEFT_OUT = "left out by name (layers= or exclude=)"
OUTPUTS = "its neurons are the network's outputs, which stay whole when neurons are cut"
PACKED = "its weights are packed for a kernel, out of reach of a mask"
NO_NEURONS = "its rows are no neurons, and stay whole when neurons are cut"


def coverage(model: nn.Module, masked: Mapping[str, nn.Parameter], whole: Mapping[str, str]) -> Iterator[Module]:
    """Every module of ``model`` with parameters of its own, or with packed weights, in the model's order.

    masked: the weights that have a mask, by parameter name; a tied weight by the name that it is counted under. whole:
    {name: why} of those of them that are counted, but never cut. Raises ValueError for a parameter without a shape.
    """
    counted = {id(weight): name for name, weight in masked.items()}  # {parameter: the name that it is counted under}
    packs = packed(model)
    for prefix, module in model.named_modules():
        if prefix in packs:
            inside = packs[prefix]
            number = sum(weight.numel() for weight in (inside or {}).values())
            why = f"{PACKED}; how many is not known" if inside is None else PACKED
            yield Module(prefix, type(module).__name__, 0, number, False, why)
        own = {join(prefix, name): p for name, p in module.named_parameters(recurse=False)}
        for name, parameter in own.items():
            if isinstance(parameter, nn.parameter.UninitializedParameter):
                raise ValueError(f"{name} has no shape yet: run the model once first")
            counted.setdefault(id(parameter), name)
        if not own:
            continue
        here = {name: p.numel() for name, p in own.items() if counted[id(p)] == name}
        weights = [name for name in here if name in masked]
        others = [name for name in here if name not in masked]
        if weights and all(name in whole for name in weights):
            pruned, why = False, whole[weights[0]]
        elif weights:
            pruned, why = True, _layer(module, others)
        elif len(here) < len(own):
            elsewhere = sorted({counted[id(p)] for p in own.values()} - here.keys())
            pruned = any(name in masked and name not in whole for name in elsewhere)
            why = f"tied to {', '.join(elsewhere)}, and counted there"
        else:
            kind = kind_of(module)
            pruned, why = False, ONLY if kind is None else NAMED if kind is EMBEDDING else LEFT_OUT
        total, uncounted = sum(here[name] for name in weights), sum(here[name] for name in others)
        yield Module(prefix, type(module).__name__, total, uncounted, pruned, why)


def _layer(module: nn.Module, others: Iterable[str]) -> str:
    """What a pruned layer is, and which of its parameters are never cut."""
    kind = kind_of(module)
    never = ", ".join(name.rpartition(".")[2] for name in others)
    word = "a module of one's own, named in layers=" if kind is None else kind.word
    return f"{word}; never cut: {never}" if never else word
