"""The order in which a model's modules run, and the layers that give the network's outputs.

The order of registration shows neither: modules can be registered in one order and run in another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor, fx, nn

from prunelab.torch_state import evaluating, process_lock


def execution(model: nn.Module, example: Tensor | None = None) -> list[str]:
    """Names of the leaf modules in execution order, once per call.

    example: a batch for one forward pass; without it, the model is traced symbolically. Raises ValueError if the model
    cannot be traced without an example.
    """
    if example is None:
        return [str(node.target) for node in _graph(model).nodes if node.op == "call_module"]
    order: list[str] = []

    def recorder(name: str) -> Callable[..., None]:
        return lambda *_: order.append(name)

    leaves = [(name, module) for name, module in model.named_modules() if not any(module.children())]
    hooks = [module.register_forward_pre_hook(recorder(name)) for name, module in leaves]
    try:
        with evaluating(model), torch.no_grad():
            model(example)
    finally:
        for hook in hooks:
            hook.remove()
    return order


def outputs(model: nn.Module, weights: Mapping[str, str], example: Tensor | None = None) -> frozenset[str]:
    """Canonical names of the layers with ``weights`` whose neurons are the network's outputs.

    weights: each name of a prunable weight -> its canonical name (these differ for tied weights), in registration
    order. The graph is followed back from its outputs: a layer counts if no other layer follows it. If the model cannot
    be traced: the layer that runs last on ``example``, or, without an example, the one registered last.
    """
    try:
        graph = _graph(model)
    except ValueError:
        called = [] if example is None else [weights.get(_weight_name(name)) for name in execution(model, example)]
        return frozenset([([name for name in called if name] or list(weights.values()))[-1]])
    return _last_layers(graph, weights) or frozenset([list(weights.values())[-1]])


def _last_layers(graph: fx.Graph, weights: Mapping[str, str]) -> frozenset[str]:
    """The first layers met when following the graph back from its outputs."""
    outputs: set[str] = set()
    seen: set[fx.Node] = set()
    pending: list[fx.Node] = [node for node in graph.nodes if node.op == "output"]
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        name = _weight_of(node, weights)
        if name is None:
            pending += node.all_input_nodes
        else:
            outputs.add(name)
    return frozenset(outputs)


def _weight_of(node: fx.Node, weights: Mapping[str, str]) -> str | None:
    """The weight that a node multiplies by: its layer's, or the argument of a function such as F.linear."""
    if node.op == "call_module":
        return weights.get(_weight_name(str(node.target)))
    inputs: Collection[fx.Node] = node.all_input_nodes if node.op == "call_function" else ()
    return next((weights[str(n.target)] for n in inputs if n.op == "get_attr" and str(n.target) in weights), None)


def _weight_name(module: str) -> str:
    return f"{module}.weight" if module else "weight"


def _graph(model: nn.Module) -> fx.Graph:
    try:
        with process_lock():
            return fx.Tracer().trace(model)  # symbolic_trace cannot have a layer called "code" or "graph"
    except Exception as error:  # tracing runs the model's code, which can raise anything
        raise ValueError(
            f"{type(model).__name__} cannot be traced without data ({error}); "
            "give example=, a batch of its input, or owners={dropout: layer}"
        ) from error
