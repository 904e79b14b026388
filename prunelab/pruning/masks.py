"""Which connections of a network survive.

No module is wrapped and no parameter renamed: a pruned model is an ordinary model whose cut weights are zero.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from prunelab.formatting import did_you_mean, layer_of
from prunelab.pruning import criteria, execution_order, torch_prune
from prunelab.pruning.enforcement import Attachment, Enforcement
from prunelab.pruning.layers import prunable, transposed
from prunelab.pruning.strategies import STRATEGIES, Cut, Layers, Plan
from prunelab.recipe import Scope, Std, Target
from prunelab.results.counts import Counted

Unit = Literal["weight", "neuron", "2:4"]  # a recipe knows the first two

UNITS: tuple[str, ...] = get_args(Unit)
DEVIATION = ".deviation"  # suffix in a state_dict, beside each mask


class Masks(Counted, Mapping[str, Tensor]):
    """Boolean masks of a model's Linear and Conv weights, by parameter name; True where a connection is kept.

    model: any module; nothing in it is changed until ``prune``. layers: only these; exclude: all but these; both
    take parameter names ("fc1.weight") or layer names ("fc1"). Tied weights have one mask and count once.
    outputs: layers whose neurons are the network's outputs, which unit="neuron" leaves whole; None: found along the
    model's graph (see ``order.outputs``) when it is needed.
    Raises ValueError for a name that matches nothing and for a model with nothing to prune.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        layers: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        outputs: Iterable[str] | None = None,
    ) -> None:
        self.model = model
        self._parameters, self._aliases = prunable(model)
        self._known = {**{name: name for name in self._parameters}, **self._aliases}  # all layers, masked or not
        if not self._parameters:
            raise ValueError(f"{type(model).__name__} has no Linear or Conv layer: there is nothing to prune")
        wanted = set(self._parameters) if layers is None else {self.resolve(name) for name in layers}
        wanted -= {self.resolve(name) for name in exclude}
        self._outputs = None if outputs is None else frozenset(self.resolve(name) for name in outputs)
        if not wanted:
            raise ValueError("layers and exclude leave no layer to prune")
        self._parameters = {name: p for name, p in self._parameters.items() if name in wanted}
        self._masks = {name: torch.ones_like(p, dtype=torch.bool) for name, p in self._parameters.items()}
        self._kept = {name: p.numel() for name, p in self._parameters.items()}
        self._deviations: dict[str, float] = {}
        self._guard = Enforcement(self._parameters)

    # Taking up what another tool has pruned

    @classmethod
    def from_zeros(cls, model: nn.Module, *, layers: Iterable[str] | None = None, exclude: Iterable[str] = ()) -> Masks:
        """Masks of a network whose cut weights are plain zeros, whichever tool cut them. layers, exclude: as in Masks.

        Nobody remembers its dense weights: for std="dense" the deviation of its survivors stands in for theirs. Raises
        ValueError for a layer of nothing but zeros.
        """
        masks = cls(model, layers=layers, exclude=exclude)
        return masks._adopt({name: masks.weight(name).detach() != 0 for name in masks})

    @classmethod
    def from_torch(cls, model: nn.Module) -> Masks:
        """Masks of a network that ``torch.nn.utils.prune`` pruned; its reparametrisation is removed, in place.

        Afterwards the model is an ordinary one with the same outputs. Layers that torch left alone get full masks, so
        everything here can prune on. Biases that torch pruned stay zero until they are trained: no mask guards them.
        Deviation: as for ``from_zeros``. Raises ValueError when torch pruned nothing, or all of a layer.
        """
        found = torch_prune.release(model)
        masks = cls(model)
        return masks._adopt({name: found[name] for name in masks if name in found})

    def _adopt(self, found: Mapping[str, Tensor]) -> Masks:
        for name, mask in found.items():
            if not mask.any():
                raise ValueError(f"{name} has no survivor: nothing passes through a layer of zeros; leave it out")
            if not mask.all():
                self._deviations[name] = criteria.deviation(self.weight(name).detach()[mask])
        self._set({**self._masks, **found})
        return self

    # What there is

    def __getitem__(self, name: str) -> Tensor:
        return self._masks[self.resolve(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    def __repr__(self) -> str:
        return f"Masks({self.kept:,} of {self.total:,} connections kept, density {self.density:.4f})"

    @property
    def kept(self) -> int:
        """Connections that survive, in all layers."""
        return sum(self._kept.values())

    @property
    def total(self) -> int:
        """Connections of the dense network, in all layers that have a mask."""
        return sum(mask.numel() for mask in self._masks.values())

    def kept_in(self, name: str) -> int:
        """Connections that survive in one layer."""
        return self._kept[self.resolve(name)]

    def weight(self, name: str) -> nn.Parameter:
        """The weights that a mask belongs to."""
        return self._parameters[self.resolve(name)]

    def outputs(self, example: Tensor | None = None) -> frozenset[str]:
        """The layers whose neurons are the network's outputs, by parameter name, whether they have a mask or not.

        example: a batch, for models that torch.fx cannot trace; else the layer registered last stands in there.
        """
        if self._outputs is None:
            self._outputs = execution_order.outputs(self.model, self._known, example)
        return self._outputs

    def resolve(self, name: str) -> str:
        """The parameter name meant by a layer's, a parameter's or a tied parameter's name. Else ValueError."""
        for candidate in (name, f"{name}.weight"):
            candidate = self._aliases.get(candidate, candidate)
            if candidate in self._parameters:
                return candidate
        hint = did_you_mean(name, [layer_of(known) for known in self._parameters])
        raise ValueError(f"{name!r} matches no layer with a mask; {hint}")

    def zeros_hold(self) -> bool:
        """Whether every cut weight is exactly zero."""
        return self._guard.holds()

    # Pruning

    def plan(
        self,
        target: Target | None = None,
        *,
        quality: float | Mapping[str, float] | None = None,
        density: float | None = None,
        std: Std = "dense",
        scope: Scope = "global",
        unit: Unit = "weight",
    ) -> Plan:
        """What ``prune`` with the same arguments would do, without doing it. target: instead of quality and density."""
        target = target or Target(quality, density)
        if unit not in UNITS or scope not in ("global", "layer"):
            raise ValueError(f"unit = {unit!r}, scope = {scope!r}: must be one of {', '.join(UNITS)}; global or layer")
        self._check_current()
        for name, parameter in self._parameters.items():
            if not torch.isfinite(parameter).all():
                raise ValueError(f"{name} holds NaN or infinite weights: there is no sound way to rank them")
        layers = Layers(
            weights={name: p.detach() for name, p in self._parameters.items()},
            masks=self._masks,
            deviation=lambda name: self._deviation(name, std),
            scope=scope,
            outputs=self.outputs,
            transposed=transposed(self.model, self._parameters),
        )
        by = unit if unit != "weight" else "quality" if target.density is None else "density"
        return STRATEGIES[by](layers, self._checked(target))

    def _checked(self, target: Target) -> Target:
        """The target in numbers of Python's own, layers by parameter name. ValueError for what cannot be."""
        if target.density is not None:
            return Target(density=criteria.check_density(target.density))
        if isinstance(target.quality, Mapping):
            return Target({self.resolve(name): criteria.check_quality(q) for name, q in target.quality.items()})
        assert target.quality is not None
        return Target(criteria.check_quality(target.quality))

    def prune(
        self,
        *,
        quality: float | Mapping[str, float] | None = None,
        density: float | None = None,
        std: Std = "dense",
        scope: Scope = "global",
        unit: Unit = "weight",
    ) -> dict[str, Cut]:
        """Cut connections, set them to zero, and say what was cut, by parameter name. What is cut never comes back.

        quality: threshold in standard deviations, one for all layers or {layer: quality}; layers that are not named
        stay as they are. std: whose deviation: "dense", the layer's weights when it was first pruned (a threshold that
        does not move from round to round); "survivors"; or "all", zeros included. Source: Han et al. 2015, section 3.
        density: fraction of all connections (or neurons) to keep, ranked by magnitude, over all layers together
        (scope="global") or in each alone (scope="layer").
        unit="neuron": whole rows of a Linear, whole filters of a Conv, by the root mean square of their weights; layers
        that give the network's outputs keep all. unit="2:4": of every four neighbouring inputs of a neuron the two
        largest stay, the pattern that GPUs multiply fast; density=0.5, Linear layers with a multiple of four inputs
        only. Biases are never pruned.
        At least one connection of a layer stays; ``Cut.spared`` says where that was needed. Raises ValueError for
        values out of range, names that match nothing, and weights that are NaN or no longer the model's.
        """
        plan = self.plan(quality=quality, density=density, std=std, scope=scope, unit=unit)
        self.commit(plan)
        return plan.cuts

    def _deviation(self, name: str, std: Std) -> float:
        weights = self._parameters[name].detach()
        if std == "dense":
            known = self._deviations.get(name)
            return criteria.deviation(weights) if known is None else known
        if std == "survivors":
            return criteria.deviation(weights[self._masks[name]])
        if std == "all":
            return criteria.deviation(weights)
        raise ValueError(f"std = {std!r}: must be dense, survivors or all")

    def commit(self, plan: Plan) -> None:
        """Carry out a plan that ``plan`` made. ValueError if the model has got other parameters meanwhile."""
        self._check_current()
        for name, cut in plan.cuts.items():
            # Remembered at the first cut, whatever the rule: from then on the weights are no longer the dense ones.
            if self._kept[name] == cut.total > cut.kept:
                self._deviations[name] = criteria.deviation(self._parameters[name])
        self._set(plan.masks)

    def _check_current(self) -> None:
        """Raise ValueError if a weight is no longer the model's: pruning it would change nothing that runs."""
        now = dict(self.model.named_parameters(remove_duplicate=False))
        for name, parameter in self._parameters.items():
            if now.get(name) is not parameter:
                raise ValueError(
                    f"{name} has been replaced since these masks were made (by module.weight = ..., or load_state_dict "
                    "with assign=True): make new ones, Masks(model) or, if weights are zero already, Masks.from_zeros"
                )

    # Keeping zeros zero

    def apply(self) -> None:
        """Set every cut weight to zero, now."""
        self._guard.apply()

    def attach(self, optimizer: Optimizer) -> Attachment:
        """Keep zeros zero after every step of ``optimizer``, in any loop, until the returned attachment is removed.

        Works with any torch optimizer, fused or not, under clip_grad_norm_ and DistributedDataParallel (build the
        masks on the plain model). Hooks do not survive a deepcopy of the optimizer: attach to the copy again.
        Raises ValueError when the optimizer holds none of the masked weights.
        """
        self._check_current()
        return self._guard.attach(optimizer)

    def _set(self, masks: Mapping[str, Tensor]) -> None:
        self._masks = dict(masks)
        self._kept = {name: int(mask.sum()) for name, mask in masks.items()}
        self._guard.hold({name: mask for name, mask in masks.items() if self._kept[name] < mask.numel()})

    # Carrying them along

    def state_dict(self) -> dict[str, Tensor]:
        """Masks by parameter name, and beside each the deviation that std="dense" remembers, once there is one."""
        state = {name: mask.clone() for name, mask in self._masks.items()}
        for name, spread in self._deviations.items():
            state[name + DEVIATION] = torch.tensor(spread, dtype=torch.float64)
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up masks that ``state_dict`` gave, and apply them. ValueError if names, shapes or types do not fit."""
        given = {name: value for name, value in state.items() if not name.endswith(DEVIATION)}
        if set(given) != set(self._masks):
            odd = sorted(set(given) ^ set(self._masks))
            raise ValueError(f"these masks are of another network: {', '.join(odd)} on one side only")
        for name, mask in given.items():
            if mask.dtype != torch.bool or mask.shape != self._masks[name].shape:
                raise ValueError(
                    f"mask {name} is {mask.dtype} of shape {tuple(mask.shape)}; "
                    f"needed: torch.bool of shape {tuple(self._masks[name].shape)}"
                )
        self._deviations = {n: float(state[n + DEVIATION]) for n in self._masks if n + DEVIATION in state}
        self._check_current()
        device = {name: p.device for name, p in self._parameters.items()}
        self._set({name: given[name].clone().to(device[name]) for name in self._masks})

    def __deepcopy__(self, memo: dict[int, Any]) -> Masks:
        """A copy on a copy of the model; attached to no optimizer."""
        twin = Masks(copy.deepcopy(self.model, memo), layers=list(self._masks))
        twin._outputs = self._outputs
        twin.load_state_dict(self.state_dict())
        return twin
