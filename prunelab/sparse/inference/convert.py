"""Converts a pruned model into an inference network, each layer with the fastest kernel on this machine.

Density alone does not decide speed: dense is faster for small layers and small batches, and is then kept. The chosen
kernels are stored with the result; they can be saved as JSON and passed to ``convert`` to skip the measurement.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from prunelab.errors import ConvertError, first_line
from prunelab.inputs import Example, Inputs
from prunelab.pruning import model_state, wrappers
from prunelab.sparse.inference import agreement, tracing
from prunelab.sparse.inference.conv_patches import PatchConv2d, refusal
from prunelab.sparse.inference.kernels import KERNELS, SPARSE_TYPES, Kernel, Weights, available
from prunelab.sparse.inference.linear_chain import NO_CHOICE, Affine, Chain, ChainLayer, KernelPlan
from prunelab.sparse.inference.tracing import Shapes, Stretch

__all__ = ["Choices", "ConvertError", "Converted", "convert"]

Choices = Mapping[str, str | Mapping[Any, str]]  # {layer: kernel}, or {layer: {batch: kernel}} as Converted.choices


class Converted(nn.Module):
    """A network for inference only: eval mode, no gradients. Its weights are copies; tied ones are stored once."""

    def __init__(
        self,
        network: nn.Module,
        choices: Mapping[str, Mapping[int, Kernel]],
        reasons: Mapping[str, Mapping[int, str]],
    ) -> None:
        super().__init__()
        self.network = network
        # forward() skips GraphModule.__call__, which only improves tracebacks, at a third of a small layer's time.
        self._run = network.forward if isinstance(network, fx.GraphModule | Chain) else network
        self._choices = {name: dict(kernels) for name, kernels in choices.items()}
        self._reasons = {name: dict(why) for name, why in reasons.items()}
        self.eval()

    @property
    def choices(self) -> dict[str, dict[int, Kernel]]:
        """Copy of {layer: {batch size: kernel}}, for every Linear and Conv that runs."""
        return {name: dict(kernels) for name, kernels in self._choices.items()}

    @property
    def reasons(self) -> dict[str, dict[int, str]]:
        """Copy of {layer: {batch size: why that kernel was chosen}}: how much faster it was, or that none was."""
        return {name: dict(why) for name, why in self._reasons.items()}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return self._run(*args, **kwargs)
        with torch.no_grad():
            return self._run(*args, **kwargs)

    def train(self, mode: bool = True) -> Converted:
        """Eval mode only: ConvertError for ``mode=True``."""
        if mode:
            raise ConvertError("a converted model is for inference; train the original and convert it again")
        return super().train(False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Converted:
        for dtype in {tensor.dtype for tensor in (*self.parameters(), *self.buffers())}:
            changed = fn(torch.empty(0, dtype=dtype, device="cpu"))
            if changed.dtype != dtype or not changed.is_cpu:
                raise ConvertError("a converted model stays in its type, on the CPU: change the original, convert that")
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call, no-any-return]


def convert(
    model: nn.Module,
    example: Example | None = None,
    *,
    batches: Iterable[int] = (1, 8, 64, 256),
    kernel: str | Choices | None = None,
) -> Converted:
    """Convert ``model`` for inference on the CPU, with the same outputs up to rounding.

    In float32, outputs differ by about 1e-6 of the largest, except for NaN or infinite activations: in the dense model
    a cut weight turns them into NaN, here it ignores them. Layers in half precision, grouped convolutions and layers
    inside torch's attention modules stay dense. Under ``torch.autocast`` the converted layers compute in the type of
    their weights.

    Args:
        model: Any module, in any mode; it is not changed. Its zero weights are skipped. Wrappers (torch.compile,
            DataParallel) are left out: what is converted is the model inside.
        example: A batch of input: a tensor, a tuple of arguments, or a dict of arguments by name. Needed to measure
            convolutions (without it they stay dense) and for batch norm on more than two dimensions.
        batches: Batch sizes to measure, each at least 1; at run time the nearest by ratio applies.
        kernel: None: measure. "dense", "csr" (torch) or "scipy": use it for all layers that support it.
            {layer: kernel} or {layer: {batch: kernel}}: use these for the named layers, and measure the others.

    Returns:
        The network. Its output may be a transposed view, so call ``contiguous()`` before ``view`` and similar methods.

    Raises:
        ConvertError: A name matches no layer, a named layer does not support its kernel, weights are NaN, infinite or
            not on the CPU, the example does not fit, or there is nothing to convert.
    """
    sizes = _checked(batches)
    if reason := model_state.scripted(model) or model_state.without_values(model):
        raise ConvertError(reason)
    model = wrappers.unwrapped(model)
    for name, module in tracing.weighted(model).items():
        if (device := module.get_parameter("weight").device).type != "cpu":
            raise ConvertError(f"{name} is on {device}: convert() is for the CPU; move the model, or see to_2_4()")
    twin = tracing.skeleton(model)
    layers = tracing.weighted(twin)
    requested = _RequestedKernels(kernel, layers, sizes)
    inputs = None if example is None else _inputs(example, twin)
    outputs, input_shapes = (None, {}) if inputs is None else tracing.run(twin, inputs)
    replacer = _LayerReplacer(requested, sizes, input_shapes, {m: n for n, m in reversed(layers.items())})
    if tracing.is_plain(twin):
        network = replacer.replacement(twin, contiguous=False) or twin
    else:
        traced = tracing.trace(twin, inputs)
        if traced is not None:
            replacer.chains(traced)
            traced.delete_all_unused_submodules()
            traced.recompile()
        network = traced or twin
        for parent, attribute, module in list(tracing.places(network)):
            if (new := replacer.replacement(module, contiguous=True)) is not None:
                setattr(parent, attribute, new)
        if traced is not None:
            network = _single_chain(traced)
    if not replacer.choices:
        reason = model_state.quantised(model)
        raise ConvertError(
            f"{type(model).__name__} has no Linear or Conv layer that runs and can be converted"
            + (f"; {reason}" if reason else "")
        )
    requested.check_all_met(replacer.choices)
    replacer.drop_unused()
    tracing.own(network, model)
    converted = Converted(network, replacer.choices, replacer.reasons)
    if inputs is not None:
        _check(converted, model, inputs, outputs)
    return converted


def _check(converted: Converted, model: nn.Module, inputs: Inputs, expected: Any) -> None:
    """Raise ConvertError if the example gives other outputs than ``expected`` from ``model``."""
    try:
        found = inputs.cloned().run(_trial(converted))
    except Exception as error:  # the model's code can raise anything
        raise ConvertError(
            f"{type(model).__name__} does not run with converted layers: {first_line(error)}. Convert the parts of it "
            "that do"
        ) from error
    if agreement.same(found, expected, agreement.near):
        return
    again = tracing.run(tracing.skeleton(model), inputs)[0]
    if agreement.same(again, expected, agreement.near):  # else its outputs are random, or depend on what it has seen
        raise ConvertError(
            f"{type(model).__name__} gives other outputs for the example with converted layers: it uses them in a way "
            "that cannot be followed. Convert the parts of it that are plain"
        )


def _trial(converted: Converted) -> Converted:
    """A copy that shares all weights: what the model remembers of a run is its own."""
    forms = (Weights, ChainLayer, Affine, PatchConv2d)
    buffers = [b for m in converted.modules() if isinstance(m, forms) for b in m.buffers(recurse=False)]
    return copy.deepcopy(converted, {id(tensor): tensor for tensor in (*converted.parameters(), *buffers)})


class _RequestedKernels:
    """The caller's requested kernels, validated: the kernels each layer may use at each batch size."""

    def __init__(self, kernel: str | Choices | None, layers: Mapping[str, nn.Module], sizes: Sequence[int]) -> None:
        self._sizes = sizes
        self._all: Kernel | None = None
        self._named: dict[str, dict[int, Kernel]] = {}
        if isinstance(kernel, Mapping):
            for name, choice in kernel.items():
                by_batch = choice if isinstance(choice, Mapping) else dict.fromkeys(sizes, choice)
                self._named[tracing.resolve(name, layers)] = {_size(n, sizes): _kernel(k) for n, k in by_batch.items()}
        elif kernel is not None:
            self._all = _kernel(kernel)

    def allowed(self, name: str, dtype: torch.dtype, dense_because: str | None = None) -> list[KernelPlan]:
        """Kernels to choose from, for each batch size. dense_because: why only dense is possible, or None."""
        supported: KernelPlan = ("dense",) if dense_because else available(dtype)
        if dense_because is None and dtype not in SPARSE_TYPES:
            dense_because = f"is {dtype}, and sparse kernels take float32 and float64"
        plans: list[KernelPlan] = []
        for size in self._sizes:
            named = self._named.get(name, {}).get(size)
            requested = named or self._all
            if requested is None:
                plans.append(supported)
            elif requested in supported:
                plans.append((requested,))
            elif dense_because is None:
                raise ConvertError(f"{name}: this torch has no CSR kernel (it was built without MKL); use 'scipy'")
            elif named:
                raise ConvertError(f"{name} {dense_because}: kernel {named!r} is not available for it")
            else:
                plans.append(("dense",))
        return plans

    def check_all_met(self, choices: Mapping[str, Any]) -> None:
        """Raise ConvertError for a named layer that was not converted."""
        for name in self._named:
            if name not in choices:
                raise ConvertError(f"{name} never runs by itself in this model: no kernel can be chosen for it")


