"""Networks of one architecture as one: every parameter stacked, with a first dimension of networks."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunelab.errors import SessionError
from prunelab.experiments.stacked.forward import Tensors, stacked_forward
from prunelab.experiments.stacked.noise import Shapes


class Stack:
    """Stacked parameters and buffers. The parameters of the models are views of them: one memory for both.

    So a single network is cut and tested as ever, and a step trains all of them. parameters, buffers: {name: (networks,
    ...)}. models: changed, by ``take`` too; each is of the same architecture.
    """

    def __init__(self, models: Sequence[nn.Module], shapes: Shapes) -> None:
        _check_alike(models)
        self.models = list(models)
        self.shapes = shapes
        self._forward = stacked_forward(models[0])
        parameters = [dict(model.named_parameters()) for model in models]
        buffers = [dict(model.named_buffers()) for model in models]
        self.trained = [name for name, parameter in parameters[0].items() if parameter.requires_grad]
        self.parameters = {n: torch.stack([own[n].detach() for own in parameters]) for n in parameters[0]}
        self.buffers = {n: torch.stack([own[n] for own in buffers]) for n in buffers[0]}
        self._view()

    def __len__(self) -> int:
        return len(self.models)

    def take(self, chosen: Sequence[int], models: Sequence[nn.Module]) -> None:
        """Go on with these networks, by number; one may be chosen several times. models: what holds them from now on.

        One tensor after another is copied, so that memory is needed for one of them twice, not for all.
        """
        self.models = list(models)
        for tensors in (self.parameters, self.buffers):
            for name, stacked in tensors.items():
                tensors[name] = stacked[torch.tensor(chosen, device=stacked.device)]
                self._view([name])
                del stacked

    def _view(self, names: Sequence[str] | None = None) -> None:
        """Make the models' parameters and buffers views of the stacked ones."""
        for number, model in enumerate(self.models):
            for own in (model.named_parameters(), model.named_buffers()):
                for name, tensor in own:
                    if names is None or name in names:
                        tensor.data = (self.parameters.get(name, self.buffers.get(name)))[number]  # type: ignore[index]

    def losses_and_gradients(self, x: Tensor, y: Tensor, noise: Tensors) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean cross-entropy of each network, (networks,), and the gradients of what is trained, by name.

        x: (networks, batch, ...). y: classes, (networks, batch). A parameter that the loss does not depend on has none.
        """
        trained = {name: self.parameters[name].requires_grad_() for name in self.trained}
        try:
            with torch.enable_grad():
                output = self._forward({**self.parameters, **self.buffers}, x, noise)
                each = F.cross_entropy(output.flatten(0, 1), y.flatten(), reduction="none")
                losses = each.view(y.shape).mean(1)
                found = torch.autograd.grad(losses.sum(), list(trained.values()), allow_unused=True)
        finally:
            for parameter in trained.values():
                parameter.requires_grad_(False)
        return losses.detach(), _separate({n: g for n, g in zip(trained, found, strict=True) if g is not None})


def shell(model: nn.Module) -> nn.Module:
    """A copy of ``model`` over the same parameters and buffers in memory, until a stack gives it others."""
    memo: dict[int, object] = {id(p): nn.Parameter(p.detach(), p.requires_grad) for p in model.parameters()}
    memo |= {id(buffer): buffer.detach() for buffer in model.buffers()}
    return copy.deepcopy(model, memo)


def _separate(gradients: dict[str, Tensor]) -> dict[str, Tensor]:
    """The gradients, each in memory of its own, to be changed in place: autograd may use one tensor for several."""
    seen: set[int] = set()
    for name, gradient in gradients.items():
        if gradient.data_ptr() in seen or not gradient.is_contiguous():
            gradients[name] = gradient = gradient.clone(memory_format=torch.contiguous_format)
        seen.add(gradient.data_ptr())
    return gradients


def _check_alike(models: Sequence[nn.Module]) -> None:
    first = {name: tensor.shape for name, tensor in models[0].state_dict().items()}
    for model in models[1:]:
        if {name: tensor.shape for name, tensor in model.state_dict().items()} != first:
            raise SessionError("model=: it builds networks of several architectures; only equal ones can be stacked")


def stacked_factors(masks: Sequence[Mapping[str, Tensor]], parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Masks as 0 and 1, {name: (networks, ...)}, of the weights of which any network has cut some."""
    factors = {}
    for name in masks[0]:
        if not all(bool(own[name].all()) for own in masks):
            parameter = parameters[name]
            factor = factors[name] = torch.empty_like(parameter)
            for number, own in enumerate(masks):
                factor[number] = own[name]
    return factors
