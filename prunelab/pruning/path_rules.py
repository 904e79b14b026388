"""How each operation of a network passes on paths from its input to its output.

A rule runs an operation over zeros and ones, where a one means that a path ends in this element. Activations pass paths
on, pooling gathers them, softmax mixes them, reshaping moves them. Operations that are not listed here are unknown.
A rule takes the operation itself (a function or a module) and its arguments.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunelab.errors import PrunelabError

Rule = Callable[..., Any]


class UnknownPath(PrunelabError):
    """An option that makes the paths through a known operation unknown."""


class Binary(torch.autograd.Function):
    """Positive values become one, forward and backward, so that nothing overflows or underflows."""

    generate_vmap_rule = True  # models may call it within torch.vmap

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return (gradients[0] > 0).to(gradients[0].dtype)


def as_is(operation: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Moves, averages or sums with positive weights: running the operation on zeros and ones gives the paths.

    Integers that are moved are constants, as in ``join``; those in later arguments are places and counts.
    """
    several = isinstance(x, list | tuple) and not isinstance(x, torch.Size)
    return operation([_moved(each) for each in x] if several else _moved(x), *args, **kwargs)


def elementwise(_: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Elementwise: each element depends on the one at the same place."""
    return x


def same(_: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The same numbers in another type or place, which may be that of another tensor; its numbers have no part."""
    return _paths(x)


def ones(x: Any) -> Tensor:
    """One where ``x`` is positive, forward and backward."""
    return Binary.apply(x)  # type: ignore[no-untyped-call, no-any-return]


def join(_: Any, *args: Any, **kwargs: Any) -> Tensor:
    """Elementwise over several tensors: each element depends on those at the same place."""
    return ones(sum(_paths(arg) for arg in (*args, *kwargs.values()) if isinstance(arg, Tensor)))


def _paths(x: Tensor) -> Tensor:
    """Integers are constants, which carry no path."""
    return x if x.is_floating_point() else torch.zeros_like(x, dtype=torch.float32)


def _moved(x: Any) -> Any:
    return _paths(x) if isinstance(x, Tensor) else x


def mix(x: Tensor, dims: Iterable[int]) -> Tensor:
    """Each element depends on all along ``dims``."""
    return ones(x.mean(tuple(dims), keepdim=True).expand_as(x))


def softmax(_: Any, x: Tensor, dim: int | None = None, *args: Any, **kwargs: Any) -> Tensor:
    if dim is None:  # torch's default
        dim = 0 if x.dim() in (0, 1, 3) else 1
    return mix(x, (dim,))


def normalize(_: Any, x: Tensor, p: float = 2.0, dim: int = 1, *args: Any, **kwargs: Any) -> Tensor:
    return mix(x, (dim,))


def layer_norm(_: Any, x: Tensor, normalized_shape: Any, *args: Any, **kwargs: Any) -> Tensor:
    return mix(x, range(-len(normalized_shape), 0))


def group_norm(_: Any, x: Tensor, num_groups: int, *args: Any, **kwargs: Any) -> Tensor:
    return mix(x.reshape(x.shape[0], num_groups, -1), (2,)).reshape(x.shape)


def instance_norm(_: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return mix(x, range(2, x.dim())) if x.dim() > 2 else x


def max_pool(
    average: Callable[..., Tensor],
    _: Any,
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """Average instead: the maximum's gradient reaches one element of a window, but each of them has a path."""
    if return_indices or dilation not in (1, (1,), (1, 1), (1, 1, 1)):
        raise UnknownPath("with indices or dilation")
    return average(x, kernel_size, stride, padding, ceil_mode)


def adaptive_max_pool(
    average: Callable[..., Tensor], _: Any, x: Tensor, output_size: Any, return_indices: bool = False
) -> Tensor:
    if return_indices:
        raise UnknownPath("with indices")
    return average(x, output_size)


def amax(_: Any, x: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    return x.mean(dims or tuple(range(x.dim())), keepdim=keepdim)


def pad(_: Any, x: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    return F.pad(x, tuple(pad), mode)


def interpolate(operation: Any, x: Tensor, *args: Any, **kwargs: Any) -> Any:
    mode = getattr(operation, "mode", kwargs.get("mode", args[2] if len(args) > 2 else "nearest"))
    if "cubic" in mode:
        raise UnknownPath("with negative weights")
    return operation(x, *args, **kwargs)


def _words(text: str) -> list[str]:
    return text.split()


def _with(rule: Rule, *options: str) -> Rule:
    """A function's rule, for the module that has the function's options as attributes."""
    return lambda module, x: rule(module, x, *(getattr(module, option) for option in options))


_AVERAGES = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_ADAPTIVE = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}

_POOLS: dict[str, Rule] = {f"max_pool{n}d": partial(max_pool, average) for n, average in _AVERAGES.items()}
_POOLS |= {f"adaptive_max_pool{n}d": partial(adaptive_max_pool, average) for n, average in _ADAPTIVE.items()}

_ELEMENTWISE = _words("""
    abs absolute alpha_dropout batch_norm celu clamp_ clone contiguous cos
    detach dropout dropout1d dropout2d dropout3d dropout_ elu elu_ erf exp expm1 feature_alpha_dropout
    feature_dropout gelu hardshrink hardsigmoid hardswish hardtanh hardtanh_ leaky_relu leaky_relu_ log
    log1p logit logsigmoid mish neg positive prelu reciprocal relu relu6 relu_ rrelu rsqrt selu sigmoid
    sigmoid_ sign silu sin softplus softshrink softsign sqrt square tanh tanh_ tanhshrink threshold""")
_SAME = _words("cpu cuda double float half int long to type type_as")
_JOIN = _words("""add clamp clamp_max clamp_min clip div divide iadd imul isub itruediv maximum minimum mul multiply pow
    sub subtract true_divide truediv""")
_AS_IS = _words("""adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d avg_pool1d avg_pool2d avg_pool3d cat
    channel_shuffle chunk concat concatenate dim expand expand_as flatten flip getitem mean moveaxis movedim narrow
    numel permute pixel_shuffle pixel_unshuffle repeat repeat_interleave reshape reshape_as roll select size split
    squeeze stack sum swapaxes swapdims t tensor_split transpose unbind unflatten unsqueeze view view_as""")
RULES: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, elementwise),
    **dict.fromkeys(_SAME, same),
    **dict.fromkeys(_JOIN, join),
    **dict.fromkeys(_AS_IS, as_is),
    **dict.fromkeys(("softmax", "log_softmax", "softmin"), softmax),
    **_POOLS,
    "normalize": normalize,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "amax": amax,
    "amin": amax,
    "pad": pad,
    "interpolate": interpolate,
}

# Rules that hold where a path comes in any of the arguments; all others look at the first argument alone.
OF_ALL = (as_is, same, join)

METHODS: dict[str, Rule] = {name: rule for name, rule in RULES.items() if hasattr(Tensor, name)}
FUNCTIONS: dict[Any, Rule] = {
    getattr(space, name): rule for space in (torch, F, operator) for name, rule in RULES.items() if hasattr(space, name)
}
FUNCTIONS[getattr] = as_is  # x.shape, x.T

_ELEMENTWISE_MODULES = _words("""
    AlphaDropout BatchNorm1d BatchNorm2d BatchNorm3d CELU Dropout Dropout1d Dropout2d Dropout3d
    ELU FeatureAlphaDropout GELU Hardshrink Hardsigmoid Hardswish Hardtanh Identity LeakyReLU LogSigmoid Mish PReLU
    RReLU ReLU ReLU6 SELU SiLU Sigmoid Softplus Softshrink Softsign SyncBatchNorm Tanh Tanhshrink Threshold""")
_AS_IS_MODULES = _words("""AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AvgPool1d AvgPool2d AvgPool3d
    ChannelShuffle CircularPad1d CircularPad2d CircularPad3d Flatten PixelShuffle PixelUnshuffle ReflectionPad1d
    ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d Unflatten ZeroPad1d ZeroPad2d
    ZeroPad3d UpsamplingNearest2d UpsamplingBilinear2d""")
_POOL_OPTIONS = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")

MODULES: dict[type[nn.Module], Rule] = {
    **{getattr(nn, name): elementwise for name in _ELEMENTWISE_MODULES},
    **{getattr(nn, name): as_is for name in _AS_IS_MODULES},
    **{getattr(nn, f"MaxPool{n}d"): _with(_POOLS[f"max_pool{n}d"], *_POOL_OPTIONS) for n in (1, 2, 3)},
    **{
        getattr(nn, f"AdaptiveMaxPool{n}d"): _with(_POOLS[f"adaptive_max_pool{n}d"], "output_size", "return_indices")
        for n in (1, 2, 3)
    },
    **{getattr(nn, f"ConstantPad{n}d"): _with(pad, "padding") for n in (1, 2, 3)},
    **{getattr(nn, f"InstanceNorm{n}d"): instance_norm for n in (1, 2, 3)},
    **dict.fromkeys((nn.Softmax, nn.LogSoftmax, nn.Softmin), _with(softmax, "dim")),
    nn.Softmax2d: lambda module, x: mix(x, (-3,)),
    nn.LayerNorm: _with(layer_norm, "normalized_shape"),
    nn.GroupNorm: _with(group_norm, "num_groups"),
    nn.Upsample: interpolate,
}

# Layers as functions: number of input dimensions after the channels.
LAYERS: dict[Any, int] = {F.linear: 0, F.conv1d: 1, F.conv2d: 2, F.conv3d: 3}
