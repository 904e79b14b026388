"""Which layers stand next before a model's outputs and before its dropouts.

With an example the model runs once, and autograd's graph is followed back: that sees functions, attention and control
flow. Without one, torch.fx traces the model, where it can.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import fx, nn
from torch.nn import functional as F
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode

from prunelab.errors import first_line
from prunelab.inputs import Example, Inputs, tensors_in
from prunelab.pruning import wrappers
from prunelab.pruning.copies import copied
from prunelab.torch_state import process_lock, seeded

Node = TypeVar("Node")
Names = Mapping[str, str]  # each name of a weight -> the name that it is counted under (these differ for tied ones)

# What autograd calls operations that only move or cast a weight on its way to the operation that multiplies by it.
MOVES = tuple(
    f"{name}Backward0"
    for name in (
        *("Alias", "AsStrided", "Clone", "Expand", "Permute", "ReshapeAlias", "Select", "Slice", "Split", "Squeeze"),
        *("SplitWithSizes", "T", "ToCopy", "Transpose", "Unbind", "Unsqueeze", "UnsafeView", "View"),
    )
)
# Operations that shift, scale or append: a weight in them is no layer of its own.
BESIDE = ("add", "sub", "mul", "div", "truediv", "cat", "stack")
BESIDE_BACKWARD = tuple(f"{name.title()}Backward0" for name in BESIDE)
FUNCTIONS = (
    *(F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout),
    *(torch.dropout, torch.alpha_dropout, torch.feature_alpha_dropout),
)


@dataclass(frozen=True)
class Dataflow:
    """The weights that stand next before a place, with none of the others between: in the order in which they run.

    outputs: before the model's outputs. dropouts: before the first call of each dropout module that runs, by its name.
    """

    outputs: tuple[str, ...]
    dropouts: Mapping[str, tuple[str, ...]]


def dataflow(model: nn.Module, weights: Names, example: Example | None = None) -> Dataflow:
    """The flow through ``model``, in eval mode, past ``weights``; it is not changed.

    Raises ValueError, in words, if the model cannot run on the example or, without one, if it cannot be traced.
    """
    before, inside = wrappers.prefix(model), wrappers.unwrapped(model)
    names = {name.removeprefix(before): canonical for name, canonical in weights.items()}
    flow = _traced(inside, names) if example is None else _observed(inside, names, Inputs.of(example, inside))
    return Dataflow(flow.outputs, {before + name: weights for name, weights in flow.dropouts.items()})


def functional_dropouts(model: nn.Module, example: Example | None = None) -> list[float]:
    """Rates of the dropouts that ``model`` calls as functions rather than modules in training mode, each rate once.

    Raises ValueError as ``dataflow`` does.
    """
    model = wrappers.unwrapped(model)
    if example is not None:
        return _observed_dropouts(model, Inputs.of(example, model))
    rates: list[float] = []
    for node in graph(shadow(model).train()).nodes:
        if node.op == "call_function":
            rates += _rate(node.target, node.args, node.kwargs)
    return sorted(set(rates))


def shadow(model: nn.Module) -> nn.Module:
    """A copy of ``model`` in eval mode whose parameters share its values and require gradients; buffers are copies.

    Raises ValueError, in words, for a model that cannot be copied.
    """
    with torch.inference_mode(False):
        memo: dict[int, Any] = {
            id(p): nn.Parameter(p.detach(), requires_grad=p.is_floating_point()) for p in model.parameters()
        }
        try:
            return copied(model, memo).eval()
        except Exception as error:  # copying runs the model's code, which can raise anything
            raise ValueError(f"{type(model).__name__} cannot be copied: {first_line(error)}") from error


def graph(model: nn.Module) -> fx.Graph:
    """The graph of ``model`` by torch.fx; ValueError, in words, if it cannot be traced."""
    try:
        with process_lock():
            return fx.Tracer().trace(model)  # symbolic_trace cannot have a layer called "code" or "graph"
    except Exception as error:  # tracing runs the model's code, which can raise anything
        raise ValueError(
            f"{type(model).__name__} cannot be traced without data ({error}); "
            "give example=, a batch of its input, or owners={dropout: layer}"
        ) from error


def _observed(model: nn.Module, weights: Names, inputs: Inputs) -> Dataflow:
    twin = shadow(model)
    before: dict[str, Any] = {}

    def recorder(name: str) -> Callable[..., None]:
        def record(_: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
            before.setdefault(name, args[0] if args else kwargs["input"])

        return record

    for name, module in twin.named_modules():
        if isinstance(module, _DropoutNd):
            module.register_forward_pre_hook(recorder(name), with_kwargs=True)
    outputs = _run(twin, inputs)
    parameters = dict(twin.named_parameters(remove_duplicate=False))
    names = {id(parameters[name]): canonical for name, canonical in weights.items() if name in parameters}
    at = functools.partial(_weights_at, names)

    def nearest(value: Any) -> tuple[str, ...]:
        starts = [x.grad_fn for x in tensors_in(value) if x.grad_fn is not None]
        found = _nearest(starts, at, lambda fn: [child for child, _ in fn.next_functions if child is not None])
        return _in_order((fn._sequence_nr(), name) for fn, name in found)

    return Dataflow(nearest(outputs), {name: nearest(value) for name, value in before.items()})


def _weights_at(names: Mapping[int, str], fn: Any) -> list[str]:
    """The weights that an operation of autograd's graph multiplies by."""
    if fn.name() in (*MOVES, *BESIDE_BACKWARD):
        return []
    leaves = [_leaf(child) for child, _ in fn.next_functions]
    return [names[leaf] for leaf in leaves if leaf is not None and leaf in names]


