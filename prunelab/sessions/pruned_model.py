"""A model with its masks, cut values and dropouts: all of a session that pruning changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from prunelab import errors, torch_state
from prunelab.errors import WiringError
from prunelab.pruning import criteria, dropout
from prunelab.pruning.copies import copied
from prunelab.pruning.effective import LayerReach, Wiring, trace
from prunelab.pruning.enforcement import Attachment
from prunelab.pruning.layers import transposed
from prunelab.pruning.masks import Masks
from prunelab.pruning.ranking import zero_
from prunelab.pruning.strategies import Cut, Plan
from prunelab.recipe import Recipe
from prunelab.results.snapshot import DropoutSnapshot, LayerSnapshot
from prunelab.sessions.checkpoint_schema import count, each, fields, flag, number, optional, row, share, tensors, text
from prunelab.sessions.snapshot_arrays import histograms, pack, strongest
from prunelab.torch_state import held
from prunelab.training import optimizers

SCHEMA = {
    "weights": tensors,
    "masks": tensors,
    "cut_values": tensors,
    "early": tensors,
    "dense": tensors,
    "cuts": each(
        fields(
            threshold=optional(number),
            deviation=optional(number),
            kept=count,
            total=count,
            spared=flag,
            quality=optional(number),
        )
    ),
    "dropout_rates": each(row(share, share)),
    "dropout_owners": each(text),
}


class PrunedModel:
    """A model that is pruned in place, with the state that belongs to it.

    model: any module with prunable layers. masks: of this model; what they cut is zero and stays so. example: a batch,
    to find the layer that each dropout belongs to. owners: {dropout name: layer name}, which overrides what was found.
    Modules in eval mode within a model in training mode stay in eval mode: the user froze them.
    cut_values: {parameter name: value of each weight at the moment it was cut, 0 where none was cut}, in float32.
    early: the model's state at an early point of dense training; dense: just before the first cut. {} where it was
    not kept.
    """

    def __init__(self, model: nn.Module, masks: Masks, example: Tensor, owners: Mapping[str, str] | None) -> None:
        self.model = model
        self.masks = masks
        self.cut_values = {
            name: torch.zeros(mask.shape, device="cpu", dtype=torch.float32) for name, mask in masks.items()
        }
        self.early: dict[str, Tensor] = {}
        self.dense: dict[str, Tensor] = {}
        self._teacher: tuple[dict[str, Tensor], nn.Module] | None = None  # cache: ``dense`` and a model of it
        self._found = dropout.find(model, self.masks, example)
        self._owners = self._found.owners | dropout.named_owners(model, self.masks, owners or {})
        self._original_rates = dropout.original_rates(model)
        frozen = set(held(model))
        self._frozen = [name for name, module in model.named_modules() if module in frozen]
        self._attachment: Attachment | None = None
        self._cuts: dict[str, Cut] = {}
        self._packed: dict[str, tuple[Tensor, bytes]] = {}  # the latest mask of each layer, and its bits
        self._transposed = transposed(model, {name: masks.weight(name) for name in masks})
        self._wiring = wiring_of(model, example)
        self._reach: tuple[object, Mapping[str, LayerReach]] | None = None

    @property
    def weights(self) -> list[nn.Parameter]:
        """The weights that have a mask."""
        return [self.masks.weight(name) for name in self.masks]

    @property
    def frozen(self) -> list[nn.Module]:
        """The modules that are held in eval mode."""
        return [self.model.get_submodule(name) for name in self._frozen]

    def unsound(self) -> str | None:
        """Name of the first parameter with NaN or infinite values; None if all are finite."""
        return next((name for name, p in self.model.named_parameters() if not criteria.finite(p)), None)

    def optimizer(self, recipe: Recipe, rate: float) -> Optimizer:
        """A fresh optimizer by the recipe, at learning rate ``rate``, with the masks attached.

        Weight decay applies only to the masked weights. The masks are attached to one optimizer at a time and are
        detached from the previous one.
        """
        self.release()
        masked = {id(weight) for weight in self.weights}
        others = [p for p in self.model.parameters() if id(p) not in masked]
        decay = recipe.strength if recipe.regularizer == "l2" else 0.0
        optimizer = optimizers.make_optimizer(recipe.optimizer, self.weights, others, rate=rate, decay=decay)
        self._attachment = self.masks.attach(optimizer)
        return optimizer

    def release(self) -> None:
        """Detach the masks from the optimizer, if there is one, and remove their hooks from the model."""
        if self._attachment is not None:
            self._attachment.remove()
            self._attachment = None

    def cut(self, plan: Plan, twin: nn.Module) -> None:
        """Apply a plan and store the cut values. twin: from ``twin``; its buffers (batch norm statistics) are taken."""
        cut_values = {}
        for name, mask in plan.masks.items():
            gone = (self.masks[name] & ~mask).cpu()  # cut by this plan
            values = torch.where(gone, _drawn(self.masks.weight(name)).float().cpu(), self.cut_values[name])
            cut_values[name] = values.masked_fill_(mask.cpu(), 0.0)  # what came back is not cut any more
        self.masks.commit(plan)
        self.cut_values = cut_values
        self._cuts = dict(plan.cuts)
        with torch.no_grad():
            for buffer, measured in zip(self.model.buffers(), twin.buffers(), strict=True):
                buffer.copy_(measured)

    def twin(self, plan: Plan) -> nn.Module:
        """A copy of the model with the plan applied, in training mode except for frozen modules."""
        return _zeroed(self._copy(), plan.masks)

    def _copy(self) -> nn.Module:
        twin = copied(self.model).train()
        for name in self._frozen:
            twin.get_submodule(name).eval()
        return twin

    def keep_early(self) -> None:
        """Keep the model's state as it is, to rewind to."""
        self.early = _copied(self.model.state_dict())

    def keep_dense(self) -> None:
        """Keep the model's state as it is, to learn from."""
        self.dense = _copied(self.model.state_dict())

    def dense_scores(self, x: Tensor) -> Tensor:
        """What the dense network says about these samples."""
        if self._teacher is None or self._teacher[0] is not self.dense:
            twin = self._copy().eval()
            twin.load_state_dict(self.dense)
            self._teacher = self.dense, twin
        with torch.no_grad():
            scores: Tensor = self._teacher[1](x)
        return scores

    def rewound_twin(self) -> nn.Module:
        """A copy of the model at the early point, under today's masks. Source: Frankle et al. 2019."""
        twin = self._copy()
        twin.load_state_dict(self.early)
        return _zeroed(twin, self.masks)

    def take(self, twin: nn.Module) -> None:
        """Set all parameters and buffers to those of a copy that was made here."""
        self.model.load_state_dict(twin.state_dict())

    def warn(self, *, adjusted: bool) -> None:
        """Warn of weights without a mask and, if dropout is to be ``adjusted``, of what keeps its rate."""
        if (words := self.masks.untold()) is not None:
            errors.warn(words, errors.CoverageWarning, stacklevel=4)
        if adjusted:
            self._found.warn(self._owners, stacklevel=5)

    def adjust_dropout(self) -> None:
        """Set every dropout to its rate under the masks."""
        dropout.adjust_dropout(self.model, self.masks, owners=self._owners, originals=self._original_rates)

    def layers(self, plan: Plan | None = None) -> tuple[LayerSnapshot, ...]:
        """A snapshot of every prunable layer as it is, or as a plan would leave it."""
        reach = self._reached(plan)
        return tuple(self._layer(name, plan, reach.get(name)) for name in self.masks)

    def _reached(self, plan: Plan | None) -> Mapping[str, LayerReach]:
        """Which connections lie on some path, by layer; {} for a model that cannot be traced.

        Masks do not change during training, so the result for the current masks is cached.
        """
        if self._wiring is None:
            return {}
        if plan is not None:
            return self._wiring.effective(plan.masks).layers
        if self._reach is None or self._reach[0] is not self.masks.revision:
            self._reach = (self.masks.revision, self._wiring.effective(self.masks).layers)
        return self._reach[1]

    def _layer(self, name: str, plan: Plan | None, reach: LayerReach | None) -> LayerSnapshot:
        cut = (plan.cuts if plan else self._cuts).get(name)
        if cut and not plan and cut.kept != self.masks.kept_in(name):  # cut since then, by the masks themselves
            cut = None
        mask = plan.masks[name] if plan else self.masks[name]
        weight = _drawn(self.masks.weight(name))
        limit, kept_counts, cut_counts = histograms(weight, self.cut_values[name], mask, self.masks[name])
        order, strengths = strongest(weight, mask)
        return LayerSnapshot(
            name=name,
            shape=tuple(weight.shape),
            kept=cut.kept if cut else self.masks.kept_in(name),
            total=mask.numel(),
            quality=cut.quality if cut else None,
            threshold=cut.threshold if cut else None,
            deviation=cut.deviation if cut else None,
            spared=cut.spared if cut else False,
            effective=reach.kept if reach else None,
            dead=reach.dead if reach else None,
            limit=limit,
            kept_counts=kept_counts,
            cut_counts=cut_counts,
            packed=self._pack(name, mask),
            strongest=order,
            strengths=strengths,
            transposed=self._transposed.get(name),
        )

    def _pack(self, name: str, mask: Tensor) -> bytes:
        """The packed mask; snapshots of the same mask share one bytes object."""
        known = self._packed.get(name)
        if known is None or known[0] is not mask:
            known = self._packed[name] = (mask, pack(mask))
        return known[1]

    def dropouts(self, plan: Plan | None = None, *, adjusted: bool = True) -> Iterator[DropoutSnapshot]:
        """A snapshot of every dropout as it is or, if ``adjusted``, as a plan would leave it."""
        for name, (original, now) in self._dropout_rates().items():
            layer = self._owners.get(name)
            if plan and adjusted and layer is not None:
                cuts = [plan.cuts[weight] for weight in dropout.weights_beside(self.masks, layer)]
                now = dropout.rate(original, sum(cut.kept for cut in cuts), sum(cut.total for cut in cuts))
            yield DropoutSnapshot(name, layer, original, now)

    def state(self) -> dict[str, Any]:
        """A copy of all that changes: nested dicts of tensors and JSON types, as SCHEMA describes."""
        return {
            "weights": _copied(self.model.state_dict()),
            "masks": self.masks.state_dict(),
            "cut_values": dict(self.cut_values),  # never changed in place
            "early": dict(self.early),
            "dense": dict(self.dense),
            "cuts": {name: vars(cut).copy() for name, cut in self._cuts.items()},
            "dropout_rates": {name: list(pair) for name, pair in self._dropout_rates().items()},
            "dropout_owners": dict(self._owners),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set all to what ``state`` returned. Raises KeyError, RuntimeError or ValueError if the network differs."""
        self.model.load_state_dict(state["weights"])
        self.masks.load_state_dict(state["masks"])
        self.cut_values = _copied({name: state["cut_values"][name] for name in self.masks})
        self.early, self.dense = _copied(state["early"]), _copied(state["dense"])
        self._cuts = {name: Cut(**cut) for name, cut in state["cuts"].items()}
        self._owners = dropout.named_owners(self.model, self.masks, state["dropout_owners"])
        modules: dict[str, Any] = dict(self.model.named_modules())
        for name, (original, now) in state["dropout_rates"].items():
            dropout.set_rate(modules[name], original, now)
            self._original_rates[name] = original

    def _dropout_rates(self) -> dict[str, tuple[float, float]]:
        """(original rate, current rate) of every dropout, by module name."""
        current = dropout.rates(self.model)
        return {name: (self._original_rates[name], rate) for name, rate in current.items()}


def wiring_of(model: nn.Module, example: Tensor) -> Wiring | None:
    """The paths through the model, or None if it cannot be traced: then there is no effective density."""
    with torch_state.process_lock():  # torch.fx patches all modules of the process while it traces
        try:
            return trace(model, example)
        except WiringError:
            return None


def _drawn(weight: Tensor) -> Tensor:
    """What pictures show of weights: complex ones by their magnitude, by which they are ranked too."""
    return weight.detach().abs() if weight.is_complex() else weight.detach()


def _zeroed(twin: nn.Module, masks: Mapping[str, Tensor]) -> nn.Module:
    weights = dict(twin.named_parameters(remove_duplicate=False))  # a tied weight may have its mask under any name
    for name, mask in masks.items():
        zero_(weights[name], mask)
    return twin


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
