"""Keeps cut weights at zero in any training loop.

Three measures are needed. Weights are masked after each optimizer step, because momentum, Adam's moments and weight
decay would move them. The optimizer's moments are cleared at every cut. Gradients are masked as they are accumulated,
so that ``clip_grad_norm_`` sees only the norm of the survivors.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class Enforcement:
    """Keeps cut entries of ``parameters`` (by name) at zero. Nothing is cut until ``hold`` is called."""

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self._parameters = parameters
        self._factors: dict[str, Tensor] = {}  # masks as 0 and 1, only for layers with cuts
        # Number of attachments of each optimizer; it is dropped when the last one is removed.
        self._optimizers: weakref.WeakKeyDictionary[Optimizer, int] = weakref.WeakKeyDictionary()

    def hold(self, masks: Mapping[str, Tensor]) -> None:
        """Enforce these masks from now on and apply them at once; layers that are not named have no cuts."""
        self._factors = {name: mask.to(self._parameters[name].dtype) for name, mask in masks.items()}
        self.apply()
        for optimizer in tuple(self._optimizers):
            self._clear_moments(optimizer)

    def apply(self) -> None:
        """Set every cut weight to zero now."""
        self._enforce(self._parameters)

    def holds(self) -> bool:
        """Whether every cut weight is exactly zero."""
        pairs = ((parameter.detach(), self._factor(name)) for name, parameter in self._parameters.items())
        return all(factor is None or torch.equal(weight * factor, weight) for weight, factor in pairs)

    def attach(self, optimizer: Optimizer) -> Attachment:
        """Keep cut weights at zero after every step of ``optimizer``; see ``Masks.attach``."""
        parameter_ids = {id(p) for group in optimizer.param_groups for p in group["params"]}
        names = tuple(name for name, p in self._parameters.items() if id(p) in parameter_ids)
        if not names:
            raise ValueError("this optimizer holds none of the weights that have a mask; is it another model's?")
        handles: list[Any] = [optimizer.register_step_post_hook(lambda *_: self._enforce(names))]
        for name in names:
            parameter = self._parameters[name]
            if parameter.requires_grad:
                handles.append(parameter.register_post_accumulate_grad_hook(self._gradient_hook(name)))
        self._optimizers[optimizer] = self._optimizers.get(optimizer, 0) + 1
        self._clear_moments(optimizer)
        return Attachment(handles, lambda: self._forget(optimizer))

    def _forget(self, optimizer: Optimizer) -> None:
        self._optimizers[optimizer] -= 1
        if not self._optimizers[optimizer]:
            del self._optimizers[optimizer]

    def _gradient_hook(self, name: str) -> Callable[[Tensor], None]:
        def mask_gradient(parameter: Tensor) -> None:
            factor = self._factor(name)
            if factor is not None and parameter.grad is not None:
                parameter.grad.mul_(factor)

        return mask_gradient

    def _enforce(self, names: Iterable[str]) -> None:
        if not self._factors:  # nothing is cut: dense training has no overhead
            return
        factors = [(self._parameters[name], self._factor(name)) for name in names]
        pairs = [(p, f) for p, f in factors if f is not None]
        if pairs:  # one fused call: multiplying layer by layer takes twice as long on small networks
            with torch.no_grad():
                torch._foreach_mul_([p for p, _ in pairs], [f for _, f in pairs])

    def _factor(self, name: str) -> Tensor | None:
        """The mask as 0 and 1, on the weights' current device and dtype; None for a layer without cuts."""
        factor, parameter = self._factors.get(name), self._parameters[name]
        if factor is None or (factor.device == parameter.device and factor.dtype == parameter.dtype):
            return factor
        self._factors[name] = factor.to(parameter.device, parameter.dtype)
        return self._factors[name]

    def _clear_moments(self, optimizer: Optimizer) -> None:
        for name, parameter in self._parameters.items():
            factor = self._factor(name)
            if factor is None:
                continue
            for moment in optimizer.state.get(parameter, {}).values():
                if isinstance(moment, Tensor) and moment.shape == parameter.shape:
                    moment.mul_(factor.to(moment.device, moment.dtype))


class Attachment:
    """Hooks that enforce masks on one optimizer. ``remove`` takes them off; calling it again does nothing."""

    def __init__(self, handles: list[Any], forget: Callable[[], None]) -> None:
        self._handles = handles
        self._forget = forget

    def remove(self) -> None:
        if self._handles:
            for handle in self._handles:
                handle.remove()
            self._handles = []
            self._forget()
