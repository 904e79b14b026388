"""The forward pass of many networks of one architecture at once.

Networks that are a sequence of common layers run layer by layer: matrix products in batches, convolutions in groups,
batch norm over the channels of all networks. All others run under ``torch.func.vmap``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F

from prunelab.torch_state import held

Tensors = Mapping[str, Tensor]  # by name, each (networks, ...)
# (parameters and buffers, samples (networks, batch, ...), dropout noise by module) -> outputs (networks, batch, ...)
Forward = Callable[[Tensors, Tensor, Tensors], Tensor]


def stacked_forward(model: nn.Module) -> Forward:
    """The forward pass, in training mode, of networks built like ``model``. Batch norm's buffers change in place."""
    return _layer_by_layer(model) if _is_sequence(model) else _vmapped(model)


# Layer by layer


class _Products(torch.autograd.Function):
    """x (networks, rows, inputs) times the transposed weights (networks, outputs, inputs), plus a bias or None.

    Autograd alone would give the weights' gradient transposed: slower to work on, and a copy to set right.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        if bias is None:
            return torch.bmm(x, weight.transpose(1, 2))
        return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            torch.bmm(gradient, weight) if of_x else None,
            torch.bmm(gradient.transpose(1, 2), x) if of_weight else None,
            gradient.sum(1) if of_bias else None,
        )


def _linear(layer: Any, name: str, state: Tensors, x: Tensor) -> Tensor:
    bias = None if layer.bias is None else state[f"{name}.bias"]
    output: Tensor = _Products.apply(x.flatten(1, -2), state[f"{name}.weight"], bias)  # type: ignore[no-untyped-call]
    return output.view(*x.shape[:-1], -1)


def _conv(layer: Any, name: str, state: Tensors, x: Tensor) -> Tensor:
    bias = None if layer.bias is None else state[f"{name}.bias"].flatten()
    weight = state[f"{name}.weight"].flatten(0, 1)
    groups = layer.groups * len(x)
    return _apart(
        F.conv2d(_together(x), weight, bias, layer.stride, layer.padding, layer.dilation, groups), len(x)
    )  # fmt: skip


def _batch_norm(layer: Any, name: str, state: Tensors, x: Tensor) -> Tensor:
    mean, variance = state[f"{name}.running_mean"].view(-1), state[f"{name}.running_var"].view(-1)
    scale, shift = (state[f"{name}.{part}"].flatten() if layer.affine else None for part in ("weight", "bias"))
    state[f"{name}.num_batches_tracked"].add_(1)
    normed = F.batch_norm(_together(x), mean, variance, scale, shift, True, layer.momentum, layer.eps)
    return _apart(normed, len(x))


def _pool(layer: Any, name: str, state: Tensors, x: Tensor) -> Tensor:
    return _apart(layer(_together(x)), len(x))


def _flatten(layer: Any, name: str, state: Tensors, x: Tensor) -> Tensor:
    return x.flatten(2)


def _relu(layer: Any, name: str, state: Tensors, x: Tensor) -> Tensor:
    return torch.relu(x)


def _together(x: Tensor) -> Tensor:
    """(networks, batch, channels, ...) -> (batch, networks x channels, ...)."""
    return x.transpose(0, 1).flatten(1, 2)


def _apart(x: Tensor, networks: int) -> Tensor:
    """The inverse of ``_together``."""
    apart: Tensor = x.unflatten(1, (networks, -1))
    return apart.transpose(0, 1)


LAYERS: dict[type[nn.Module], Callable[[Any, str, Tensors, Tensor], Tensor]] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.MaxPool2d: _pool,
    nn.Flatten: _flatten,
    nn.ReLU: _relu,
}


def _is_sequence(model: nn.Module) -> bool:
    """Whether the model runs its children one after another, each of a kind and with settings known here."""
    if not isinstance(model, nn.Sequential) or type(model).forward is not nn.Sequential.forward or held(model):
        return False
    parts = dict(model.named_children())
    hooked = any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    once = len(parts) == len(list(model.children())) == len(model)
    return once and not hooked and all(type(part) in (*LAYERS, nn.Dropout) and _usual(part) for part in parts.values())


def _usual(layer: Any) -> bool:
    if isinstance(layer, nn.Conv2d):
        return layer.padding_mode == "zeros"
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        return layer.track_running_stats and layer.momentum is not None
    if isinstance(layer, nn.MaxPool2d):
        return not layer.return_indices
    if isinstance(layer, nn.Flatten):
        return (layer.start_dim, layer.end_dim) == (1, -1)
    return True


def _layer_by_layer(model: nn.Module) -> Forward:
    layers = [(name, _without_memory(layer)) for name, layer in model.named_children()]  # settings alone

    def forward(state: Tensors, x: Tensor, noise: Tensors) -> Tensor:
        for name, layer in layers:
            x = x * noise[name] if isinstance(layer, nn.Dropout) else LAYERS[type(layer)](layer, name, state, x)
        return x

    return forward


# Any other model


class _Noise(nn.Module):
    """In place of a dropout: multiplies by noise that was drawn before."""

    noise: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("noise", torch.empty(0, device="meta"))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.noise


def _without_memory(model: nn.Module) -> nn.Module:
    """A copy whose parameters and buffers have no values; tied ones stay tied, as they do not with ``to("meta")``."""
    memo: dict[int, object] = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in model.parameters()
    }
    return copy.deepcopy(model, memo | {id(b): torch.empty_like(b, device="meta") for b in model.buffers()})


def _vmapped(model: nn.Module) -> Forward:
    frozen = {name for name, module in model.named_modules() if module in held(model)}
    template = _without_memory(model).train()
    for name, module in list(template.named_modules()):
        if name in frozen:
            module.eval()
        elif isinstance(module, nn.Dropout):
            template.set_submodule(name, _Noise())

    def call(state: dict[str, Tensor], x: Tensor) -> Any:
        return functional_call(template, state, (x,))

    batched = vmap(call)

    def forward(state: Tensors, x: Tensor, noise: Tensors) -> Tensor:
        output: Tensor = batched({**state, **{f"{name}.noise": factors for name, factors in noise.items()}}, x)
        return output

    return forward