def _leaf(fn: Any) -> int | None:
    """Identity of the parameter that a branch of autograd's graph consists of, moved or scaled; None for others."""
    while fn is not None and fn.name() in (*MOVES, "MulBackward0"):
        children = [child for child, _ in fn.next_functions if child is not None]
        if len(children) != 1:
            return None
        (fn,) = children
    return None if fn is None else id(getattr(fn, "variable", None))


def _traced(model: nn.Module, weights: Names) -> Dataflow:
    nodes = list(graph(model).nodes)
    modules = dict(model.named_modules())
    place = {node: number for number, node in enumerate(nodes)}
    inside: defaultdict[str, list[str]] = defaultdict(list)  # of each module: the weights in it, at any depth
    for name, canonical in weights.items():
        parts = name.split(".")
        for depth in range(len(parts)):
            inside[".".join(parts[:depth])].append(canonical)

    def at(node: fx.Node) -> list[str]:
        if node.op == "call_module":
            return inside[str(node.target)][-1:]
        if len(node.all_input_nodes) < 2 or getattr(node.target, "__name__", node.target) in BESIDE:
            return []
        sources = [_source(read) for read in node.all_input_nodes]
        return [weights[str(n.target)] for n in sources if n.op == "get_attr" and str(n.target) in weights]

    def nearest(start: fx.Node) -> tuple[str, ...]:
        found = _nearest(start.all_input_nodes, at, lambda node: node.all_input_nodes)
        return _in_order((place[node], name) for node, name in found)

    dropouts: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        name = str(node.target)
        if node.op == "call_module" and isinstance(modules[name], _DropoutNd):
            dropouts.setdefault(name, nearest(node))
    (output,) = (node for node in nodes if node.op == "output")
    return Dataflow(nearest(output), dropouts)


def _source(node: fx.Node) -> fx.Node:
    """Where a chain of operations on one value begins."""
    while node.op in ("call_function", "call_method") and len(node.all_input_nodes) == 1:
        (node,) = node.all_input_nodes
    return node


def _nearest(
    starts: Iterable[Node], weights_at: Callable[[Node], list[str]], inputs: Callable[[Node], Iterable[Node]]
) -> list[tuple[Node, str]]:
    """The first nodes with weights, and these, when a graph is followed back from ``starts``."""
    found: list[tuple[Node, str]] = []
    seen: set[Node] = set()
    pending = list(starts)
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        names = weights_at(node)
        found += [(node, name) for name in names]
        if not names:
            pending += inputs(node)
    return found


def _in_order(found: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    """Each name once, by its last place."""
    last: dict[str, int] = {}
    for place, name in sorted(found):
        last[name] = place
    return tuple(sorted(last, key=last.__getitem__))


def _run(model: nn.Module, inputs: Inputs) -> Any:
    try:
        # torch.fx patches all modules of the process while it traces, in whatever thread.
        with process_lock(), torch.inference_mode(False), torch.enable_grad():
            return inputs.cloned().run(model)
    except Exception as error:  # the model's code can raise anything
        raise ValueError(
            f"{type(model).__name__} cannot run on an example of shape {inputs}: {first_line(error)}"
        ) from error


class _FunctionsHeard(TorchFunctionMode):
    """Collects the rates of dropouts that are called as functions, outside of dropout modules."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.rates: list[float] = []
        self._inside = 0  # how many dropout modules are running
        for module in model.modules():
            if isinstance(module, _DropoutNd):
                module.register_forward_pre_hook(functools.partial(self._step, 1))
                module.register_forward_hook(functools.partial(self._step, -1))

    def _step(self, by: int, *_: Any) -> None:
        self._inside += by

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self._inside:
            self.rates += _rate(func, args, kwargs or {})
        return func(*args, **kwargs or {})


def _observed_dropouts(model: nn.Module, inputs: Inputs) -> list[float]:
    for training in (True, False):  # some models cannot train on an example: batch norm on one sample, losses inside
        twin = shadow(model).train(training)
        heard = _FunctionsHeard(twin)
        try:
            with seeded(0), heard:
                _run(twin, inputs)
        except ValueError:
            if not training:
                raise
        else:
            break
    return sorted(set(heard.rates))


def _rate(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[float]:
    """The rate of a dropout as a function: one above 0, or none."""
    if function in FUNCTIONS:
        rate = kwargs.get("p", args[1] if len(args) > 1 else 0.5)
    elif function is F.scaled_dot_product_attention:
        rate = kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0)
    else:
        return []
    return [float(rate)] if isinstance(rate, int | float) and rate > 0 else []
