"""Effective connections of a masked network: those on some path from its input to its output.

The model's graph (torch.fx) runs once forward and once backward over zeros and ones. Each layer uses its mask instead
of its weights, and no bias; other operations follow ``path_rules``. A one means, forward, that a path from the input
ends here and, backward, that a path to the output begins here. A connection is effective if its mask keeps it and its
gradient is positive. The result is exact for every graph whose operations are known.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch.nn.modules.conv import _ConvNd
from torch.utils._pytree import tree_leaves, tree_map

from prunelab.errors import WiringError, first_line
from prunelab.inputs import Example, Inputs
from prunelab.pruning import hooks, path_rules, wrappers
from prunelab.pruning.copies import copied
from prunelab.pruning.layers import CONV, EMBEDDING, LINEAR, Place, transposed
from prunelab.pruning.ranking import count
from prunelab.pruning.selection import Names
from prunelab.results.counts import Counted
from prunelab.torch_state import own_types

FLOW = torch.float32  # the type of masks and paths, whatever torch's default or the model's type is
NOT_AVAILABLE = "effective density is not available for this model"
WITH_PATHS = (LINEAR, CONV, EMBEDDING)  # kinds of layers whose connections are counted


@dataclass(frozen=True)
class LayerReach(Counted):
    """One layer: ``kept`` of ``total`` connections are on a path; ``dead`` of its neurons (filters) are on none."""

    kept: int
    total: int
    neurons: int
    dead: int


@dataclass(frozen=True)
class Effective(Counted):
    """Effective connections of a network. layers: by parameter name."""

    layers: Mapping[str, LayerReach]

    @property
    def kept(self) -> int:
        """Connections on some path from the input to the output."""
        return sum(layer.kept for layer in self.layers.values())

    @property
    def total(self) -> int:
        """Connections of the dense network."""
        return sum(layer.total for layer in self.layers.values())

    @property
    def dead(self) -> int:
        """Neurons and filters with no path from the input or none to the output."""
        return sum(layer.dead for layer in self.layers.values())


class _Weight(NamedTuple):
    """groups: of a transposed convolution, whose neurons are the second dimension; None for other layers.

    words_first: an embedding, whose neurons (features) are the second dimension.
    """

    shape: torch.Size
    groups: int | None
    words_first: bool

    def neurons(self, effective: Tensor) -> Tensor:
        """Whether each neuron has an effective connection."""
        if self.words_first:
            return effective.any(dim=0)
        if self.groups is None:
            return effective.flatten(1).any(dim=1)
        parts = effective.reshape(self.groups, -1, effective.shape[1], effective[0, 0].numel())
        return parts.any(dim=3).any(dim=1).flatten()


@dataclass(frozen=True)
class _Shape:
    """In place of an input tensor."""

    sizes: torch.Size


class Wiring:
    """The graph of a model, from ``trace``. It holds no weights, so it stays valid while the model trains.

    Not thread-safe: use it from one thread at a time.
    """

    def __init__(
        self,
        bare: nn.Module,
        graph: fx.Graph,
        names: Mapping[str, str],
        weights: Mapping[str, _Weight],
        inputs: list[Any],
    ) -> None:
        self._bare = bare  # the model's structure, without weights
        self._graph = graph
        self._names = names  # name of a weight, tied ones included -> name of its mask
        self._weights = weights
        self._inputs = inputs  # values in the order of the graph's placeholders, with a _Shape for each tensor

    def effective(self, masks: Mapping[str, Tensor]) -> Effective:
        """Effective connections under ``masks``: booleans by parameter name, True where kept, such as a ``Masks``.

        Layers without a mask count as dense and are not reported. Tied weights count once, and are effective if any of
        their uses is. Connections of an embedding lead from a word to a feature. Raises WiringError for masks of
        another network, and of weights whose paths are not known.
        """
        factors = self._factors(masks)
        total = self._run(factors)
        layers = {}
        for name, gradient in zip(masks, _gradients(total, [factors[name] for name in masks]), strict=True):
            effective = (gradient > 0) & masks[name]
            alive = self._weights[name].neurons(effective)
            layers[name] = LayerReach(
                kept=count(effective),
                total=effective.numel(),
                neurons=len(alive),
                dead=len(alive) - count(alive),
            )
        return Effective(layers)

    def _factors(self, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Masks as float32 tensors that require gradients; ones for layers without a mask."""
        for name, mask in masks.items():
            if name not in self._weights:
                known = ", ".join(self._weights)
                raise WiringError(f"{name!r} is no layer of this model; there are: {known} (with paths that are known)")
            given, needed = tuple(mask.shape), tuple(self._weights[name].shape)
            if mask.dtype != torch.bool or given != needed:
                raise WiringError(f"mask {name} is {mask.dtype} of shape {given}; needed: torch.bool of shape {needed}")
        device = next((mask.device for mask in masks.values()), torch.device("cpu"))
        with torch.inference_mode(False):
            return {
                name: (
                    masks[name].to(FLOW, copy=True) if name in masks else _ones(weight.shape, device)
                ).requires_grad_()
                for name, weight in self._weights.items()
            }

    def _run(self, factors: Mapping[str, Tensor]) -> Tensor:
        device = next(iter(factors.values())).device
        with torch.inference_mode(False), torch.enable_grad(), own_types():
            flow = _Flow(self._bare, self._graph, factors, self._names)
            given = tree_map(lambda x: _ones(x.sizes, device) if isinstance(x, _Shape) else x, self._inputs)
            outputs = tree_leaves(flow.run(*given))
            return torch.stack([out.sum() for out in outputs if isinstance(out, Tensor)]).sum()


