"""Removes dead neurons and filters: a smaller dense network with the same outputs.

A neuron without a path from the input still emits a constant (relu(bias), the shift of a batch norm); before it is
removed, its contribution is folded into the bias of the layers that read it. Torch-Pruning finds the channels that must
go together (residual additions, batch norm, flattening; see ``removal``). The wiring, and constants observed in the
running model, decide which may go (``layer_facts``). A network is returned only after its outputs were compared.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prunelab.errors import CompactError, first_line
from prunelab.inputs import Example, Inputs, leaves_in, tensors_in
from prunelab.pruning import criteria, model_state, wrappers
from prunelab.pruning.copies import copied
from prunelab.pruning.masks import Masks
from prunelab.pruning.reparametrisation import check_not_pruned
from prunelab.pruning.selection import LEFT_OUT
from prunelab.sparse.compaction import layer_facts, removal
from prunelab.torch_state import own_types

# Largest output difference, as a fraction of the largest output: the order of summation changes.
TOLERANCE = {
    **{torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1},
    **{torch.complex128: 1e-9, torch.complex64: 1e-4},
}


@dataclass(frozen=True)
class Trimmed:
    """Numbers of removed and remaining neurons (filters) of one layer."""

    removed: int
    left: int


@dataclass(frozen=True)
class Compaction:
    """What ``compact`` did.

    layers: by parameter name, in the model's order. stayed: reasons, by layer, why dead neurons remain.
    parameters_before, parameters_after: number of values in all parameters, biases included.
    """

    layers: Mapping[str, Trimmed]
    stayed: Mapping[str, str]
    parameters_before: int
    parameters_after: int

    @property
    def removed(self) -> int:
        """Removed neurons and filters, in all layers."""
        return sum(layer.removed for layer in self.layers.values())


@dataclass(frozen=True)
class _Flags:
    """Which modules of a model are in training mode, and which of its parameters are trained, by name."""

    training: Mapping[str, bool]
    trained: Mapping[str, bool]

    @classmethod
    def of(cls, model: nn.Module) -> _Flags:
        return cls(
            {path: module.training for path, module in model.named_modules()},
            {name: parameter.requires_grad for name, parameter in model.named_parameters()},
        )

    def restore(self, model: nn.Module) -> None:
        for path, module in model.named_modules():
            module.training = self.training[path]
        for name, parameter in model.named_parameters():
            weight_name = name.removesuffix(".bias") + ".weight"  # the weight of a bias that folding created
            parameter.requires_grad_(self.trained.get(name, self.trained.get(weight_name, True)))


def compact(model: nn.Module, example: Example) -> nn.Module:
    """A copy of ``model`` without dead neurons and filters; its outputs are those of ``model`` in eval mode.

    Cut connections are the zeros in the weights of Linear and Conv layers. The network's inputs and outputs stay, and
    at least one neuron per layer. On the example and on a shuffled example, no output differs by more than 1e-4 of the
    largest (float32; 1e-9 in float64, 2e-2 in float16, 1e-1 in bfloat16).

    Args:
        model: Any module; it is not changed. Its control flow may depend on sizes and data: the example decides it. Of
            a wrapper (torch.compile, DataParallel), the model inside is compacted.
        example: A batch of input (a tensor, a tuple of arguments, or a dict of arguments by name), of the shape that
            the model will be used with.

    Returns:
        The copy. Its parameters are new, so that an optimizer of ``model`` does not train them. Its attribute
        ``compaction`` (a ``Compaction``) says what was removed, and which dead neurons stay and why.

    Raises:
        CompactError: The model has nothing to prune, cannot be copied or run on the example, writes into views, has
            weights or outputs that are not finite, gives different outputs each time, or would give others without its
            dead neurons.
    """
    model = wrappers.unwrapped(model)
    try:
        inputs = Inputs.of(example, model)
    except ValueError as error:
        raise CompactError(str(error)) from error
    if not inputs.tensors:
        raise CompactError(f"example is a {type(example).__name__}, and shows no tensor to compare outputs with")
    # Parameters copied in inference mode could not be trained; under autocast outputs would be too coarse to compare.
    with torch.inference_mode(False), own_types():
        return _compacted(model, inputs.cloned())


def _compacted(model: nn.Module, inputs: Inputs) -> nn.Module:
    dense = _copied(model)
    flags = _Flags.of(dense)
    dense.eval()
    probes, expected = _probes(dense, inputs)
    if not all(torch.isfinite(out).all() for out in expected[0]):
        raise CompactError("the model's outputs on the example are not finite: there is nothing to compare with")
    if not _agree(dense, probes, expected):
        raise CompactError(
            "the model answers differently each time, even in eval mode: it has a dropout that is always on, or keeps "
            "a state from call to call"
        )
    layers = layer_facts.layers(dense, inputs, lambda: _outputs(dense, inputs))
    plan = _plan(dense, inputs, layers)
    folded = _folded(dense, layers, plan)
    small, refused = removal.operate(folded, inputs, plan.cuts, lambda trial: _agree(trial, probes, expected))
    if not _agree(small, probes, expected):
        raise CompactError(f"{type(model).__name__} without its dead neurons would give other outputs")
    return _finish(small, model, flags, layers, plan, refused)


def _copied(model: nn.Module) -> nn.Module:
    """A copy without wrappers. CompactError if it cannot be copied, has nothing to prune, or has weights not finite."""
    if reason := (model_state.scripted(model) or model_state.without_values(model) or wrappers.uncopied_forward(model)):
        raise CompactError(reason)
    try:
        Masks(model)
        check_not_pruned(model)
    except ValueError as error:
        raise CompactError(str(error).removesuffix(LEFT_OUT)) from error
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and not parameter.numel():
            raise CompactError(
                f"{name} has no entries, shape {tuple(parameter.shape)}: take its layer out of the network"
            )
        if not criteria.finite(parameter):
            raise CompactError(f"{name} holds NaN or infinite weights: dead neurons cannot be determined")
    try:
        dense = copied(model)
    except Exception as error:  # copying runs the model's code, which can raise anything
        raise CompactError(f"{type(model).__name__} cannot be copied: {error}") from error
    wrappers.unwrap_parts(dense)
    return dense


def _probes(dense: nn.Module, inputs: Inputs) -> tuple[list[Inputs], list[list[Tensor]]]:
    """The example, and a shuffled one if the model takes it (token ids and lengths may allow no other order)."""
    shuffled = inputs.mapped(_shuffled)
    expected = _outputs(dense, inputs)
    try:
        return [inputs, shuffled], [expected, _outputs(dense, shuffled)]
    except CompactError:
        return [inputs], [expected]


def _outputs(model: nn.Module, inputs: Inputs) -> list[Tensor]:
    try:
        with torch.no_grad():
            outputs = inputs.cloned().run(model)
    except Exception as error:  # the model's code can raise anything
        raise CompactError(f"the model cannot run on an example of shape {inputs}: {first_line(error)}") from error
    once = next((leaf for leaf in leaves_in(outputs) if isinstance(leaf, Iterator)), None)
    if once is not None:
        raise CompactError(
            f"the model gives a {type(once).__name__}, which can be read only once: let it give a list or a tuple"
        )
    tensors = tensors_in(outputs)
    if not tensors:
        raise CompactError(f"the model gives a {type(outputs).__name__} that shows no tensor to compare")
    return [out.clone() for out in tensors]


def _shuffled(x: Tensor) -> Tensor:
    """The same values in another order: a second valid input."""
    order = torch.randperm(x.numel(), generator=torch.Generator().manual_seed(0), device="cpu").to(x.device)
    return x.flatten()[order].view_as(x)


def _agree(model: nn.Module, probes: list[Inputs], expected: list[list[Tensor]]) -> bool:
    """Whether ``model`` gives the expected outputs for all probes, within TOLERANCE."""
    for probe, expected_outputs in zip(probes, expected, strict=True):
        try:
            outputs = _outputs(model, probe)
        except CompactError:
            return False
        if len(outputs) != len(expected_outputs) or not all(map(_close, outputs, expected_outputs)):
            return False
    return True


def _close(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    tolerance = TOLERANCE.get(b.dtype)
    if tolerance is None or b.numel() == 0:
        return torch.equal(a, b)
    finite = b[torch.isfinite(b)]
    largest = float(finite.abs().max()) if finite.numel() else 0.0
    return torch.allclose(a, b, rtol=0, atol=tolerance * largest, equal_nan=True)


def _plan(dense: nn.Module, inputs: Inputs, layers: Mapping[str, layer_facts.LayerFacts]) -> removal.RemovalPlan:
    try:
        return removal.plan(dense, inputs, layers)
    except Exception as error:  # Torch-Pruning runs the model's code, and fails in many ways
        raise CompactError(f"Torch-Pruning cannot follow {type(dense).__name__}: {first_line(error)}") from error


def _folded(dense: nn.Module, layers: Mapping[str, layer_facts.LayerFacts], plan: removal.RemovalPlan) -> nn.Module:
    """A copy of full size that no longer reads the channels to be removed."""
    folded = copy.deepcopy(dense)
    modules = dict(folded.named_modules())
    for cut in plan.cuts:
        for name, columns in cut.columns.items():
            layer_facts.fold(modules[layers[name].path], layers[name], columns, cut.carriers.get(name, {}))
    return folded


def _finish(
    small: nn.Module,
    model: nn.Module,
    flags: _Flags,
    layers: Mapping[str, layer_facts.LayerFacts],
    plan: removal.RemovalPlan,
    refused: list[removal.Removal],
) -> nn.Module:
    """Restore the original's modes and requires_grad on the copy, and attach the Compaction."""
    flags.restore(small)
    stayed = {name: set(reasons.values()) for name, reasons in plan.stayed.items() if reasons}
    for cut in refused:
        for name in cut.rows:
            stayed.setdefault(name, set()).add("the model's code counts on its size")
    modules: dict[str, Any] = dict(small.named_modules())
    trimmed = {}
    for name, layer in layers.items():
        remaining = layer_facts.neurons(modules[layer.path])
        trimmed[name] = Trimmed(removed=len(layer.reached) - remaining, left=remaining)
    result: Any = small
    result.compaction = Compaction(
        layers=trimmed,
        stayed={name: "; ".join(sorted(reasons)) for name, reasons in stayed.items()},
        parameters_before=sum(p.numel() for p in model.parameters()),
        parameters_after=sum(p.numel() for p in small.parameters()),
    )
    return small
