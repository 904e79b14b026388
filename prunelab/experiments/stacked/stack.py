"""Networks of one architecture as one: every parameter stacked, with a first dimension of networks."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunelab.errors import SessionError
from prunelab.experiments.stacked.forward import Tensors, stacked_forward
from prunelab.experiments.stacked.noise import Shapes


class Stack:
    """Stacked parameters and buffers. The parameters of the models are views of them: one memory for both.

    So a single network is cut and tested as ever, and a step trains all of them. parameters, buffers: {name: (networks,
    ...)}. trained: the parameters that are. models: ``count`` of one architecture; each is taken up, and its own memory
    let go, before the next one is asked for. shapes: of what the dropouts are applied to.
    """

    def __init__(self, models: Iterable[nn.Module], count: int, shapes: Shapes) -> None:
        self.models: list[nn.Module] = []
        self.shapes = shapes
        for model in models:
            if not self.models:
                self._forward = stacked_forward(model)
                self.trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
                self.parameters = {n: p.detach().new_empty(count, *p.shape) for n, p in model.named_parameters()}
                self.buffers = {name: b.new_empty(count, *b.shape) for name, b in model.named_buffers()}
            self._check(model)
            for name, tensor in _tensors(model):
                self._stacked(name)[len(self.models)] = tensor.detach()
            self._view(model, len(self.models))
            self.models.append(model)

    def __len__(self) -> int:
        return len(self.models)

    def take(self, chosen: Sequence[int], models: Sequence[nn.Module]) -> None:
        """Go on with these networks, by number, one or several times each. models: what holds them from now on."""
        self.models = list(models)
        for tensors in (self.parameters, self.buffers):
            for name, stacked in tensors.items():
                tensors[name] = stacked[torch.tensor(chosen, device=stacked.device)]
                del stacked
        for number, model in enumerate(self.models):
            self._view(model, number)

    def _view(self, model: nn.Module, number: int) -> None:
        """Make the parameters and buffers of a model views of the stacked ones."""
        for name, tensor in _tensors(model):
            tensor.data = self._stacked(name)[number]

    def _stacked(self, name: str) -> Tensor:
        return self.parameters[name] if name in self.parameters else self.buffers[name]

    def _check(self, model: nn.Module) -> None:
        """Raise SessionError unless the model is of the stack's architecture."""
        shapes = {name: stacked.shape[1:] for name, stacked in (*self.parameters.items(), *self.buffers.items())}
        if {name: tensor.shape for name, tensor in _tensors(model)} != shapes:
            raise SessionError("model=: it builds networks of several architectures; only equal ones can be stacked")

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
    """The gradients, each in memory of its own, to be changed in place.

    Autograd may use one tensor for several, or expand a number.
    """
    seen: set[int] = set()
    for name, gradient in gradients.items():
        expanded = any(stride == 0 and size > 1 for stride, size in zip(gradient.stride(), gradient.shape, strict=True))
        if gradient.data_ptr() in seen or expanded:
            gradients[name] = gradient = gradient.clone(memory_format=torch.contiguous_format)
        seen.add(gradient.data_ptr())
    return gradients


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


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
