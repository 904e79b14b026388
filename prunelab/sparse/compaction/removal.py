"""Removes neurons and all dependent channels from a model, with Torch-Pruning's dependency graph.

The graph shows which channels of which modules go together (residual additions, batch norm, flattening). It only
proposes: a channel is removed if every layer that reads it permits this (``layer_facts``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunelab.inputs import Inputs, tensors_in
from prunelab.pruning.copies import copied
from prunelab.sparse.compaction.layer_facts import LayerFacts

Rows = Mapping[str, set[int]]


@dataclass(frozen=True, eq=False)
class Removal:
    """Neurons ``rows[root]`` of layer ``root``, and the dependent neurons (rows) and input channels (columns) by layer.

    carriers: {layer: {removed input channel: channel that carries its constant instead}}.
    """

    root: str
    rows: Rows
    columns: Rows
    carriers: Mapping[str, Mapping[int, int]]


@dataclass(eq=False)
class RemovalPlan:
    """Cuts in the order of execution, and reasons why dead neurons stay, by layer and neuron."""

    cuts: list[Removal] = field(default_factory=list)
    stayed: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))


def plan(model: nn.Module, inputs: Inputs, layers: Mapping[str, LayerFacts]) -> RemovalPlan:
    """Plan what to remove from ``model``, without changing it. Torch-Pruning may raise any exception at the start.

    Where it fails later, only the layer stays that it could not follow (it knows no pixel shuffle, for example).
    """
    result = RemovalPlan()
    planner = _Planner(copied(model), inputs, layers)
    for name, layer in layers.items():
        dead = [i for i in layer.dead() if i not in planner.rows[name]]
        if not dead:
            continue
        try:
            cut, reasons = planner.cut(layer, dead)
        except Exception:  # Torch-Pruning fails in many ways, also by numbers of channels that are not there
            cut, reasons = None, dict.fromkeys(dead, "Torch-Pruning cannot follow what becomes of its channels")
        result.stayed[name] = reasons
        if cut is not None:
            result.cuts.append(cut)
            for other, rows in cut.rows.items():
                for row in rows & set(result.stayed[other]):
                    del result.stayed[other][row]
    return result


def operate(
    model: nn.Module, inputs: Inputs, cuts: Iterable[Removal], agrees: Callable[[nn.Module], bool]
) -> tuple[nn.Module, list[Removal]]:
    """A copy of ``model`` after ``cuts``, and the cuts that were left out because outputs would change.

    agrees: whether a copy still gives the expected outputs.
    """
    small = _attempt(model, inputs, cuts := list(cuts), [], agrees)
    if small is not None:
        return small, []
    small = model
    done: list[Removal] = []
    for cut in cuts:  # one by one, to find the ones that fail
        trial = _attempt(small, inputs, [cut], done, agrees)
        if trial is not None:
            small = trial
            done.append(cut)
    return small, [cut for cut in cuts if cut not in done]


def _attempt(
    model: nn.Module,
    inputs: Inputs,
    cuts: list[Removal],
    done: list[Removal],
    agrees: Callable[[nn.Module], bool],
) -> nn.Module | None:
    try:
        small = _after(model, inputs, cuts, done)
    except Exception:  # Torch-Pruning runs the model's code, and fails in many ways: the cut is refused
        return None
    return small if agrees(small) else None


def _after(model: nn.Module, inputs: Inputs, cuts: list[Removal], done: list[Removal]) -> nn.Module:
    """A copy of ``model`` after ``cuts``. done: cuts already applied to it."""
    small = copied(model)
    graph = dependencies(small, inputs)
    modules: dict[str, Any] = dict(small.named_modules())
    removed: defaultdict[str, set[int]] = defaultdict(set)
    for cut in done:
        _add(removed, cut.rows)
    for cut in cuts:
        module = modules[cut.root.rpartition(".")[0]]
        # Rows are numbered as in the original layer; removing earlier ones shifted the others.
        shifted = [row - sum(other < row for other in removed[cut.root]) for row in sorted(cut.rows[cut.root])]
        graph.get_pruning_group(module, graph.get_pruner_of_module(module).prune_out_channels, shifted).prune()
        _add(removed, cut.rows)
    return small


def dependencies(model: nn.Module, inputs: Inputs) -> Any:
    """Torch-Pruning's graph of ``model``; it needs autograd, so all parameters are set to require gradients."""
    from torch_pruning import DependencyGraph

    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.requires_grad_()
    with torch.inference_mode(False), torch.enable_grad():
        return DependencyGraph().build_dependency(
            model,
            inputs.cloned(),
            forward_fn=_run,
            verbose=False,
        )