def _ones(sizes: torch.Size, device: torch.device) -> Tensor:
    return torch.ones(sizes, dtype=FLOW, device=device)


def trace(model: nn.Module, example: Example) -> Wiring:
    """The wiring of ``model`` in eval mode. The model is not changed, and its weights are not kept.

    Do not call this while another thread runs a model: torch.fx patches ``nn.Module`` itself for the milliseconds of
    tracing.

    Args:
        model: Any module with Linear or Conv layers, or embeddings.
        example: A batch of its input: a tensor, a tuple of arguments, or a dict of arguments by name. Of tensors only
            the shapes matter.

    Raises:
        WiringError: torch.fx cannot trace the model (control flow that depends on data), the paths through an operation
            are unknown (such as the product of two activations in attention, or an LSTM), a weight is computed from
            others, or the example does not fit.
    """
    before, inside = wrappers.prefix(model), wrappers.unwrapped(model)
    inputs = Inputs.of(example, inside)
    known = Names(model)
    parameters = {name: _checked(place) for name, place in known.places.items() if place.kind in WITH_PATHS}
    if not parameters:
        raise WiringError(f"{NOT_AVAILABLE}: no Linear or Conv layer, there is nothing to prune")
    names = {full.removeprefix(before): name for full, name in known.canonical.items() if name in parameters}
    groups = transposed(model, parameters)
    weights = {
        name: _Weight(p.shape, groups.get(name), known.places[name].kind is EMBEDDING) for name, p in parameters.items()
    }
    bare, graph, values = _traced(inside, inputs)
    # All samples of a batch have the same paths: one is enough, unless the model hard-codes its batch size.
    for sizes in (lambda x: x[:1].shape if x.dim() > 1 else x.shape, lambda x: x.shape):
        shapes = tree_map(lambda x, sizes=sizes: _Shape(sizes(x)) if isinstance(x, Tensor) else x, values)
        wiring = Wiring(bare, graph, names, weights, shapes)
        try:
            wiring._run(wiring._factors({}))
        except WiringError:
            raise
        except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as error:
            failure = error
        else:
            return wiring
    raise WiringError(f"{NOT_AVAILABLE} with an example of shape {inputs}: {first_line(failure)}") from failure


