"""Traces a model for inference, and finds the chains of Linear layers in it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain as chain_iterables
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from prunelab.errors import ConvertError, first_line
from prunelab.formatting import did_you_mean, layer_of
from prunelab.inputs import Inputs
from prunelab.pruning import layers, wrappers
from prunelab.pruning.copies import copied
from prunelab.pruning.layers import identity, linear_and_conv
from prunelab.pruning.reparametrisation import check_not_pruned
from prunelab.sparse.inference import agreement

Shapes = Mapping[nn.Module, tuple[int, ...]]  # of the first input of each module

_ELEMENTWISE = {
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish),
    *(nn.Hardtanh, nn.Hardsigmoid, nn.Hardshrink, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.LogSigmoid),
    *(nn.Softshrink, nn.Tanhshrink, nn.Threshold, nn.Identity),
}
_RELUS = {F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_"}
_FUNCTIONS = {
    *(F.relu6, F.leaky_relu, F.elu, F.selu, F.celu, F.gelu, F.silu, F.mish, F.hardswish, F.hardtanh, F.hardsigmoid),
    *(F.sigmoid, F.tanh, F.softplus, F.softsign, F.logsigmoid, torch.sigmoid, torch.tanh, torch.abs, torch.clamp),
}
_METHODS = {"sigmoid", "sigmoid_", "tanh", "tanh_", "abs", "clamp"}
_DROPOUTS = {F.dropout, F.dropout1d, F.alpha_dropout, F.feature_alpha_dropout}
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True)
class Call:
    """An elementwise function or method with its other arguments."""

    function: Callable[..., Tensor]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def __call__(self, x: Tensor) -> Tensor:
        return self.function(x, *self.args, **self.kwargs)


@dataclass(frozen=True)
class Stretch:
    """A Linear layer of a chain and the batch norms and elementwise steps after it. nodes: the layer's and theirs."""

    name: str
    linear: nn.Linear
    nodes: list[fx.Node]
    after: list[nn.BatchNorm1d | Callable[[Tensor], Tensor]] = field(default_factory=list)


def skeleton(model: nn.Module) -> nn.Module:
    """A copy of the module tree, in eval mode, that shares all parameters with ``model``.

    Buffers are copies: a model may write into its own as it runs. Compiled and parallel parts are replaced by the
    modules inside: compiled code would run past what is replaced.
    Raises ConvertError for a model that cannot be copied, as any under torch.nn.utils.prune.
    """
    if reason := wrappers.uncopied_forward(model):
        raise ConvertError(reason)
    memo: dict[int, Any] = {id(parameter): parameter for parameter in model.parameters()}
    memo |= {id(buffer): buffer.detach().clone() for buffer in model.buffers()}
    try:
        check_not_pruned(model)
        twin = copied(model, memo).eval()
    except Exception as error:  # copying runs the model's code, which can raise anything
        raise ConvertError(f"{type(model).__name__} cannot be copied: {error}") from error
    wrappers.unwrap_parts(twin)
    return twin


def weighted(model: nn.Module) -> dict[str, nn.Module]:
    """Every Linear and Conv by the parameter name of its weight; shared modules appear under each name.

    Raises ConvertError for weights that are computed from other parameters, or have no shape yet.
    """
    try:
        return {name: module for name, module, _ in linear_and_conv(model)}
    except ValueError as error:
        raise ConvertError(str(error)) from None


def modules(model: nn.Module) -> dict[str, nn.Module]:
    """``weighted``, but whatever the weights are."""
    return {place.name: place.module for place in layers.places(model) if place.kind in (layers.LINEAR, layers.CONV)}


def is_plain(module: nn.Module) -> bool:
    """Whether this is a Linear or Conv that can be replaced: torch's forward, and no hooks or forward of its own."""
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    has_torch_forward = any(isinstance(module, kind) and type(module).forward is kind.forward for kind in kinds)
    return has_torch_forward and not _hooked(module)


