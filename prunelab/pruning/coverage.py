"""Which modules of a model are pruned, which are not, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from torch import nn
from torch.nn.modules.conv import _ConvNd

from prunelab.results.subject import Module

ONLY = "only weights of Linear and Conv layers are pruned"
LEFT_OUT = "left out by name (layers= or exclude=)"
OUTPUTS = "its neurons are the network's outputs, which stay whole when neurons are cut"


def coverage(model: nn.Module, masked: Mapping[str, nn.Parameter], whole: Collection[str]) -> Iterator[Module]:
    """Every module of ``model`` with parameters of its own, in the model's order.

    masked: the weights that have a mask, by parameter name; a tied weight by the name that it is counted under. whole:
    names of those of them that are counted, but never cut. Raises ValueError for a parameter without a shape.
    """
    counted = {id(weight): name for name, weight in masked.items()}  # {parameter: the name that it is counted under}
    for prefix, module in model.named_modules():
        own = {f"{prefix}.{name}" if prefix else name: p for name, p in module.named_parameters(recurse=False)}
        for name, parameter in own.items():
            if isinstance(parameter, nn.parameter.UninitializedParameter):
                raise ValueError(f"{name} has no shape yet: run the model once first")
            counted.setdefault(id(parameter), name)
        if not own:
            continue
        here = {name: p.numel() for name, p in own.items() if counted[id(p)] == name}
        weights = here.keys() & masked.keys()
        others = [name for name in here if name not in weights]
        if weights & set(whole):
            pruned, why = False, OUTPUTS
        elif weights:
            pruned, why = True, _layer(module, others)
        elif len(here) < len(own):
            elsewhere = sorted({counted[id(p)] for p in own.values()} - here.keys())
            pruned = any(name in masked and name not in whole for name in elsewhere)
            why = f"tied to {', '.join(elsewhere)}, and counted there"
        else:
            pruned, why = False, LEFT_OUT if isinstance(module, nn.Linear | _ConvNd) else ONLY
        total, uncounted = sum(here[name] for name in weights), sum(here[name] for name in others)
        yield Module(prefix, type(module).__name__, total, uncounted, pruned, why)


def _layer(module: nn.Module, others: Iterable[str]) -> str:
    """What a pruned layer is, and which of its parameters are never cut."""
    never = ", ".join(name.rpartition(".")[2] for name in others)
    return f"a {'Linear' if isinstance(module, nn.Linear) else 'Conv'} layer" + (
        f"; never cut: {never}" if never else ""
    )
