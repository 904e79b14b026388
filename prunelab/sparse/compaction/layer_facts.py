"""Facts about each layer of a running model: fed channels, needed neurons, constant inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunelab.inputs import Inputs
from prunelab.pruning.layers import linear_and_conv
from prunelab.sparse.compaction import observed_paths
from prunelab.sparse.compaction.observed_paths import Use

ROUNDINGS = 8  # a constant that is itself a sum may differ between positions by this many rounding errors


@dataclass(frozen=True, eq=False)
class LayerFacts:
    """One layer of a model.

    Lists by neuron (filter): reached: on a path from the input. needed: on a path to the output. Lists by input
    channel: fed: on a path from the input. unread: all weights to needed neurons are zero. constants: the value that
    the channel has at every position, else NaN. pads: pads with zeros, so that a constant ends at the border. grouped:
    neurons read channels in different ways (groups, transposed convolution). frozen: why nothing may be removed, or
    None.
    """

    name: str
    path: str
    frozen: str | None
    reached: list[bool]
    needed: list[bool]
    fed: list[bool]
    unread: list[bool]
    constants: list[float]
    pads: bool
    grouped: bool

    def dead(self) -> list[int]:
        """Neurons without a path from the input or without one to the output."""
        return [i for i, alive in enumerate(zip(self.reached, self.needed, strict=True)) if not all(alive)]

    def refusal(self, channel: int, *, needed: bool) -> str | None:
        """Why input ``channel`` cannot be removed, or None. needed: whether the neuron that feeds it is needed."""
        if self.unread[channel] and not needed:
            return None
        if self.fed[channel]:
            return f"what {self.name} reads in its place depends on the input all the same"
        constant = self.constants[channel]
        if self.unread[channel] or constant == 0:
            return None
        if not math.isfinite(constant):
            return f"the constant it emits is not the same everywhere in what {self.name} reads"
        return self.bordered() if self.pads and self.grouped else None

    def bordered(self) -> str:
        """Why the bias of a layer that pads cannot absorb a constant."""
        return f"the constant it emits ends where {self.name} pads with zeros"

    def bears(self, channel: int) -> bool:
        """Whether removing ``channel`` requires another channel to carry its constant."""
        return self.pads and not self.unread[channel] and self.constants[channel] != 0


def layers(model: nn.Module, inputs: Inputs, run: Callable[[], Any]) -> dict[str, LayerFacts]:
    """Facts about the layers of ``model`` (in eval mode) by parameter name. run: runs it once on ``inputs``.

    Raises ValueError for weights that are computed from others, and CompactError as ``observed_paths.uses``.
    """
    names: dict[int, str] = {}
    for name, _, weight in linear_and_conv(model):
        names.setdefault(id(weight), name)
    uses = observed_paths.uses(model, inputs, names)
    modules: dict[str, tuple[str, Any]] = {}
    for path, module in model.named_modules():
        if isinstance(module, nn.Linear | _ConvNd):
            modules.setdefault(names[id(module.weight)], (path, module))
    constants = _constants(run, {name: module for name, (_, module) in modules.items()})
    return {name: _layer(name, *modules[name], uses[name], constants.get(name)) for name in names.values()}


def fold(module: Any, layer: LayerFacts, channels: set[int], carriers: Mapping[int, int]) -> None:
    """Fold the contribution of constant ``channels`` into ``module``'s bias, and set their weights to zero.

    carriers: {channel: other channel whose constant carries the contribution instead}, for layers that pad, as a bias
    also applies at the border.
    """
    weight = module.weight.data
    for channel, carrier in carriers.items():
        share = layer.constants[channel] / layer.constants[carrier]
        weight[:, carrier] = (weight[:, carrier].double() + weight[:, channel].double() * share).to(weight.dtype)
    reads = torch.tensor([i not in channels for i in range(len(layer.fed))], device=weight.device)
    folded = [i in channels and i not in carriers and math.isfinite(c) for i, c in enumerate(layer.constants)]
    added = torch.tensor(
        [c if now else 0.0 for c, now in zip(layer.constants, folded, strict=True)],
        dtype=torch.float64,
        device=weight.device,
    )
    if isinstance(module, _ConvNd) and module.transposed:
        # Non-zero constants cannot be folded here: each output sees a different part of the kernel.
        weight.mul_(reads.to(weight.dtype).view(-1, *[1] * (weight.dim() - 1)))
        return
    groups = getattr(module, "groups", 1)
    parts = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
    shift = (parts.double().sum(-1) * added.view(groups, 1, -1)).sum(-1).flatten()
    module.weight.data = (parts * reads.to(weight.dtype).view(groups, 1, -1, 1)).view(weight.shape)
    if not shift.any():
        return
    if module.bias is None:
        bias = torch.zeros(len(shift), dtype=weight.dtype, device=weight.device)
        module.bias = nn.Parameter(bias, requires_grad=module.weight.requires_grad)
    module.bias.data = (module.bias.data.double() + shift).to(weight.dtype)


def _constants(run: Callable[[], Any], modules: Mapping[str, Any]) -> dict[str, Tensor]:
    """The constant of each input channel of each layer that runs; NaN for channels that are not constant."""
    constants: dict[str, Tensor] = {}

    def reader(name: str, spatial: int) -> Callable[..., None]:
        def read(_: nn.Module, args: tuple[Tensor, ...], kwargs: Mapping[str, Tensor]) -> None:
            x = args[0] if args else kwargs["input"]
            low, high = x.detach().movedim(-1 - spatial, 0).flatten(1).double().aminmax(dim=1)
            tolerance = ROUNDINGS * torch.finfo(x.dtype).eps * torch.maximum(low.abs(), high.abs())
            constants[name] = torch.where(high - low <= tolerance, (low + high) / 2, math.nan)

        return read

    hooks = [
        module.register_forward_pre_hook(reader(name, module.weight.dim() - 2), with_kwargs=True)
        for name, module in modules.items()
    ]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return constants


def _layer(name: str, path: str, module: Any, uses: list[Use], constants: Tensor | None) -> LayerFacts:
    if len(uses) != 1 or constants is None:
        frozen = "it does not run by itself" if not uses else "its weights are used more than once (tied)"
        channels = module.in_features if isinstance(module, nn.Linear) else module.in_channels
        alive = [any(bool(use.reached[i]) and bool(use.needed[i]) for use in uses) for i in range(neurons(module))]
        return LayerFacts(
            name=name,
            path=path,
            frozen=frozen,
            reached=alive,
            needed=alive,
            fed=[True] * channels,
            unread=[False] * channels,
            constants=[math.nan] * channels,
            pads=True,
            grouped=True,
        )
    (use,) = uses
    return LayerFacts(
        name=name,
        path=path,
        frozen=None,
        reached=use.reached.tolist(),
        needed=use.needed.tolist(),
        fed=use.fed.tolist(),
        unread=(~_read(module, use.needed)).tolist(),
        constants=torch.where(use.fed, math.nan, constants).tolist(),
        pads=_pads(module),
        grouped=isinstance(module, _ConvNd) and (module.groups > 1 or module.transposed),
    )


def neurons(module: Any) -> int:
    """Number of neurons (filters) of a layer."""
    return int(module.out_features if isinstance(module, nn.Linear) else module.out_channels)


def _read(module: Any, needed: Tensor) -> Tensor:
    """Whether each input channel has a non-zero weight to a needed neuron."""
    groups = getattr(module, "groups", 1)
    first, second = module.weight.shape[:2]
    nonzero = (module.weight.detach() != 0).reshape(groups, first // groups, second, -1).any(dim=3)
    transposed = getattr(module, "transposed", False)
    rows = needed.view(groups, 1, second) if transposed else needed.view(groups, first // groups, 1)
    read: Tensor = (nonzero & rows).any(dim=2 if transposed else 1)
    return read.flatten()


def _pads(module: Any) -> bool:
    """Whether some outputs see less of the input than others: zero padding, or a transposed convolution."""
    if isinstance(module, nn.Linear):
        return False
    if module.transposed:
        return True
    if module.padding_mode != "zeros" or module.padding == "valid":
        return False
    if module.padding == "same":
        return any(size > 1 for size in module.kernel_size)
    return any(size > 0 for size in module.padding)
