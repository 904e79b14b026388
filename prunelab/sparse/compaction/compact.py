"""A smaller dense network without dead neurons and filters, and with the same outputs.

A neuron to which no path leads from the input still emits a constant (relu(bias), the shift of a batch norm): what it
adds to those that read it is folded into their bias before it goes. What must go together (residual additions, batch
norm, flattening) is Torch-Pruning's to find (``surgery``); what may go is decided by the wiring and by constants read
off the running model (``facts``); and no network is given back before its outputs were compared.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from prunelab.errors import CompactError, WiringError
from prunelab.pruning.effective import NOT_AVAILABLE, Example
from prunelab.pruning.masks import Masks
from prunelab.sparse.compaction import layer_facts, removal

# How far outputs may move, as a fraction of the largest: sums are taken in another order.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}


@dataclass(frozen=True)
class Trimmed:
    """Neurons (filters) of one layer: how many are gone and how many are left."""

    removed: int
    left: int


@dataclass(frozen=True)
class Compaction:
    """What ``compact`` did. layers: by parameter name, in the model's order. stayed: for each layer with dead neurons
    that are still there, why. parameters_before, parameters_after: numbers in all parameters, biases included.
    """

    layers: Mapping[str, Trimmed]
    stayed: Mapping[str, str]
    parameters_before: int
    parameters_after: int

    @property
    def removed(self) -> int:
        """Neurons and filters that are gone, in all layers."""
        return sum(layer.removed for layer in self.layers.values())


def compact(model: nn.Module, example: Example) -> nn.Module:
    """A copy of ``model`` without dead neurons and filters; its outputs are those of ``model`` in eval mode.

    Works from the zeros in the weights of Linear and Conv layers. example: a batch of input, or a tuple of several
    inputs, of the shape the model will see. The network's inputs and outputs stay, and so does at least one neuron a
    layer. What else stays though it is dead, and why, stands in ``compacted.compaction``.
    On the example and on a shuffled example, no output differs by more than 1e-4 of the largest (float32; 1e-9 in
    float64, 2e-2 in float16, 1e-1 in bfloat16). Parameters are new: an optimizer of ``model`` is none of the copy's.
    Raises CompactError for models that cannot be traced, whose weights or outputs are not finite, that answer
    differently each time, or that cannot run on the example. ``model`` is untouched.
    """
    inputs = example if isinstance(example, tuple) else (example,)
    if not inputs or not all(isinstance(x, Tensor) for x in inputs):
        raise CompactError(f"example is a {type(example).__name__}: must be a tensor, or a tuple of tensors")
    with torch.inference_mode(False):  # copies made in it could not learn
        return _compacted(model, tuple(x.clone() for x in inputs))


def _compacted(model: nn.Module, inputs: tuple[Tensor, ...]) -> nn.Module:
    dense = _copied(model)
    probes = (inputs, tuple(_shuffled(x) for x in inputs))
    expected = [_outputs(dense, probe) for probe in probes]
    if not all(torch.isfinite(out).all() for out in expected[0]):
        raise CompactError("the model's outputs on the example are not finite: there is nothing to compare with")
    if not _agree(dense, probes, expected):
        raise CompactError("the model answers differently each time, even in eval mode (dropout that is always on?)")
    layers = _facts(dense, inputs)
    plan = _plan(dense, inputs, layers)
    folded = _folded(dense, layers, plan)
    small, refused = removal.operate(folded, inputs, plan.cuts, lambda trial: _agree(trial, probes, expected))
    if not _agree(small, probes, expected):
        raise CompactError(f"{type(model).__name__} without its dead neurons would give other outputs")
    return _finish(small, model, layers, plan, refused)


def _copied(model: nn.Module) -> nn.Module:
    """A copy in eval mode. CompactError if there can be none, if there is nothing to prune, or for NaN weights."""
    try:
        Masks(model)
    except ValueError as error:
        raise CompactError(str(error)) from error
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise CompactError(f"{name} holds NaN or infinite weights: which neurons are dead cannot be told")
    try:
        return copy.deepcopy(model).eval()
    except Exception as error:  # copying runs the model's own code: anything can come out of it
        raise CompactError(f"{type(model).__name__} cannot be copied: {error}") from error


def _outputs(model: nn.Module, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    try:
        with torch.no_grad():
            outputs = model(*(x.clone() for x in inputs))
    except Exception as error:  # the model's own code: anything can come out of it
        sizes = " and ".join(str(tuple(x.shape)) for x in inputs)
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CompactError(f"the model cannot run on an example of shape {sizes}: {reason}") from error
    return [out.clone() for out in tree_leaves(outputs) if isinstance(out, Tensor)]


def _shuffled(x: Tensor) -> Tensor:
    """The same numbers at other places: a second input, of a kind that the model can read."""
    order = torch.randperm(x.numel(), generator=torch.Generator().manual_seed(0)).to(x.device)
    return x.flatten()[order].view_as(x)


def _agree(model: nn.Module, probes: tuple[tuple[Tensor, ...], ...], expected: list[list[Tensor]]) -> bool:
    """Whether ``model`` gives the expected outputs for each of the probes, within TOLERANCE."""
    for probe, wanted in zip(probes, expected, strict=True):
        try:
            outputs = _outputs(model, probe)
        except CompactError:
            return False
        if len(outputs) != len(wanted) or not all(map(_close, outputs, wanted)):
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


def _facts(dense: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, layer_facts.LayerFacts]:
    try:
        return layer_facts.layers(dense, inputs, lambda: _outputs(dense, inputs))
    except WiringError as error:
        reason = str(error).removeprefix(NOT_AVAILABLE).lstrip(": ")
        raise CompactError(f"{type(dense).__name__} cannot be compacted: {reason}") from error


def _plan(
    dense: nn.Module, inputs: tuple[Tensor, ...], layers: Mapping[str, layer_facts.LayerFacts]
) -> removal.RemovalPlan:
    try:
        return removal.plan(dense, inputs, layers)
    except Exception as error:  # Torch-Pruning runs the model's own code, and gives up in many ways
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CompactError(f"Torch-Pruning cannot follow {type(dense).__name__}: {reason}") from error


def _folded(dense: nn.Module, layers: Mapping[str, layer_facts.LayerFacts], plan: removal.RemovalPlan) -> nn.Module:
    """A copy that no longer reads what is to go, at its full size."""
    folded = copy.deepcopy(dense)
    modules = dict(folded.named_modules())
    for cut in plan.cuts:
        for name, columns in cut.columns.items():
            layer_facts.fold(modules[layers[name].path], layers[name], columns, cut.carriers.get(name, {}))
    return folded


def _finish(
    small: nn.Module,
    model: nn.Module,
    layers: Mapping[str, layer_facts.LayerFacts],
    plan: removal.RemovalPlan,
    refused: list[removal.Removal],
) -> nn.Module:
    """Give the copy the original's modes and the report."""
    learning = {name: p.requires_grad for name, p in model.named_parameters()}
    for name, parameter in small.named_parameters():
        beside = name.removesuffix(".bias") + ".weight"  # a bias that came with folding
        parameter.requires_grad_(learning.get(name, learning.get(beside, True)))
    modes = {path: module.training for path, module in model.named_modules()}
    for path, module in small.named_modules():
        module.training = modes[path]
    stayed = {name: set(reasons.values()) for name, reasons in plan.stayed.items() if reasons}
    for cut in refused:
        for name in cut.rows:
            stayed.setdefault(name, set()).add("the model's code counts on its size")
    modules: dict[str, Any] = dict(small.named_modules())
    trimmed = {}
    for name, layer in layers.items():
        left = layer_facts.neurons(modules[layer.path])
        trimmed[name] = Trimmed(removed=len(layer.reached) - left, left=left)
    report: Any = small
    report.compaction = Compaction(
        layers=trimmed,
        stayed={name: "; ".join(sorted(reasons)) for name, reasons in stayed.items()},
        parameters_before=sum(p.numel() for p in model.parameters()),
        parameters_after=sum(p.numel() for p in small.parameters()),
    )
    return small
