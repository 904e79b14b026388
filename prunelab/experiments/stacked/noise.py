"""Dropout noise for stacked networks, bit for bit what ``nn.Dropout`` draws for each of them alone (on the CPU)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from prunelab.errors import SessionError
from prunelab.torch_state import evaluating, held

Shapes = dict[str, tuple[int, ...]]  # of what each dropout is applied to, without the batch, in the order of the calls


def shapes(model: nn.Module, example: Tensor) -> Shapes:
    """The dropouts of ``model``, in the order in which they run. example: (N, ...), a batch.

    Raises SessionError for dropouts whose noise is no factor for each value, and for one that runs several times.
    """
    frozen = held(model)
    dropouts = {n: m for n, m in model.named_modules() if isinstance(m, _DropoutNd) and m not in frozen}
    other = [f"{name} ({type(m).__name__})" for name, m in dropouts.items() if type(m) is not nn.Dropout]
    if other:
        raise SessionError(f"{', '.join(other)}: networks with these cannot be stacked, only with nn.Dropout")
    found: Shapes = {}

    def note(name: str, given: Tensor) -> None:
        if name in found or len(given) != len(example):
            raise SessionError(f"{name}: a dropout that runs several times, or not on a batch, cannot be stacked")
        found[name] = tuple(given.shape[1:])

    hooks = [
        module.register_forward_pre_hook(lambda _, inputs, name=name: note(name, inputs[0]))
        for name, module in dropouts.items()
    ]
    try:
        with evaluating(model), torch.no_grad():
            model(example)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def draw(
    shapes: Shapes, seeds: Sequence[int], rates: Sequence[Mapping[str, float]], batch: int, like: Tensor
) -> dict[str, Tensor]:
    """Factors by dropout, each (networks, batch, ...): 0 with the dropout's rate p, else 1 / (1 - p).

    seeds: of each network. rates: {dropout: p} of each network, 0 to below 1. like: for type and device.
    """
    generator = torch.Generator(like.device)
    noise = {name: like.new_ones(len(seeds), batch, *shape) for name, shape in shapes.items()}
    if not noise:
        return noise
    for network, (seed, own) in enumerate(zip(seeds, rates, strict=True)):
        generator.manual_seed(seed)
        for name, factors in noise.items():
            if own[name] > 0:  # at rate 0 nn.Dropout draws nothing
                factors[network].bernoulli_(1 - own[name], generator=generator)
    for name, factors in noise.items():
        kept = torch.tensor([1 - own[name] for own in rates], dtype=like.dtype, device=like.device)
        factors.div_(kept.view(-1, *[1] * (factors.dim() - 1)))
    return noise