def _checked(place: Place) -> nn.Parameter:
    try:
        return place.checked()
    except ValueError as error:
        raise WiringError(f"{NOT_AVAILABLE}: {error}") from error


def _traced(model: nn.Module, inputs: Inputs) -> tuple[nn.Module, fx.Graph, list[Any]]:
    """The structure of ``model``, its graph, and the values of the graph's placeholders, in their order."""
    for name, module in model.named_modules():
        if wrappers.replaced_forward(module):  # torch.fx looks at the classes
            words = f"{name or type(module).__name__}, whose forward was replaced,"
            raise WiringError(f"{NOT_AVAILABLE}: how paths run through {words} is not known")
    whole = [name for name, module in model.named_modules() if not name or fx.Tracer().is_leaf_module(module, name)]
    # Copy only the structure: it needs no memory, and can be in eval mode while another thread trains the model.
    memo: dict[int, Any] = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=p.requires_grad)
        for p in model.parameters()
    }
    try:
        changed = hooks.changing(model, whole, inputs)  # torch.fx sees those of other modules, between their operations
        bare = copied(model, memo).eval()
        for name in whole:
            hooks.remove(bare.get_submodule(name))
        given = inputs.by_name(bare)
        parameters = inspect.signature(bare.forward).parameters.values()
        fixed = {p.name: p.default for p in parameters if p.name not in given and p.default is not p.empty}
        fixed |= {name: value for name, value in given.items() if not any(map(torch.is_tensor, tree_leaves(value)))}
        # Not symbolic_trace: a GraphModule cannot have a layer called "code" or "graph".
        graph = fx.Tracer().trace(bare, concrete_args=fixed or None)
        values: list[Any] = []
        for p in parameters:
            if p.kind is p.VAR_KEYWORD and p.name in given:
                raise TypeError(f"{', '.join(given[p.name])}: given as **{p.name}")
            if p.kind is p.VAR_POSITIONAL:
                values += given.get(p.name, ())
            elif p.kind is not p.VAR_KEYWORD:
                values.append(given.get(p.name, fixed.get(p.name)))
    except Exception as error:  # tracing runs the model's code, which can raise anything
        raise WiringError(f"{NOT_AVAILABLE}: {type(model).__name__} cannot be traced ({first_line(error)})") from error
    if changed is not None:
        words = f"{changed or type(model).__name__}, whose activations are changed by a forward hook,"
        raise WiringError(f"{NOT_AVAILABLE}: how paths run through {words} is not known")
    for module in bare.modules():
        if isinstance(module, nn.Linear | _ConvNd):
            module.register_parameter("bias", None)  # a bias is not a path from the input
    return bare, graph, values


def _gradients(total: Tensor, tensors: list[Tensor]) -> Iterable[Tensor]:
    if not tensors or not total.requires_grad:
        return [torch.zeros_like(t) for t in tensors]
    gradients = torch.autograd.grad(total, tensors, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(tensors, gradients, strict=True)]


@dataclass(frozen=True, eq=False)
class _Constant:
    """A parameter or buffer: no path leads to it. name: of its mask, if it is a layer's weight."""

    value: Tensor
    name: str | None


