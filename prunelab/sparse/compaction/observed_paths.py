"""Paths through a model, observed in one run of it: which channels depend on the input, and which outputs on them.

Beside every tensor of the run goes one of zeros and ones, its flow: a one means that a path from the input ends in this
element; backward, that a path to the output begins there. Layers pass flows on through the non-zero weights alone,
known operations by ``path_rules``. Any other operation mixes: all it gives depends on all it gets. A tensor that came
about unseen (in TorchScript, NumPy, C++) depends on all that went before. That may find a path where there is none, but
never misses one. As the model's own code runs, its control flow may depend on sizes and data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from prunelab.errors import CompactError
from prunelab.inputs import Inputs, tensors_in
from prunelab.pruning import path_rules

FLOW = torch.float32
LAYERS: Mapping[Any, int] = {
    **path_rules.LAYERS,
    **{F.conv_transpose1d: 1, F.conv_transpose2d: 2, F.conv_transpose3d: 3},
}  # number of dimensions after the channels
REFLECTED = {f"r{name}": name for name in ("add", "div", "mul", "pow", "sub", "truediv")}  # 2 * x calls Tensor.__rmul__
# Of a tensor these take the size and type alone.
NO_VALUES = (
    *(f"{name}_like" for name in ("empty", "full", "ones", "rand", "randn", "zeros")),
    *(f"new_{name}" for name in ("empty", "full", "ones", "zeros")),
)
# By these numbers leave torch, and nobody sees what becomes of them.
NUMBERS = ("__array__", "__complex__", "__dlpack__", "__float__", "item", "numpy", "tolist")
IN_PLACE = tuple(f"i{name}" for name in ("add", "div", "mul", "pow", "sub", "truediv"))  # x += y calls Tensor.__iadd__


class Use(NamedTuple):
    """One call of a layer, as boolean tensors.

    fed: per input channel, whether a path from the input ends there. reached: the same per neuron. needed: per neuron,
    whether a path to the output begins there.
    """

    fed: Tensor
    reached: Tensor
    needed: Tensor


class _Call(NamedTuple):
    name: str
    x: Tensor
    y: Tensor
    spatial: int


def uses(model: nn.Module, inputs: Inputs, names: Mapping[int, str]) -> dict[str, list[Use]]:
    """The calls of each layer in one run of ``model`` (in eval mode), by the name of its weight.

    names: {identity of a weight: its name}. Raises CompactError if the model writes into parts of a tensor, whose flow
    is then not known, and whatever the model raises.
    """
    with torch.inference_mode(False), torch.no_grad():
        observed = _Observed(names, model)
        given = inputs.cloned()
        for x in given.tensors:
            observed.set(x, torch.ones(x.shape, dtype=FLOW, device=x.device))
        with observed:
            outputs = given.run(model)
        ends = [flow for x in tensors_in(outputs) if (flow := observed.get(x)) is not None] + observed.numbers
    found: dict[str, list[Use]] = {name: [] for name in names.values()}
    for call, gradient in zip(observed.calls, _gradients(ends, [call.y for call in observed.calls]), strict=True):
        flows = (call.x, call.y, gradient)
        found[call.name].append(Use(*(_by_channel(flow, call.spatial) for flow in flows)))
    return found


def _gradients(ends: list[Tensor], tensors: list[Tensor]) -> Iterable[Tensor]:
    total = sum((end.sum() for end in ends), torch.zeros((), dtype=FLOW, device="cpu"))
    if not tensors or not total.requires_grad:
        return [torch.zeros_like(t) for t in tensors]
    gradients = torch.autograd.grad(total, tensors, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(tensors, gradients, strict=True)]


def _by_channel(flow: Tensor, spatial: int) -> Tensor:
    return (flow.detach().movedim(-1 - spatial, 0).flatten(1) > 0).any(1)


class _Observed(TorchFunctionMode):
    """Keeps the flow of each tensor that depends on the input, and records the calls of layers.

    numbers: flows of the numbers that left torch. All that comes later may use them, and the outputs may hold them.
    """

    def __init__(self, names: Mapping[int, str], model: nn.Module) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self.numbers: list[Tensor] = []
        self._names = names
        # By identity, with the tensor, so that none is used twice. A constant has none.
        self._flows: dict[int, tuple[Tensor, Tensor | None]] = {}
        self._constant([vars(module) for module in model.modules()])

    def set(self, tensor: Tensor, flow: Tensor) -> Tensor:
        if self.numbers:
            flow = path_rules.ones(flow + torch.stack(self.numbers).sum())
        self._flows[id(tensor)] = tensor, flow
        return flow

    def get(self, tensor: Tensor) -> Tensor | None:
        known = self._flows.get(id(tensor))
        if known is None:
            with torch.enable_grad():
                return self.set(tensor, _mixed([flow for _, flow in self._flows.values() if flow is not None], tensor))
        return known[1]

    def _constant(self, values: Any) -> None:
        for x in tree_leaves(values):
            if isinstance(x, Tensor):
                self._flows.setdefault(id(x), (x, None))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        flows = [flow for x in leaves if isinstance(x, Tensor) and (flow := self.get(x)) is not None] + self.numbers
        result = func(*args, **kwargs)
        name = func.__name__
        layer = LAYERS.get(func)
        weight = args[1] if len(args) > 1 else kwargs.get("weight")
        if name in NO_VALUES or (not flows and (layer is None or id(weight) not in self._names)):
            self._constant(result)
            return result
        with torch.enable_grad():
            if name in NUMBERS and leaves[0].is_floating_point():  # whole numbers are sizes, places and choices
                self.numbers = [_mixed(flows, torch.zeros((), device="cpu"))]
            elif layer is not None and isinstance(weight, nn.Parameter):
                self._layer(func, layer, args, kwargs, weight, result)
            elif name == "__setitem__":
                self._written(args[0], _mixed(flows, args[0]))
            else:
                self._pass_on(func, name, args, kwargs, flows, result)
        return result

    def _layer(self, func: Any, spatial: int, args: Any, kwargs: Any, weight: nn.Parameter, result: Tensor) -> None:
        given = dict(zip(("input", "weight", "bias"), args, strict=False)) | kwargs
        x, rest = given.pop("input"), args[3:]
        flow = self._flow_of(x)
        given = {name: value for name, value in given.items() if name not in ("weight", "bias")}
        factor = (weight.detach() != 0).to(FLOW).requires_grad_()  # so that what the layer gives has a gradient
        y = path_rules.ones(func(flow, factor, None, *rest, **given))
        y = self.set(result, y)
        if (name := self._names.get(id(weight))) is not None:
            self.calls.append(_Call(name, flow, y, spatial))

    def _pass_on(
        self, func: Any, name: str, args: Any, kwargs: dict[str, Any], flows: list[Tensor], result: Any
    ) -> None:
        outputs = [x for x in tree_leaves(result) if isinstance(x, Tensor)]
        passed = self._by_rule(func, name, args, kwargs, outputs)
        for output, flow in zip(outputs, passed or [_mixed(flows, x) for x in outputs], strict=True):
            if any(output is x for x in tree_leaves((args, kwargs))):
                self._written(output, flow)
            else:
                self.set(output, flow)

    def _by_rule(
        self, func: Any, name: str, args: Any, kwargs: dict[str, Any], outputs: list[Tensor]
    ) -> list[Tensor] | None:
        """Flows of the outputs by the rule of an operation; None if it has none, or does not fit here."""
        rule = _rule(func, name)
        kwargs = dict(kwargs)
        if "input" in kwargs:
            args = (kwargs.pop("input"), *args)
        later = [x for x in tree_leaves((args[1:], kwargs)) if isinstance(x, Tensor) and self.get(x) is not None]
        if rule is None or (later and rule not in path_rules.OF_ALL):
            return None
        value = self._flow_or_zeros if rule is path_rules.join else self._flow_or_value
        args, kwargs = tree_map(value, args), tree_map(value, kwargs)
        try:
            flows = tree_leaves(rule(func, *args, **kwargs))
        except (path_rules.UnknownPath, RuntimeError, TypeError, ValueError, IndexError):
            return None  # an option or a type that the rule is not made for: the operation is taken to mix
        shapes = [f.shape if isinstance(f, Tensor) else None for f in flows]
        return flows if shapes == [x.shape for x in outputs] else None

    def _written(self, tensor: Tensor, flow: Tensor) -> None:
        """The flow of a tensor that was changed in place."""
        before = self.get(tensor)
        if tensor._is_view() and (before is None or bool((flow.detach() > before.detach()).any())):
            raise CompactError(
                "the model writes into a part of a tensor (a view) in place: which channels then depend on the input "
                "cannot be seen; write out of place, as with torch.cat"
            )
        self.set(tensor, flow)

    def _flow_of(self, x: Tensor) -> Tensor:
        flow = self.get(x)
        return torch.zeros(x.shape, dtype=FLOW, device=x.device) if flow is None else flow

    def _flow_or_value(self, value: Any) -> Any:
        """Constants carry no path: zeros; but integers may be indices, and keep their values."""
        integer = isinstance(value, Tensor) and self.get(value) is None and not value.is_floating_point()
        return value if integer else self._flow_or_zeros(value)

    def _flow_or_zeros(self, value: Any) -> Any:
        return self._flow_of(value) if isinstance(value, Tensor) else value


def _rule(func: Any, name: str) -> Callable[..., Any] | None:
    if name == "__get__":  # an attribute: x.T moves, x.data is x
        return path_rules.elementwise if func == Tensor.data.__get__ else path_rules.as_is  # type: ignore[attr-defined]
    if name == "embedding":
        return _embedding
    plain = name.strip("_")
    plain = REFLECTED.get(plain, plain[1:] if plain in IN_PLACE else plain)
    return path_rules.RULES.get(plain)


def _embedding(_: Any, tokens: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return tokens.unsqueeze(-1).expand(*tokens.shape, weight.shape[1])


def _mixed(flows: list[Tensor], like: Tensor) -> Tensor:
    """The flow of something that depends on all of ``flows``."""
    total = torch.stack([flow.sum().to(like.device) for flow in flows]).sum()
    return path_rules.ones(total).expand(like.shape)
