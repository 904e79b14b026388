"""Boolean masks over a model's weights: which connections survive.

No module is wrapped and no parameter renamed: a pruned model is an ordinary model whose cut weights are zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from prunelab.errors import CoverageWarning, warn
from prunelab.formatting import suggesting
from prunelab.inputs import Example
from prunelab.pruning import criteria, execution_order, foreign, model_state, ranking, wrappers
from prunelab.pruning.coverage import NO_NEURONS, OUTPUTS, coverage
from prunelab.pruning.enforcement import Attachment, Enforcement
from prunelab.pruning.layers import transposed
from prunelab.pruning.masked_weights import MaskedWeights
from prunelab.pruning.selection import Names, as_names
from prunelab.pruning.strategies import STRATEGIES, Cut, Layers, Plan, Regrowth
from prunelab.recipe import PerLayer, Scope, Std, Target
from prunelab.results.subject import Module

Unit = Literal["weight", "neuron", "2:4"]  # recipes allow only the first two

UNITS: tuple[str, ...] = get_args(Unit)
DEVIATION = ".deviation"  # suffix of the key that stores a layer's deviation in a state_dict, next to its mask


@suggesting
class Masks(MaskedWeights):
    """Boolean masks of a model's weights, by parameter name; True where a connection is kept.

    Masked are the weights of Linear, Conv and Bilinear layers, of RNN, LSTM and GRU layers and cells, and the
    projections of MultiheadAttention; with ``layers`` also embeddings and matrices of one's own modules. Weights are
    named by parameter ("fc1.weight", "lstm.weight_hh_l0") or by layer ("fc1"; "lstm": all of its weights). Tied
    weights have one mask and count once.

    Args:
        model: Any module; it is not changed until ``prune``.
        layers: Mask only these; None means all but embeddings and modules of one's own. A string is one name.
        exclude: Left without a mask, whatever their state. A string is one name.
        outputs: Layers whose neurons are the network's outputs, which unit="neuron" leaves whole. None: determined
            from the model's graph (see ``execution_order.outputs``) when first needed.

    Raises:
        ValueError: A name matches no layer, there is nothing to prune, or a weight that is not left out is computed
            from others (torch.nn.utils.prune, parametrizations), has no shape or no values yet, is of a type that does
            not compute, or shares its memory with another.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        layers: str | Iterable[str] | None = None,
        exclude: str | Iterable[str] = (),
        outputs: str | Iterable[str] | None = None,
    ) -> None:
        exclude = as_names(exclude)
        self.model = model
        self._names = Names(model)
        self._parameters = self._names.select(layers, exclude)
        known = None if outputs is None else [self._names.known(name) for name in as_names(outputs)]
        self._outputs = None if known is None else frozenset(name for found in known for name in found)
        self._masks = {name: torch.ones_like(p, dtype=torch.bool) for name, p in self._parameters.items()}
        self._kept = {name: p.numel() for name, p in self._parameters.items()}
        self._deviations: dict[str, float] = {}
        self._excluded = self._names.parameters(exclude)
        self._told = layers is not None  # whether nothing is left to tell of weights without a mask
        self._enforcement = Enforcement(self._parameters)

    # Importing networks pruned by other tools

    @classmethod
    def from_zeros(
        cls, model: nn.Module, *, layers: str | Iterable[str] | None = None, exclude: str | Iterable[str] = ()
    ) -> Masks:
        """Masks of a network whose cut weights are plain zeros, whichever tool cut them.

        Embeddings that have zeros (beside the row for padding) get a mask too. Matrices of one's own modules get one
        only where ``layers`` names them; if they have zeros, a LeftOutWarning names them. The dense weights are
        unknown, so std="dense" uses the deviation of the survivors instead.

        Args:
            model: Any module; it is not changed.
            layers: As in ``Masks``.
            exclude: As in ``Masks``.

        Raises:
            ValueError: As ``Masks``, and for a layer that has only zeros, or weights that are NaN or infinite.
        """
        exclude = as_names(exclude)
        chosen = foreign.with_zeros(Names(model), exclude) or None if layers is None else layers
        masks = cls(model, layers=chosen, exclude=exclude)
        masks._told = layers is not None
        masks._check_finite()
        return masks._adopt({name: masks.weight(name).detach() != 0 for name in masks})

    @classmethod
    def from_torch(
        cls, model: nn.Module, *, layers: str | Iterable[str] | None = None, exclude: str | Iterable[str] = ()
    ) -> Masks:
        """Masks of a network pruned by ``torch.nn.utils.prune``; its reparametrisation is removed in place.

        The model is then an ordinary one with the same outputs, and can be pruned further. Layers that torch did not
        prune get full masks; what it pruned gets its own, embeddings and matrices of one's own modules too. Biases that
        it pruned stay zero only until they are trained: a LeftOutWarning names them. std="dense" uses the deviation of
        the survivors, as in ``from_zeros``.

        Args:
            model: A module pruned by ``torch.nn.utils.prune``; changed in place.
            layers: Take up only these; what is left out stays under ``torch.nn.utils.prune``.
            exclude: Leave these as they are.

        Raises:
            ValueError: torch pruned nothing here, or pruned a whole layer, or a tied weight at one of its places only;
                or as ``Masks``. The model is then as it was.
        """
        exclude = as_names(exclude)
        taken = foreign.taken_up(model, layers, exclude)
        masks = cls(model, layers=taken.layers)
        masks._excluded, masks._told = masks._names.parameters(exclude), layers is not None
        return masks._adopt({masks.resolve(name): mask for name, mask in taken.masks.items()})

    def _adopt(self, masks: Mapping[str, Tensor]) -> Masks:
        self._check_survivors(masks)
        self._set({**self._masks, **masks})
        return self

    def _check_survivors(self, masks: Mapping[str, Tensor]) -> None:
        for name, mask in masks.items():
            if not mask.any():
                raise ValueError(f"{name} has no survivor: nothing passes through a layer of zeros; leave it out")

    def _check_finite(self) -> None:
        for name, parameter in self._parameters.items():
            if not criteria.finite(parameter):
                raise ValueError(f"{name} holds NaN or infinite weights: there is no sound way to rank them")

    # Reading masks

    def outputs(self, example: Example | None = None) -> frozenset[str]:
        """Parameter names of the layers whose neurons are the network's outputs, with or without a mask.

        example: a batch (a tensor, a tuple of arguments, or a dict of arguments by name), for models that torch.fx
        cannot trace; without one, the layer registered last is assumed, and a GuessWarning says so.
        """
        if self._outputs is None:
            stations = self._names.stations(self._parameters)
            self._outputs = execution_order.outputs(self.model, stations, example)
            if self._outputs is None:
                return execution_order.guessed_outputs(self.model, self._names.of_neurons or stations)
        return self._outputs

    def modules(self, unit: Unit = "weight", example: Example | None = None) -> tuple[Module, ...]:
        """Each module with parameters: whether ``prune`` by ``unit`` can cut its weights, and why.

        example: as for ``outputs``; needed for the unit "neuron" only.
        """
        if unit not in UNITS:
            raise ValueError(f"unit = {unit!r}: must be one of {', '.join(UNITS)}")
        whole: dict[str, str] = {}
        if unit == "neuron":
            whole = dict.fromkeys(self._names.without("neurons"), NO_NEURONS)
            whole |= dict.fromkeys(self.outputs(example), OUTPUTS)
        return tuple(coverage(self.model, self._parameters, whole))

    def zeros_hold(self) -> bool:
        """Whether every cut weight of the model is exactly zero. ValueError if a weight is no longer the model's."""
        self.check_current()
        return self._enforcement.holds()

    # Pruning

    def plan(
        self,
        target: Target | None = None,
        *,
        quality: PerLayer | None = None,
        density: PerLayer | None = None,
        std: Std = "dense",
        scope: Scope | None = None,
        unit: Unit = "weight",
        scores: Mapping[str, Tensor] | None = None,
        regrowth: Regrowth | None = None,
    ) -> Plan:
        """What ``prune`` would do with these arguments, without doing it. target: replaces quality and density.

        scores: {parameter or layer name: a finite number for each weight}, ranked by magnitude in place of the weights;
        only for a density of single weights. regrowth: connections that come back, likewise.
        """
        target = target or Target(quality, density)
        if scope is None:
            scope = "layer" if unit == "neuron" else "global"
        if (scores is not None or regrowth is not None) and (target.density is None or unit != "weight"):
            raise ValueError("scores= and regrowth= are of single weights; they need density=, and unit='weight'")
        if unit not in UNITS or scope not in ("global", "layer"):
            raise ValueError(f"unit = {unit!r}, scope = {scope!r}: must be one of {', '.join(UNITS)}; global or layer")
        self.check_current()
        self._check_finite()
        if regrowth is not None:
            regrowth = replace(regrowth, gradients=self._of_each_weight(regrowth.gradients, "gradients"))
        weights: Mapping[str, Tensor] = {name: p.detach() for name, p in self._parameters.items()}
        layers = Layers(
            weights=weights if scores is None else self._of_each_weight(scores, "scores"),
            masks=self._masks,
            deviation=lambda name: self._deviation(name, std),
            scope=scope,
            outputs=self.outputs,
            transposed=transposed(self.model, self._parameters),
            whole=self._names.without("neurons"),
            unfit=self._names.without("matrix"),
            regrowth=regrowth,
        )
        strategy = unit if unit != "weight" else "quality" if target.density is None else "density"
        plan = STRATEGIES[strategy](layers, self._checked(target))
        return plan if scores is None else plan.without_thresholds()

    def _of_each_weight(self, values: Mapping[str, Tensor], what: str) -> dict[str, Tensor]:
        """A finite number for each weight, by parameter name; ValueError if any is missing or too much."""
        found: dict[str, Tensor] = {}
        for name, value in values.items():
            if not isinstance(value, Tensor):
                raise TypeError(f"{what} of {name} are a {type(value).__name__}: must be a tensor")
            known, shape = self.resolve(name), tuple(value.shape)
            if shape != self._masks[known].shape:
                raise ValueError(f"{what} of {name} are of shape {shape}; needed: {tuple(self._masks[known].shape)}")
            if not criteria.finite(value):
                raise ValueError(f"{what} of {name} are NaN or infinite: there is no sound way to rank them")
            known_type = value.dtype in model_state.ARITHMETIC  # others, such as integers, may have no magnitudes
            found[known] = value.detach() if known_type else value.detach().double()
        if missing := self._masks.keys() - found.keys():
            raise ValueError(f"{', '.join(sorted(missing))}: there are no {what} of these weights")
        return {name: found[name] for name in self._masks}

    def _checked(self, target: Target) -> Target:
        """The target as Python floats, with layers by parameter name; ValueError for invalid values."""
        if target.density is not None:
            return Target(density=self._by_layer(target.density, criteria.check_density))
        assert target.quality is not None
        return Target(self._by_layer(target.quality, criteria.check_quality))

    def _by_layer(self, value: PerLayer, check: Callable[[float], float]) -> PerLayer:
        if not isinstance(value, Mapping):
            return check(value)
        self.check_distinct(value)
        return {each: check(own) for name, own in value.items() for each in self.names_of(name)}

    def prune(
        self,
        *,
        quality: PerLayer | None = None,
        density: PerLayer | None = None,
        std: Std = "dense",
        scope: Scope | None = None,
        unit: Unit = "weight",
    ) -> dict[str, Cut]:
        """Cut connections and set them to zero; cut connections never come back.

        Give either quality or density. Biases are never pruned, and every layer keeps at least one connection.

        Args:
            quality: Threshold in standard deviations, >= 0: one for all layers, or {layer: quality}; layers that are
                not named stay unchanged. Source: Han et al. 2015, section 3.
            density: Fraction of all connections (or neurons) to keep, above 0 and at most 1, ranked by magnitude; or
                {layer: density}, each ranked on its own, as ``Sensitivity.needs`` gives them; layers that are not named
                stay unchanged.
            std: Weights that the deviation is taken over: "dense", the layer's weights when it was first pruned (the
                threshold then stays fixed from round to round); "survivors"; or "all", zeros included.
            scope: Rank all layers together ("global") or each on its own ("layer"); for density only. None: together,
                but each on its own for whole neurons, whose sizes differ from layer to layer: together, a layer of
                large fan-in could be left with a single one.
            unit: "weight": single connections. "neuron": whole rows of a Linear and filters of a Conv, ranked by the
                root mean square of their weights; layers that give the network's outputs keep all, as do recurrent
                layers, attention and embeddings, whose rows are no neurons. "2:4": the two largest of every four
                neighbouring inputs of a neuron stay, a pattern that GPUs multiply fast; needs density=0.5 and only
                matrices whose inputs are a multiple of four.

        Returns:
            What was cut, by parameter name; ``Cut.spared`` marks layers where the last connection had to be kept.

        Raises:
            ValueError: A value is out of range, a name matches no layer, or a weight is NaN, infinite or no longer the
                model's.
        """
        plan = self.plan(quality=quality, density=density, std=std, scope=scope, unit=unit)
        if (words := self.untold()) is not None:
            warn(words, CoverageWarning)
        self.commit(plan)
        return plan.cuts

    def _deviation(self, name: str, std: Std) -> float:
        weights = self._parameters[name].detach()
        if std == "dense":
            known = self._deviations.get(name)
            return criteria.deviation(weights) if known is None else known
        if std == "survivors":
            return criteria.deviation(weights, self._masks[name])
        if std == "all":
            return criteria.deviation(weights)
        raise ValueError(f"std = {std!r}: must be dense, survivors or all")

    def _deviation_of_dense(self, name: str, mask: Tensor) -> float:
        """For std="dense", at a layer's first cut: afterwards its dense weights are gone.

        Where they are gone already, because what is cut is zero, the survivors' deviation comes nearest.
        """
        weights = self._parameters[name].detach()
        known = any(bool(((w != 0) & ~m).any()) for w, m in zip(*map(ranking.parts, (weights, mask)), strict=True))
        return criteria.deviation(weights) if known else criteria.deviation(weights, mask)

    def commit(self, plan: Plan) -> None:
        """Carry out a plan from ``plan``.

        Raises:
            ValueError: The plan is of other masks, or these have changed since; or the model's parameters have been
                replaced. Nothing is changed.
        """
        self.check_current()
        if plan.before is not self.revision:
            raise ValueError("this plan was made from other masks, or these have been changed since: make it anew")
        self._set(plan.masks)

    # Keeping cut weights at zero

    def apply(self) -> None:
        """Set every cut weight to zero now. ValueError if a weight is no longer the model's."""
        self.check_current()
        self._enforcement.apply()

    def attach(self, optimizer: Any) -> Attachment:
        """Keep cut weights at zero after every step of ``optimizer``, in any training loop.

        Works with any torch optimizer, fused or not, with ``clip_grad_norm_``, with DistributedDataParallel (build the
        masks on the plain model), and with optimizers that hold others: accelerate's, SAM, Lookahead. Groups may be
        added, layers thawed and steps compiled later. While attached, zeros stay zero under other torch optimizers of
        these weights too. Gradients are masked as ``backward`` accumulates them: a norm of gradients that are set
        by hand counts cut weights.

        Args:
            optimizer: Any torch optimizer over the masked weights, or over some of them; or an object around one.

        Returns:
            An attachment; zeros are kept until its ``remove`` is called.

        Raises:
            ValueError: The optimizer holds none of the masked weights, or a weight is no longer the model's.
            TypeError: This is no optimizer, or its ``step`` cannot be watched.
            MaskError: Later, in ``backward``: a ``step`` kept or compiled before has moved cut weights past the hooks.
        """
        self.check_current()
        return self._enforcement.attach(optimizer)

    def _set(self, masks: Mapping[str, Tensor], deviations: Mapping[str, float] | None = None) -> None:
        """Put these masks in place. deviations: of the layers whose deviation is known; None: those that were."""
        kept = {name: ranking.count(mask) for name, mask in masks.items()}
        cut = {name: mask for name, mask in masks.items() if kept[name] < mask.numel()}
        for name in cut:  # before anything is changed
            if reason := model_state.unwritable(name, self._parameters[name]):
                raise ValueError(reason)
        known = dict(self._deviations if deviations is None else deviations)
        for name, mask in cut.items():
            if name not in known and kept[name]:
                known[name] = self._deviation_of_dense(name, mask)
        self._enforcement.hold(cut)
        self._masks, self._kept, self._deviations = dict(masks), kept, known

    # Saving, loading, copying

    def state_dict(self) -> dict[str, Tensor]:
        """Masks by parameter name, plus the deviation that std="dense" uses for each layer that has been cut."""
        state = {name: mask.clone() for name, mask in self._masks.items()}
        for name, spread in self._deviations.items():
            state[name + DEVIATION] = torch.tensor(spread, dtype=torch.float64, device="cpu")
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Load masks from ``state_dict`` and apply them; names may differ by the prefixes of wrappers (torch.compile).

        Raises:
            ValueError: Names, shapes or types do not match, a layer has no survivor, a deviation is no number of at
                least 0, or a weight is no longer the model's. Nothing is changed.
        """
        masks = {n: value for n, value in state.items() if n.removesuffix(DEVIATION) == n or n in self._masks}
        known = wrappers.aligned(masks, self._masks)
        if known is None or len(known) < len(self._masks):
            odd = sorted(set(masks) ^ set(self._masks))
            raise ValueError(f"these masks are of another network: {', '.join(odd)} on one side only")
        deviations = {known[name]: float(state[name + DEVIATION]) for name in masks if name + DEVIATION in state}
        masks = {known[name]: mask for name, mask in masks.items()}
        for name, mask in masks.items():
            if mask.dtype != torch.bool or mask.shape != self._masks[name].shape:
                raise ValueError(
                    f"mask {name} is {mask.dtype} of shape {tuple(mask.shape)}; "
                    f"needed: torch.bool of shape {tuple(self._masks[name].shape)}"
                )
        for name, spread in deviations.items():
            if not 0 <= spread < math.inf:
                raise ValueError(f"{name}{DEVIATION} = {spread}: must be finite and at least 0")
        self._check_survivors(masks)
        self.check_current()
        device = {name: p.device for name, p in self._parameters.items()}
        self._set({name: masks[name].clone().to(device[name]) for name in self._masks}, deviations)

    # Copies and pickles are attached to no optimizer. They hold parameters, which are those of the model that is copied
    # or pickled along with them.

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_enforcement"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._enforcement = Enforcement(self._parameters)
        self._set(self._masks)