def places(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """(parent, attribute, module) of each plain Linear or Conv whose weights only its own forward reads.

    Skips torch's attention and transformer modules, which read the weights of their layers directly.
    """
    for attribute, child in model._modules.items():
        if child is None:
            continue
        if is_plain(child):
            yield model, attribute, child
        elif isinstance(child, _CONTAINERS) or not type(child).__module__.startswith("torch.nn"):
            yield from places(child)


def run(twin: nn.Module, inputs: Inputs) -> tuple[Any, Shapes]:
    """The outputs for ``inputs``, and the input shape of each module; ConvertError if ``twin`` cannot run.

    A copy of it runs: models may remember what they have seen.
    """
    trial = skeleton(twin)
    input_shapes: dict[nn.Module, tuple[int, ...]] = {}

    def remember(name: str, _: nn.Module, args: tuple[Any, ...]) -> None:
        if args and isinstance(args[0], Tensor):
            input_shapes[twin.get_submodule(name)] = tuple(args[0].shape)

    for name, module in trial.named_modules():
        module.register_forward_pre_hook(functools.partial(remember, name))
    try:
        with torch.no_grad():
            return inputs.cloned().run(trial), input_shapes
    except Exception as error:  # the model's code can raise anything
        raise ConvertError(f"the example ({inputs}) does not pass through the model: {first_line(error)}") from error


def trace(twin: nn.Module, inputs: Inputs | None) -> fx.GraphModule | None:
    """``twin`` as a graph, or None if the graph might behave differently.

    That is the case if control flow depends on data or on optional arguments, if a module other than a leaf has hooks,
    or if the graph gives another result for ``inputs``, also when it is run again: it may have lost what the model
    remembers. Without these a model of one's own is compared on a made-up batch, where its first layer says what that
    looks like; else there is no graph. Copies are run, ``twin`` is not.
    """
    parameters = inspect.signature(twin.forward).parameters.values()
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(p.kind not in plain or p.default is not p.empty for p in parameters):
        return None
    probe = skeleton(twin)
    try:
        graph = _Tracer().trace(probe)
    except Exception:  # tracing runs the model's code, which can raise anything
        return None
    leaves = {twin.get_submodule(str(node.target)) for node in graph.nodes if node.op == "call_module"}
    if any(_hooked(module) for module in twin.modules() if module not in leaves):
        return None
    # Tensors that the model made while it was traced are the probe's.
    parts = {
        str(n.target): _part(twin, probe, str(n.target)) for n in graph.nodes if n.op in ("call_module", "get_attr")
    }
    try:
        traced = fx.GraphModule(parts, graph, type(twin).__name__).eval()
    except (SyntaxError, TypeError, ValueError):  # it can have no layer called "class", "graph", or with a quote
        return None
    if inputs is None and _straight(twin):
        return traced
    inputs = inputs or _made_up(twin, graph)
    if inputs is None:
        return None
    try:
        ours, theirs = skeleton(traced), skeleton(twin)
        with torch.no_grad():
            runs = [(inputs.cloned().run(ours), inputs.cloned().run(theirs)) for _ in range(2)]
    except Exception:  # the model's code, too
        return None
    return traced if all(agreement.same(found, expected) for found, expected in runs) else None


def _part(twin: nn.Module, probe: nn.Module, target: str) -> Any:
    for root in (twin, probe):
        try:
            return functools.reduce(getattr, target.split("."), root)
        except AttributeError:
            continue
    raise AssertionError(target)


def _straight(model: nn.Module) -> bool:
    """Whether a graph cannot differ: torch's own modules, one after another."""
    if type(model) is nn.Sequential:
        return all(map(_straight, model))
    return type(model).__module__.startswith("torch.nn")


def _made_up(twin: nn.Module, graph: fx.Graph) -> Inputs | None:
    """Many samples, so that most of what survives is in use; None where no Linear layer says how large they are."""
    called = [twin.get_submodule(str(node.target)) for node in graph.nodes if node.op == "call_module"]
    first = next((layer for layer in called if isinstance(layer, nn.Linear | _ConvNd)), None)
    if not isinstance(first, nn.Linear) or sum(node.op == "placeholder" for node in graph.nodes) != 1:
        return None
    generator = torch.Generator().manual_seed(0)
    return Inputs((torch.randn(256, first.in_features, generator=generator, device="cpu").to(first.weight.dtype),), {})


def stretches(traced: fx.GraphModule, shapes: Shapes) -> list[list[Stretch]]:
    """The chains of a graph: Linear layers with only elementwise steps and batch norm between them."""
    modules = dict(traced.named_modules())
    taken: set[fx.Node] = set()
    chains = []
    for node in traced.graph.nodes:
        linear = _linear(node, modules)
        if node in taken or linear is None:
            continue
        chain = [Stretch(f"{node.target}.weight", linear, [node])]
        while len(node.users) == 1:
            (follower,) = node.users
            if not follower.args or follower.args[0] is not node or follower.all_input_nodes != [node]:
                break
            last = chain[-1]
            if (linear := _linear(follower, modules)) is not None and linear.weight.dtype == last.linear.weight.dtype:
                chain.append(Stretch(f"{follower.target}.weight", linear, []))
            elif (norm := _norm(follower, modules, last.linear, shapes)) is not None:
                last.after.append(norm)
            elif (step := _step(follower, modules)) is not None:
                last.after.extend(step)
            else:
                break
            chain[-1].nodes.append(follower)
            node = follower
        taken.update(node for stretch in chain for node in stretch.nodes)
        chains.append(chain)
    return chains


def replace(traced: fx.GraphModule, nodes: Sequence[fx.Node], module: nn.Module, name: str) -> None:
    """Replace ``nodes``, a straight line in the graph, by ``module``, called ``name`` or longer where that is taken."""
    while hasattr(traced, name):
        name += "_"
    traced.add_submodule(name, module)
    with traced.graph.inserting_before(nodes[0]):
        call = traced.graph.call_module(name, (nodes[0].args[0],))
    nodes[-1].replace_all_uses_with(call)
    for node in reversed(nodes):
        traced.graph.erase_node(node)


def resolve(name: str, layers: Mapping[str, nn.Module]) -> str:
    """Parameter name for the name of a layer or a parameter; ConvertError if nothing matches.

    name: may have the prefixes of wrappers around the model.
    """
    inside = wrappers.plain(name)
    for known in (name, inside, inside.removeprefix(f"{wrappers.PARALLEL}.")):
        for candidate in (known, f"{known}.weight"):
            if candidate in layers:
                return next(first for first, module in layers.items() if module is layers[candidate])
    raise ConvertError(f"{name!r} matches no Linear or Conv layer; {did_you_mean(name, [*map(layer_of, layers)])}")


def own(network: nn.Module, model: nn.Module) -> None:
    """Replace tensors that ``network`` shares with ``model`` by copies that do not require gradients."""
    shared = {t.untyped_storage().data_ptr() for t in chain_iterables(model.parameters(), model.buffers())}
    copies: dict[Any, nn.Parameter] = {}

    def own_copy(tensor: Tensor) -> nn.Parameter | None:
        if tensor.untyped_storage().data_ptr() not in shared:
            return None
        key = identity(tensor)
        if key not in copies:
            copies[key] = nn.Parameter(tensor.detach().clone(), requires_grad=False)
        return copies[key]

    for module in network.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and (replacement := own_copy(parameter)) is not None:
                module._parameters[name] = replacement
        for name, buffer in module._buffers.items():
            if buffer is not None and (replacement := own_copy(buffer)) is not None:
                module._buffers[name] = replacement.detach()


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return is_plain(m) or super().is_leaf_module(m, module_qualified_name)


def _linear(node: fx.Node, modules: Mapping[str, nn.Module]) -> nn.Linear | None:
    module = modules.get(str(node.target)) if node.op == "call_module" else None
    fits = isinstance(module, nn.Linear) and is_plain(module) and len(node.args) == 1 and not node.kwargs
    return module if fits else None  # type: ignore[return-value]


def _norm(node: fx.Node, modules: Mapping[str, nn.Module], linear: nn.Linear, shapes: Shapes) -> nn.BatchNorm1d | None:
    """The batch norm that a node calls, if it acts on the features of ``linear`` only."""
    module = modules.get(str(node.target)) if node.op == "call_module" else None
    if type(module) is not nn.BatchNorm1d or module.running_mean is None or _hooked(module):
        return None
    same = module.num_features == linear.out_features and module.running_mean.dtype == linear.weight.dtype
    return module if same and len(shapes.get(module, (0, 0))) == 2 else None


def _step(node: fx.Node, modules: Mapping[str, nn.Module]) -> list[Callable[[Tensor], Tensor]] | None:
    """An elementwise node as a list of zero or one steps; None for other nodes."""
    rest, kwargs = tuple(node.args[1:]), dict(node.kwargs)
    if node.op == "call_module":
        module = modules[str(node.target)]
        if _hooked(module) or rest or kwargs:
            return None
        if isinstance(module, _DropoutNd) and type(module).__module__.startswith("torch.nn"):
            return []
        if type(module) is nn.PReLU:
            return [module] if module.num_parameters == 1 else None
        if type(module) not in _ELEMENTWISE:
            return None
        return [] if type(module) is nn.Identity else [torch.relu_ if type(module) is nn.ReLU else module]
    target: Any = node.target
    if node.op not in ("call_function", "call_method"):
        return None
    if target in _RELUS:
        return [torch.relu_]
    if target in _DROPOUTS:
        bound = inspect.signature(target).bind(*node.args, **kwargs)
        bound.apply_defaults()
        return None if bound.arguments["training"] else []
    if target in _FUNCTIONS:
        return [Call(target, rest, kwargs)]
    return [Call(getattr(Tensor, target), rest, kwargs)] if target in _METHODS else None


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks) or wrappers.replaced_forward(module)