class _LayerReplacer:
    """Builds replacements for the layers of one model; each weight is stored once."""

    def __init__(
        self, requested: _RequestedKernels, sizes: Sequence[int], shapes: Shapes, names: Mapping[nn.Module, str]
    ) -> None:
        self.choices: dict[str, dict[int, Kernel]] = {}
        self.reasons: dict[str, dict[int, str]] = {}
        self._requested, self._sizes, self._shapes, self._names = requested, sizes, shapes, names
        self._weights: dict[tuple[int, int, bool], Weights] = {}
        self._used: dict[Weights, set[Kernel]] = {}
        self._done: dict[nn.Module, nn.Module | None] = {}

    def chains(self, traced: fx.GraphModule) -> None:
        """Replace the chains of Linear layers in a graph."""
        for number, stretches in enumerate(tracing.stretches(traced, self._shapes)):
            nodes = [node for stretch in stretches for node in stretch.nodes]
            has_reader = any(user.op != "output" for user in nodes[-1].users)  # a view() may follow
            tracing.replace(traced, nodes, self._chain(stretches, contiguous=has_reader), f"chain_{number}")

    def replacement(self, module: nn.Module, *, contiguous: bool) -> nn.Module | None:
        """The replacement of a single Linear or Conv; None if it stays."""
        if module not in self._done:
            name = self._names[module]
            if isinstance(module, nn.Linear):
                self._done[module] = self._chain([Stretch(name, module, [])], contiguous=contiguous)
            else:
                self._done[module] = self._patches(name, module)
        return self._done[module]

    def drop_unused(self) -> None:
        """Drop the forms of each weight that no chosen kernel needs."""
        for weights, kernels in self._used.items():
            weights.keep(kernels)

    def _chain(self, stretches: Sequence[Stretch], *, contiguous: bool) -> Chain:
        chain = Chain([self._layer(stretch) for stretch in stretches], self._sizes, contiguous=contiguous)
        self.choices |= chain.choices
        self.reasons |= chain.reasons
        for layer, kernels in zip(chain.layers, zip(*chain.plans, strict=True), strict=True):
            self._used.setdefault(layer.weights, set()).update(kernels)  # type: ignore[arg-type]
        return chain

    def _layer(self, stretch: Stretch) -> ChainLayer:
        linear, after = stretch.linear, list(stretch.after)
        weight, bias = linear.weight.detach(), None if linear.bias is None else linear.bias.detach()
        allowed = self._requested.allowed(stretch.name, weight.dtype)
        normed = any(isinstance(step, nn.BatchNorm1d) for step in after)
        key = (id(linear.weight), 0, any(set(kernels) - {"dense"} for kernels in allowed))
        scale = None
        if after and isinstance(norm := after[0], nn.BatchNorm1d):  # directly after the layer: folded into its weights
            after, key = after[1:], (key[0], id(norm), key[2])
            scale, shift = _scale_and_shift(norm)
            bias = shift if bias is None else torch.addcmul(shift, bias, scale)
        if key not in self._weights:
            scaled = weight if scale is None else weight * scale[:, None]
            self._weights[key] = Weights(scaled, tuple({k: None for plan in allowed for k in plan}), stretch.name)
        steps: list[Affine | Callable[[Tensor], Tensor]] = [
            Affine(*_scale_and_shift(step)) if isinstance(step, nn.BatchNorm1d) else step for step in after
        ]
        return ChainLayer(stretch.name, self._weights[key], bias, steps, allowed, flat=normed)

    def _patches(self, name: str, conv: nn.Module) -> nn.Module | None:
        weight: Tensor = conv.weight  # type: ignore[assignment]
        refused = refusal(conv)
        allowed = self._requested.allowed(name, weight.dtype, refused)
        kernels: KernelPlan = tuple({k: None for plan in allowed for k in plan})
        self.choices[name] = dict.fromkeys(self._sizes, "dense")
        self.reasons[name] = dict.fromkeys(self._sizes, f"this layer {refused}" if refused else NO_CHOICE)
        if kernels == ("dense",):
            return None
        image = self._shapes.get(conv)
        if image is None and "dense" in kernels and all("dense" in plan for plan in allowed):
            self.reasons[name] = dict.fromkeys(
                self._sizes, "not measured: that takes an example, convert(model, example)"
            )
            return None
        key = (id(weight), 0, True)
        if key not in self._weights:
            self._weights[key] = Weights(weight.reshape(len(weight), -1), kernels, name)
        patches = PatchConv2d(name, conv, self._weights[key], self._sizes)  # type: ignore[arg-type]
        patches.choose(allowed, image[-3:] if image else None)
        self.reasons |= patches.reasons
        used = set(patches.kernels)
        if used == {"dense"}:
            return None
        self.choices |= patches.choices
        if "dense" not in used:
            patches.conv = None
        self._used.setdefault(patches.weights, set()).update(used - {"dense"})
        return patches


