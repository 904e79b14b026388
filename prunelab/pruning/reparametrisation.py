"""Weights that a module computes from other parameters: torch.nn.utils.prune, parametrizations, and their forerunners.

``torch.nn.utils.prune``, ``weight_norm`` and ``spectral_norm`` set the weight before each forward pass, by a hook;
``torch.nn.utils.parametrize`` and ``torch.nn.utils.parametrizations`` compute it whenever it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm, remove_spectral_norm
from torch.nn.utils.weight_norm import WeightNorm, remove_weight_norm

from prunelab.pruning.copies import copied
from prunelab.pruning.model_state import checked_module

By = Literal["prune", "parametrize", "weight_norm", "spectral_norm"]


@dataclass(frozen=True, eq=False)
class Computed:
    """A weight that its module computes. path: of the module. name: of the attribute. by: what computes it."""

    path: str
    module: Any
    name: str
    by: By

    @property
    def full_name(self) -> str:
        """The name that the weight has as a parameter."""
        return f"{self.path}.{self.name}" if self.path else self.name

    @property
    def sources(self) -> dict[str, Tensor]:
        """What it is computed from, parameters and buffers, by name within the module."""
        if self.by == "parametrize":
            prefix = f"parametrizations.{self.name}."
            return {prefix + key: value for key, value in self.module.parametrizations[self.name].state_dict().items()}
        known = [f"{self.name}_{part}" for part in ("orig", "mask", "g", "v", "u")]
        return {key: value for key, value in self.module.state_dict(keep_vars=True).items() if key in known}

    def value(self) -> Tensor:
        """The weight as the module uses it in eval mode; the module is not changed."""
        if self.by == "prune":
            origin: Tensor = getattr(self.module, f"{self.name}_orig")
            mask: Tensor = getattr(self.module, f"{self.name}_mask")
            return origin.detach() * mask.to(origin.dtype)
        # In a copy: reading a weight may count as a step (spectral_norm).
        twin = copied(self.module).eval()
        with torch.no_grad():
            for hook in twin._forward_pre_hooks.values():
                if isinstance(hook, WeightNorm | SpectralNorm) and hook.name == self.name:
                    hook(twin, ())
            weight: Tensor = getattr(twin, self.name)
        return weight.detach()

    @property
    def origins(self) -> list[Tensor]:
        """Those of its sources that are parameters: no masks."""
        parameters = dict(self.module.named_parameters(remove_duplicate=False))
        return [value for key, value in self.sources.items() if key in parameters]

    @property
    def cuts(self) -> bool:
        """Whether it has zeros that the parameters it is computed from do not have."""
        return int((self.value() == 0).sum()) > sum(int((value == 0).sum()) for value in self.origins)


def computed(model: nn.Module) -> Iterator[Computed]:
    """Every weight of ``model`` that is computed, modules once."""
    for path, module in list(checked_module(model).named_modules()):
        for name, by in _of(module):
            yield Computed(path, module, name, by)


def sources(module: nn.Module, name: str) -> dict[str, Tensor]:
    """What a weight of ``module`` is computed from, by name within the module; {} for an ordinary parameter."""
    by = dict(_of(module)).get(name)
    return {} if by is None else Computed("", module, name, by).sources


def check_not_pruned(model: nn.Module) -> None:
    """Raise ValueError if anything in ``model`` is under torch.nn.utils.prune: such a model cannot be copied."""
    for weight in computed(model):
        if weight.by == "prune":
            raise ValueError(f"{weight.full_name} {described(weight.module, weight.name)}")


def described(module: nn.Module, name: str) -> str:
    """By what a weight of ``module`` is computed, and how it becomes a parameter again; to follow its name."""
    by = dict(_of(module)).get(name)
    if by is None:
        return "is not a parameter of its layer: register it as one"
    if by == "prune":
        return (
            "is computed from other parameters by torch.nn.utils.prune: take up what that cut with "
            f"Masks.from_torch(model), or remove it with torch.nn.utils.prune.remove(layer, {name!r})"
        )
    if by == "parametrize":
        parametrizations: Any = module.parametrizations
        word = ", ".join(type(each).__name__ for each in parametrizations[name])
        way = f"torch.nn.utils.parametrize.remove_parametrizations(layer, {name!r})"
    else:
        word, way = by, f"torch.nn.utils.remove_{by}(layer, {name!r})"
    return f"is computed from other parameters by {word}: make it one of its present value with {way}"


def effective_state(model: nn.Module | Mapping[str, Tensor]) -> dict[str, Any]:
    """The state dict of ``model``, with what reparametrisations cut as the ordinary weights that they compute.

    That is all that torch.nn.utils.prune did, also in a state dict (``weight_orig`` and ``weight_mask``), and other
    reparametrisations of a module that make zeros. Those that make none, such as a norm, keep their parameters.
    """
    if not isinstance(model, nn.Module):
        return _without_masks(dict(model))
    state: dict[str, Any] = model.state_dict()
    known: dict[int, Tensor] = {}  # by the parameter that torch pruned, so that tied weights stay tied
    for path, module in model.named_modules(remove_duplicate=False):
        for name, by in _of(module):
            weight = Computed(path, module, name, by)
            if by == "prune" or weight.cuts:
                for key in weight.sources:
                    del state[f"{path}.{key}" if path else key]
                value = weight.value()
                if by == "prune":
                    first = known.setdefault(id(getattr(module, f"{name}_orig")), value)
                    value = first if torch.equal(first, value) else value
                state[weight.full_name] = value
    return state


def _without_masks(state: dict[str, Any]) -> dict[str, Any]:
    for key in [key for key in state if isinstance(key, str) and key.endswith("_orig")]:
        name = key.removesuffix("_orig")
        origin, mask = state[key], state.get(f"{name}_mask")
        if name not in state and isinstance(mask, Tensor) and isinstance(origin, Tensor) and mask.shape == origin.shape:
            state[name] = origin.detach() * mask
            del state[key], state[f"{name}_mask"]
    return state


def plain_copy(model: nn.Module) -> nn.Module:
    """A copy in which every computed weight is an ordinary parameter; in eval mode it gives the same outputs."""
    twin = copied(model).eval()
    for module in list(twin.modules()):
        for name, by in list(_of(module)):
            if by == "prune":
                prune.remove(module, name)
            elif by == "weight_norm":
                remove_weight_norm(module, name)
            elif by == "spectral_norm":
                remove_spectral_norm(module, name)
        if parametrize.is_parametrized(module):
            _remove_parametrizations(module)
    return twin


def _remove_parametrizations(module: Any) -> None:
    """As parametrize.remove_parametrizations, for a copy: that would take the property off the class of both."""
    with torch.no_grad():
        values = {
            name: (getattr(module, name).detach().clone(), each) for name, each in module.parametrizations.items()
        }
    module.__class__ = parametrize.type_before_parametrizations(module)
    del module._modules["parametrizations"]
    for name, (value, parametrization) in values.items():
        if any(True for _ in parametrization.parameters(recurse=False)):
            setattr(module, name, nn.Parameter(value, requires_grad=value.is_floating_point() or value.is_complex()))
        else:
            module.register_buffer(name, value)


def _of(module: nn.Module) -> Iterator[tuple[str, By]]:
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, prune.BasePruningMethod):
            yield hook._tensor_name, "prune"
        elif isinstance(hook, WeightNorm):
            yield hook.name, "weight_norm"
        elif isinstance(hook, SpectralNorm):
            yield hook.name, "spectral_norm"
    if parametrize.is_parametrized(module):
        parametrizations: Any = module.parametrizations
        for name in parametrizations:
            yield name, "parametrize"
