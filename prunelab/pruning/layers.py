"""The weights of a model that can have a mask: of which kinds of layers they are, and where they stand.

One named weight is one prunable: a Linear has one, an LSTM has two in each layer and direction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunelab.pruning import reparametrisation
from prunelab.pruning.reparametrisation import Computed
from prunelab.pruning.wrappers import unwrapped


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of layer. word: what it is called. weights: the attributes of its weights, without those it does not have.

    usual: masked unless excluded; others only where ``layers`` names them. neurons: each output belongs to one neuron,
    so that neurons can be cut whole. matrix: multiplied by the layer's input, each row with all inputs, as 2:4 needs.
    """

    modules: tuple[type[nn.Module], ...]
    word: str
    weights: Callable[[Any], tuple[str, ...]]
    usual: bool = True
    neurons: bool = False
    matrix: bool = False

    def __reduce__(self) -> tuple[Callable[[str], Kind], tuple[str]]:
        return _called, (self.word,)  # kinds are told apart by identity, in copies and pickles too


def _called(word: str) -> Kind:
    return next(kind for kind in KINDS if kind.word == word)


def _one(_: nn.Module) -> tuple[str, ...]:
    return ("weight",)


def _of_recurrence(module: nn.RNNBase) -> tuple[str, ...]:
    return tuple(name for name in module._flat_weights_names if name.startswith("weight"))


def _of_cell(_: nn.Module) -> tuple[str, ...]:
    return ("weight_ih", "weight_hh")


def _of_attention(module: nn.MultiheadAttention) -> tuple[str, ...]:
    apart = ("q_proj_weight", "k_proj_weight", "v_proj_weight")  # where queries, keys and values differ in size
    return ("in_proj_weight",) if module._qkv_same_embed_dim else apart


LINEAR = Kind((nn.Linear,), "a Linear layer", _one, neurons=True, matrix=True)
CONV = Kind((_ConvNd,), "a Conv layer", _one, neurons=True)
BILINEAR = Kind((nn.Bilinear,), "a Bilinear layer", _one, neurons=True)
RECURRENT = Kind((nn.RNNBase,), "a recurrent layer", _of_recurrence, matrix=True)
CELL = Kind((nn.RNNCellBase,), "a recurrent cell", _of_cell, matrix=True)
ATTENTION = Kind((nn.MultiheadAttention,), "the projections of attention", _of_attention, matrix=True)
EMBEDDING = Kind((nn.Embedding, nn.EmbeddingBag), "an Embedding", _one, usual=False)
KINDS = (LINEAR, CONV, BILINEAR, RECURRENT, CELL, ATTENTION, EMBEDDING)


@dataclass(frozen=True, eq=False)
class Place:
    """A weight at one place of a model; a tied weight stands at several.

    name: of the parameter. module, attribute: where it stands. kind: None for a module of no known kind. layers:
    further names: its module's and, for the output projection of attention, the attention's; none for modules of no
    known kind.
    """

    name: str
    module: nn.Module
    attribute: str
    kind: Kind | None
    layers: tuple[str, ...]

    @property
    def weight(self) -> nn.Parameter | None:
        """The parameter; None where the weight is computed from others."""
        return self.module._parameters.get(self.attribute)

    @property
    def sources(self) -> list[str]:
        """Full names of the parameters and buffers that the weight is computed from, if it is."""
        prefix = self.name.rpartition(".")[0]
        return [join(prefix, name) for name in reparametrisation.sources(self.module, self.attribute)]

    def checked(self) -> nn.Parameter:
        """The parameter; ValueError if it is computed from other parameters or has no shape yet."""
        if self.weight is None:
            raise ValueError(f"{self.name} {reparametrisation.described(self.module, self.attribute)}")
        if isinstance(self.weight, nn.parameter.UninitializedParameter):
            raise ValueError(f"{self.name} has no shape yet: run the model once first")
        return self.weight


def kind_of(module: nn.Module) -> Kind | None:
    """The kind of a layer; None for modules of no known kind."""
    return next((kind for kind in KINDS if isinstance(module, kind.modules)), None)


def places(model: nn.Module, released: Iterable[Computed] = ()) -> Iterator[Place]:
    """Every weight that can have a mask, in the model's order, shared modules under each of their names.

    Those of modules of no known kind are their matrices and parameters of more dimensions. Nothing is checked.
    released: weights under torch.nn.utils.prune that are taken as if they were parameters already.
    """
    origins = {(id(each.module), each.name): f"{each.name}_orig" for each in released}
    names = {(module, origin): name for (module, name), origin in origins.items()}
    modules = dict(model.named_modules(remove_duplicate=False))
    for prefix, module in modules.items():
        if isinstance(module, torch.jit.ScriptModule):  # its weights stand elsewhere
            continue
        kind = kind_of(module)
        if kind is None:
            for attribute, parameter in module._parameters.items():
                if parameter is not None and _is_matrix(parameter):
                    name = names.get((id(module), attribute), attribute)
                    yield Place(join(prefix, name), module, attribute, None, ())
            continue
        parent, _, called = prefix.rpartition(".")
        inside = called == "out_proj" and kind_of(modules[parent]) is ATTENTION
        for name in kind.weights(module):
            attribute = origins.get((id(module), name), name)
            yield Place(join(prefix, name), module, attribute, kind, (prefix, parent) if inside else (prefix,))


def _is_matrix(parameter: nn.Parameter) -> bool:
    lazy = isinstance(parameter, nn.parameter.UninitializedParameter)
    return not lazy and parameter.dim() >= 2 and (parameter.is_floating_point() or parameter.is_complex())


def linear_and_conv(model: nn.Module) -> Iterator[tuple[str, nn.Module, nn.Parameter]]:
    """(parameter name, layer, weight) of every Linear and Conv, shared modules under each of their names.

    Raises ValueError for weights that are computed from other parameters, or have no shape yet.
    """
    for place in places(model):
        if place.kind in (LINEAR, CONV):
            yield place.name, place.module, place.checked()


def at(model: nn.Module, name: str) -> nn.Parameter | None:
    """The model's parameter of this name; None if it has none. Parts may have been wrapped since they were named."""
    module: nn.Module | None = model
    *path, attribute = name.split(".")
    for step in path:
        if module is not None:
            module = module._modules[step] if step in module._modules else unwrapped(module)._modules.get(step)
    return None if module is None else unwrapped(module)._parameters.get(attribute)


def join(prefix: str, name: str) -> str:
    """The full name of a module's parameter."""
    return f"{prefix}.{name}" if prefix else name


def transposed(model: nn.Module, weights: Mapping[str, nn.Parameter]) -> dict[str, int]:
    """Groups of each transposed convolution among ``weights``, by name: these weights have their inputs first."""
    groups = {id(m.weight): m.groups for m in model.modules() if isinstance(m, _ConvNd) and m.transposed}
    return {name: groups[id(weight)] for name, weight in weights.items() if id(weight) in groups}


def identity(tensor: Tensor) -> Any:
    """The same for two tensors if and only if they are one in memory: tied weights have one identity."""
    place = tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()
    return *place, tensor.is_neg(), tensor.is_conj()
