"""Keeps cut weights at zero in any training loop.

Three measures are needed. Weights are masked after each optimizer step, because momentum, Adam's moments and weight
decay would move them. The optimizer's moments are cleared at every cut. Gradients are masked as they are accumulated,
so that ``clip_grad_norm_`` sees only the norm of the survivors.

What an optimizer holds, and which weights are trained, is asked at every step and never remembered: groups join later,
layers are thawed later, and an optimizer may be wrapped or replaced. Where a step has to be replaced to be heard of, a
caller may still hold the old one: then the weights are looked at with every gradient.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from prunelab.errors import MaskError
from prunelab.pruning import optimizer_steps
from prunelab.pruning.optimizer_steps import WATCH
from prunelab.pruning.ranking import parts, zero_

STEP_SIZE = "step_size"  # of Rprop, for each weight; no moment: without it, a weight that comes back would stay at zero


class Enforcement:
    """Keeps cut entries of ``parameters`` (by name) at zero. Nothing is cut until ``hold`` is called."""

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self._parameters = parameters
        self._names = {id(parameter): name for name, parameter in parameters.items()}
        self._masks: dict[str, Tensor] = {}  # only of layers with cuts
        self._factors: dict[str, Tensor] = {}  # the masks as 0 and 1, made when first needed: 4 bytes a weight
        self._attached = 0
        self._replaced: list[str] = []  # classes of optimizers whose step was replaced
        self._gradient_hooks: list[Any] = []  # there while anything is attached
        self._optimizers: weakref.WeakSet[Any] = weakref.WeakSet()  # those that have moved these weights, or may

    def hold(self, masks: Mapping[str, Tensor]) -> None:
        """Enforce these masks from now on and apply them at once; layers that are not named have no cuts."""
        self._masks = dict(masks)
        self._factors = {name: factor.copy_(masks[name]) for name, factor in self._factors.items() if name in masks}
        self.apply()
        if self._attached:
            self._clear(self._optimizers)

    def apply(self) -> None:
        """Set every cut weight to zero now."""
        for name, mask in self._masks.items():
            zero_(self._parameters[name], mask)

    def holds(self) -> bool:
        """Whether every cut weight is exactly zero."""
        return all(_is_cut(weight, mask) for name in self._masks for weight, mask in self._parts(name))

    def _parts(self, name: str) -> Iterator[tuple[Tensor, Tensor]]:
        """A layer's weights and its mask, one part after another, so that temporaries stay small."""
        weight = self._parameters[name].detach()
        return zip(parts(weight), parts(self._masks[name].to(weight.device)), strict=True)

    def attach(self, optimizer: Any) -> Attachment:
        """Keep cut weights at zero after every step of ``optimizer``; see ``Masks.attach``."""
        optimizers = optimizer_steps.with_inner(optimizer)
        if not any(id(p) in self._names for known in optimizers for p in optimizer_steps.parameters(known)):
            raise ValueError("this optimizer holds none of the weights that have a mask; is it another model's?")
        stops = optimizer_steps.listen(optimizers, self._stepped)
        replaced = type(optimizer).__name__ if stops else ""
        if not self._attached:
            WATCH.add(self._stepped)
            self._gradient_hooks = [self._hook_gradient(name) for name in self._parameters if self._trainable(name)]
        self._attached += 1
        self._replaced.append(replaced)
        self._optimizers.update(optimizers)
        self._clear(optimizers)
        return Attachment([*stops, lambda: self._detach(replaced)])

    def _detach(self, replaced: str) -> None:
        self._attached -= 1
        self._replaced.remove(replaced)
        if self._attached:
            return
        WATCH.discard(self._stepped)
        for hook in self._gradient_hooks:
            hook.remove()
        self._gradient_hooks = []
        self._optimizers.clear()

    def _stepped(self, optimizer: Any) -> None:
        """``optimizer`` has made a step; it may be any, also one that holds none of these weights."""
        moved = [self._names[id(p)] for p in optimizer_steps.parameters(optimizer) if id(p) in self._names]
        if moved:
            self._optimizers.add(optimizer)
            self._enforce(moved)

    def _trainable(self, name: str) -> bool:
        """Whether this weight can get gradients, now or after ``requires_grad_``."""
        parameter = self._parameters[name]
        return (parameter.is_floating_point() or parameter.is_complex()) and not parameter.is_inference()

    def _hook_gradient(self, name: str) -> Any:
        def mask_gradient(parameter: Tensor) -> None:
            factor = self._factor(name)
            if factor is None or parameter.grad is None:
                return
            if any(self._replaced) and not all(_is_cut(weight, mask) for weight, mask in self._parts(name)):
                optimizers = " or ".join(filter(None, self._replaced))
                raise MaskError(
                    f"{name}: cut weights are not zero any more. If {optimizers}.step was kept or compiled before "
                    "masks.attach, do that anew; after loading weights call masks.apply()"
                )
            parameter.grad.mul_(factor)

        parameter = self._parameters[name]
        frozen = not parameter.requires_grad
        parameter.requires_grad_(True)  # torch takes hooks only then; the layer may be thawed at any time
        handle = parameter.register_post_accumulate_grad_hook(mask_gradient)
        parameter.requires_grad_(not frozen)
        return handle

    def _enforce(self, names: Iterable[str]) -> None:
        if not self._masks:  # nothing is cut: dense training has no overhead
            return
        factors = [(self._parameters[name], self._factor(name)) for name in names]
        pairs = [(p, f) for p, f in factors if f is not None]
        half = [(p, f) for p, f in pairs if p.dtype == torch.float16]
        pairs = [(p, f) for p, f in pairs if p.dtype != torch.float16]
        with torch.no_grad():
            if pairs:  # one fused call: multiplying layer by layer takes twice as long on small networks
                torch._foreach_mul_([p for p, _ in pairs], [f for _, f in pairs])
            for parameter, factor in half:  # Adam's eps rounds to 0 in this type, and without a gradient 0 / 0 is NaN
                parameter.masked_fill_(factor == 0, 0)

    def _factor(self, name: str) -> Tensor | None:
        """The mask as 0 and 1, on the weights' current device and dtype; None for a layer without cuts."""
        mask, factor, parameter = self._masks.get(name), self._factors.get(name), self._parameters[name]
        if mask is None:
            return None
        if factor is None or factor.device != parameter.device or factor.dtype != parameter.dtype:
            factor = self._factors[name] = mask.to(parameter.device, parameter.dtype)
        return factor

    def _clear(self, optimizers: Iterable[Any]) -> None:
        """Set gradients and moments of cut weights to zero."""
        known = tuple(optimizers)
        for name, parameter in self._parameters.items():
            factor = self._factor(name)
            if factor is None:
                continue
            if parameter.grad is not None:
                parameter.grad.detach().mul_(factor)
            for optimizer in known:
                for key, moment in optimizer_steps.moments(optimizer, parameter).items():
                    if key == STEP_SIZE or not isinstance(moment, Tensor) or moment.shape != parameter.shape:
                        continue
                    if moment.is_floating_point():  # integers are codes, where 0 does not stand for zero
                        moment.mul_(factor.to(moment.device, moment.dtype))


def _is_cut(weight: Tensor, mask: Tensor) -> bool:
    """Whether all is zero where ``mask`` is False; survivors may be anything, NaN included."""
    return not bool(weight.masked_fill(mask, 0).any())


class Attachment:
    """Hooks that enforce masks on one optimizer. ``remove`` takes them off; calling it again does nothing."""

    def __init__(self, stops: list[Callable[[], None]]) -> None:
        self._stops = stops

    def remove(self) -> None:
        """Leave the optimizer as it was; cut weights are no longer kept at zero, unless another is attached."""
        for stop in self._stops:
            stop()
        self._stops = []
