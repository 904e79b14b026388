"""In which order a model's modules run, and which of its layers give the network's outputs.

Registration tells neither: modules may be registered in any order, and run in another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor, fx, nn

from prunelab.torch_state import alone, evaluating


def execution(model: nn.Module, example: Tensor | None = None) -> list[str]:
    """Names of the leaf modules in the order in which they run, once for each time they run.

    Found by one forward pass of ``example`` (a batch), or, without an example, by tracing the model symbolically.
    Raises ValueError when the model cannot be traced without an example.
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
    """Of the layers with ``weights`` those whose neurons are the network's outputs, by parameter name.

    weights: every name of a prunable weight -> its canonical name (another one for tied weights), as registered.
    From the outputs backwards along the model's graph: a layer is one of these if no other comes after it. Where the
    model cannot be traced, the one layer that runs last on ``example``; without an example, the one registered last.
    """
    try:
        graph = _graph(model)
    except ValueError:
        ran = [] if example is None else [weights.get(_own(name)) for name in execution(model, example)]
        return frozenset([([name for name in ran if name] or list(weights.values()))[-1]])
    return _last(graph, weights) or frozenset([list(weights.values())[-1]])


def _last(graph: fx.Graph, weights: Mapping[str, str]) -> frozenset[str]:
    """The layers that are met first on the way back from the graph's outputs."""
    found: set[str] = set()
    seen: set[fx.Node] = set()
    ahead: list[fx.Node] = [node for node in graph.nodes if node.op == "output"]
    while ahead:
        node = ahead.pop()
        if node in seen:
            continue
        seen.add(node)
        name = _weight_of(node, weights)
        if name is None:
            ahead += node.all_input_nodes
        else:
            found.add(name)
    return frozenset(found)


def _weight_of(node: fx.Node, weights: Mapping[str, str]) -> str | None:
    """The weight that a node multiplies by: a layer's own, or one that a function such as F.linear is given."""
    if node.op == "call_module":
        return weights.get(_own(str(node.target)))
    given: Collection[fx.Node] = node.all_input_nodes if node.op == "call_function" else ()
    return next((weights[str(n.target)] for n in given if n.op == "get_attr" and str(n.target) in weights), None)


def _own(module: str) -> str:
    return f"{module}.weight" if module else "weight"


def _graph(model: nn.Module) -> fx.Graph:
    try:
        with alone():
            return fx.Tracer().trace(model)  # symbolic_trace has no room for a layer that is called "code" or "graph"
    except Exception as error:  # tracing runs the model's own code: anything can come out of it
        raise ValueError(
            f"{type(model).__name__} cannot be traced without data ({error}); "
            "give example=, a batch of its input, or owners={dropout: layer}"
        ) from error