def _scale_and_shift(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Factor and offset per feature of a batch norm in eval mode."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight.detach().double()
    shift = -norm.running_mean.double() * scale
    shift = shift if norm.bias is None else shift + norm.bias.detach().double()
    return scale.to(norm.running_mean.dtype), shift.to(norm.running_mean.dtype)


def _single_chain(traced: fx.GraphModule) -> nn.Module:
    """The only chain of ``traced`` if the graph contains nothing else, else ``traced``."""
    match list(traced.graph.nodes):
        case [fx.Node(op="placeholder"), fx.Node(op="call_module") as call, fx.Node(op="output") as output]:
            module = traced.get_submodule(str(call.target))
            if isinstance(module, Chain) and output.args[0] is call:
                return module
    return traced


def _inputs(example: Example, model: nn.Module) -> Inputs:
    try:
        return Inputs.of(example, model)
    except ValueError as error:
        raise ConvertError(str(error)) from error


def _checked(batches: Iterable[int]) -> tuple[int, ...]:
    sizes = tuple(batches)
    if not sizes or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sizes):
        raise ConvertError(f"batches = {sizes}: must be whole numbers of at least 1, such as (1, 64)")
    return tuple(sorted(set(sizes)))


def _kernel(kernel: str) -> Kernel:
    for known in KERNELS:
        if kernel == known:
            return known
    hint = "; for 2:4 weights on a GPU see to_2_4()" if kernel == "2:4" else ""
    raise ConvertError(f"kernel = {kernel!r}: must be one of {', '.join(KERNELS)}{hint}")


def _size(n: object, sizes: Sequence[int]) -> int:
    """A batch size among the requested choices, where JSON has turned integer keys into strings."""
    for size in sizes:
        if str(n) == str(size):
            return size
    raise ConvertError(f"batch size {n!r} is none of those to be measured, {sizes}; see batches=")