class _Flow(fx.Interpreter):
    """Runs the graph over zeros and ones."""

    def __init__(
        self, bare: nn.Module, graph: fx.Graph, factors: Mapping[str, Tensor], names: Mapping[str, str]
    ) -> None:
        super().__init__(bare, graph=graph)
        self.extra_traceback = False
        self._factors = factors
        self._names = names
        self._device = next(iter(factors.values())).device
        self._node: fx.Node | None = None

    def run_node(self, n: fx.Node) -> Any:
        self._node = n
        return super().run_node(n)

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        value, name = self.fetch_attr(target), self._names.get(target)
        if not isinstance(value, Tensor):
            return value
        return _Constant(value if name is None else self._factors[name], name)

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        module: Any = self.fetch_attr(target)
        if isinstance(module, nn.Embedding):
            return self._embedded(self._factors[self._names[f"{target}.weight"]], *args, **kwargs)
        name = self._names.get(f"{target}.weight") if isinstance(module, nn.Linear | _ConvNd) else None
        if name is None:
            return self._apply_rule(path_rules.MODULES.get(type(module)), module, type(module).__name__, args, kwargs)
        y = torch.func.functional_call(module, {"weight": self._factors[name]}, args, kwargs)
        return path_rules.ones(y)

    def _embedded(self, factor: Tensor, input: Tensor | _Constant) -> Tensor:
        """Each feature of a word; which word it will be is not known, so it may be any. Positions are no input."""
        if isinstance(input, _Constant):
            return torch.zeros(*input.value.shape, factor.shape[1], device=self._device)
        return path_rules.ones(input.unsqueeze(-1) * factor.sum(0))

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        if target in path_rules.LAYERS and len(args) > 1 and isinstance(args[1], _Constant):
            x, weight, *rest = args
            mask = weight.value if weight.name else _ones(weight.value.shape, self._device)
            options = {key: value for key, value in kwargs.items() if key != "bias"}
            return path_rules.ones(target(x, mask, None, *rest[1:], **options))
        return self._call(
            target, path_rules.FUNCTIONS.get(target), getattr(target, "__name__", str(target)), args, kwargs
        )

    def call_method(self, target: Any, args: Any, kwargs: Any) -> Any:
        return self._call(
            getattr(Tensor, target, None), path_rules.METHODS.get(target), f"Tensor.{target}", args, kwargs
        )

    def _call(self, function: Any, rule: path_rules.Rule | None, what: str, args: Any, kwargs: Any) -> Any:
        if any(isinstance(leaf, Tensor) for leaf in tree_leaves((args, kwargs))):
            return self._apply_rule(rule, function, what, args, kwargs)
        # Not on a path: sizes, positions, parameters. Computed with real values, but masks may only be moved.
        constants = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, _Constant)]
        name = next((constant.name for constant in constants if constant.name), None)
        if name and rule is not path_rules.as_is:
            raise self._unknown(f"{what} of the weights {name}")
        result = function(*map_aggregate(args, _unwrap_constant), **map_aggregate(kwargs, _unwrap_constant))
        return _Constant(result, name) if isinstance(result, Tensor) else result

    def _apply_rule(self, rule: path_rules.Rule | None, operation: Any, what: str, args: Any, kwargs: Any) -> Any:
        if rule is None:
            raise self._unknown(what)
        kwargs = dict(kwargs)
        for first in ("input", "tensors"):  # the latter of cat and stack
            if first in kwargs:
                args = (kwargs.pop(first), *args)
        if rule not in path_rules.OF_ALL and any(isinstance(x, Tensor) for x in tree_leaves((args[1:], kwargs))):
            raise self._unknown(f"the later arguments of {what}")
        args, kwargs = map_aggregate(args, self._to_paths), map_aggregate(kwargs, self._to_paths)
        try:
            return rule(operation, *args, **kwargs)
        except path_rules.UnknownPath as unknown:
            raise self._unknown(f"{what} {unknown}") from unknown

    def _to_paths(self, value: Any) -> Any:
        """Constants carry no path, so floats become zeros; integers may be indices and keep their values."""
        if not isinstance(value, _Constant):
            return value
        if value.name:
            raise self._unknown(f"arithmetic with the weights {value.name}")
        if value.value.is_floating_point():
            return torch.zeros(value.value.shape, dtype=FLOW, device=self._device)
        return value.value.to(self._device)

    def _unknown(self, what: str) -> WiringError:
        node = self._node
        place = str(node.target) if node is not None and node.op == "call_module" else f"step {node} of the graph"
        return WiringError(f"{NOT_AVAILABLE}: how paths run through {what} ({place}) is not known")


def _unwrap_constant(value: Any) -> Any:
    return value.value if isinstance(value, _Constant) else value