def _run(model: nn.Module, inputs: Inputs) -> list[Tensor]:
    """The outputs, each after an extra operation, which shows that the layer before it feeds an output."""
    return [out * 1 for out in tensors_in(inputs.run(model)) if out.requires_grad]


def _add(sets: defaultdict[str, set[int]], added: Rows) -> None:
    for name, members in added.items():
        sets[name] |= members


class _Planner:
    """Plans cuts one by one. rows, columns: neurons and input channels planned for removal so far, by layer."""

    def __init__(self, model: nn.Module, inputs: Inputs, layers: Mapping[str, LayerFacts]) -> None:
        from torch_pruning.ops import OPTYPE as kinds

        self.rows: defaultdict[str, set[int]] = defaultdict(set)
        self.columns: defaultdict[str, set[int]] = defaultdict(set)
        self._layers = layers
        self._modules: dict[str, Any] = dict(model.named_modules())
        self._paths = {id(module): path for path, module in self._modules.items()}
        self._by_path = {layer.path: layer for layer in layers.values()}
        self._runs: defaultdict[int, int] = defaultdict(int)
        hooks = [m.register_forward_hook(self._count) for m in model.modules()]
        self._graph = dependencies(model, inputs)
        for hook in hooks:
            hook.remove()
        self._layer_kinds = (kinds.LINEAR, kinds.CONV, kinds.DEPTHWISE_CONV)
        self._plain_kinds = (kinds.BN, kinds.PRELU, kinds.CONCAT, kinds.RESHAPE, kinds.ELEMENTWISE)
        self._grouped = kinds.CONV  # unlike these, depthwise convolutions lose whole groups
        self._output = kinds.OUTPUT

    def _count(self, module: nn.Module, *_: Any) -> None:
        self._runs[id(module)] += 1

    def cut(self, root: LayerFacts, dead: list[int]) -> tuple[Removal | None, dict[int, str]]:
        """A cut of all ``dead`` neurons of ``root`` that can go (None if none), and reasons for those that stay."""
        unseen = self._modules[root.path] not in self._graph.module2node
        if root.frozen or unseen:
            return None, dict.fromkeys(dead, root.frozen or "no output depends on it by way of its gradient")
        reasons: dict[int, str] = {}
        borne: defaultdict[int, dict[str, int]] = defaultdict(dict)
        for item in self._group(root, dead):
            reader = self._reader(item.dep)
            for index, row in zip(item.idxs, item.root_idxs, strict=True):
                reason = self._refusal(item.dep, index, needed=root.needed[row])
                if reason:
                    reasons.setdefault(row, reason)
                elif reader is not None and reader.bears(index):
                    borne[row][reader.name] = index
        carrier = self._carrier({row: at for row, at in borne.items() if row not in reasons}, reasons)
        rows = [row for row in dead if row not in reasons]
        while rows:
            group = self._group(root, rows)
            left_out = self._left_out(rows, group)
            if not left_out:
                cut = self._as_cut(root, group, {row: borne[row] for row in rows if row in borne}, carrier)
                _add(self.rows, cut.rows)
                _add(self.columns, cut.columns)
                return cut, reasons
            reasons |= left_out
            rows = [row for row in rows if row not in left_out]
        return None, reasons

    def _carrier(self, borne: Mapping[int, Mapping[str, int]], reasons: dict[int, str]) -> Mapping[str, int]:
        """The neuron that stays and carries the constants of the others that end at a border: {reader: its channel}."""
        if not borne:
            return {}

        def smallest(row: int) -> float:
            return min(abs(self._layers[name].constants[index]) for name, index in borne[row].items())

        chosen = max(borne, key=lambda row: (len(borne[row]), smallest(row)))
        for row, at in borne.items():
            if row == chosen or not at.keys() <= borne[chosen].keys():
                reasons[row] = self._layers[next(iter(at))].bordered()
        return borne[chosen]

    def _group(self, root: LayerFacts, rows: list[int]) -> Any:
        module = self._modules[root.path]
        return self._graph.get_pruning_group(module, self._graph.get_pruner_of_module(module).prune_out_channels, rows)

    def _layer(self, dep: Any) -> LayerFacts | None:
        return self._by_path.get(self._paths.get(id(dep.target.module), ""))

    def _reader(self, dep: Any) -> LayerFacts | None:
        """The layer whose input channels ``dep`` removes, or None."""
        return self._layer(dep) if dep.target.type in self._layer_kinds and self._reads(dep) else None

    def _reads(self, dep: Any) -> bool:
        """Whether ``dep`` removes inputs only; False for depthwise convolutions, which lose outputs with them."""
        pruner = self._graph.get_pruner_of_module(dep.target.module)
        return bool(dep.handler == pruner.prune_in_channels and dep.handler != pruner.prune_out_channels)

    def _refusal(self, dep: Any, index: int, *, needed: bool) -> str | None:
        node = dep.target
        path = self._paths.get(id(node.module))
        if node.type == self._output:
            return "it is an output of the network"
        if node.type not in (*self._layer_kinds, *self._plain_kinds):
            return f"{path or node.type.name.lower()} cannot work without it"
        if path is None:
            return None  # an operation, not a module
        layer = self._layer(dep)
        if layer is not None and layer.frozen:
            return f"{layer.name} must stay as it is: {layer.frozen}"
        if self._runs[id(node.module)] != 1:
            return f"{path} runs more than once"
        if layer is None:
            return f"the weights of {path} are used more than once" if node.type in self._layer_kinds else None
        module = node.module
        if isinstance(module, _ConvNd) and module.groups > 1 and (module.transposed or _lopsided(module)):
            return f"the groups of {layer.name} cannot be made smaller"
        return layer.refusal(index, needed=needed) if self._reads(dep) else None

    def _left_out(self, rows: list[int], group: Any) -> dict[int, str]:
        """Rows that must stay given the others that go, with reasons."""
        if sorted(group[0].idxs) != rows:
            return dict.fromkeys(rows, "live neurons would be removed with it")
        for item in group:
            layer = self._layer(item.dep)
            if layer is None or item.dep.target.type not in self._layer_kinds:
                continue
            module, reads = item.dep.target.module, self._reads(item.dep)
            before = (self.columns if reads else self.rows)[layer.name]
            width = len(layer.fed) if reads else len(layer.reached)
            groups = module.groups if item.dep.target.type == self._grouped else 1
            pairs = dict(zip(item.idxs, item.root_idxs, strict=True))
            gone = before | set(pairs)
            excess = (_uneven_columns if reads else _uneven_rows)(gone, width, groups)
            if excess:
                words = "one must stay" if groups == 1 else f"the groups of {layer.name} must stay equally wide"
                return {pairs[index]: words for index in excess if index in pairs} or dict.fromkeys(rows, words)
        return {}

    def _as_cut(
        self, root: LayerFacts, group: Any, borne: Mapping[int, Mapping[str, int]], carrier: Mapping[str, int]
    ) -> Removal:
        rows: defaultdict[str, set[int]] = defaultdict(set)
        columns: defaultdict[str, set[int]] = defaultdict(set)
        for item in group:
            layer = self._layer(item.dep)
            if layer is not None and item.dep.target.type in self._layer_kinds:
                (columns if self._reads(item.dep) else rows)[layer.name] |= set(item.idxs)
        carriers: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for at in borne.values():
            for name, index in at.items():
                carriers[name][index] = carrier[name]
        return Removal(root.name, dict(rows), dict(columns), dict(carriers))


def _lopsided(module: _ConvNd) -> bool:
    """Depthwise for Torch-Pruning (one filter per group), but with several input channels per group."""
    return module.groups == module.out_channels != module.in_channels


def _uneven_rows(gone: set[int], width: int, groups: int) -> list[int]:
    """Rows of ``gone`` that must stay so that all groups lose equally many and keep at least one."""
    size = width // groups
    members = [sorted(i for i in gone if i // size == group) for group in range(groups)]
    fewest = min(min(map(len, members)), size - 1)
    return [i for group in members for i in group[fewest:]]


def _uneven_columns(gone: set[int], width: int, groups: int) -> list[int]:
    """Columns of ``gone`` that must stay so that all groups lose the same positions and keep at least one."""
    size = width // groups
    places = [place for place in range(size) if all(group * size + place in gone for group in range(groups))]
    going = set(places[: size - 1])
    return sorted(i for i in gone if i % size not in going)
