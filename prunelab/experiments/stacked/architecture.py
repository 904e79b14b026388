"""What all networks of a stack have in common, found out once, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunelab import errors, torch_state
from prunelab.errors import SessionError
from prunelab.experiments.stacked import noise
from prunelab.experiments.stacked.groups import Build, Job
from prunelab.experiments.stacked.noise import Shapes
from prunelab.experiments.stacked.stack import Stack, shell
from prunelab.pruning import dropout, planning
from prunelab.pruning.copies import copied
from prunelab.pruning.effective import Wiring
from prunelab.pruning.masks import Masks
from prunelab.sessions.pruned_model import wiring_of
from prunelab.sessions.validation import arguments, model_checks
from prunelab.torch_state import held


@dataclass(frozen=True, eq=False)
class Architecture:
    """shapes: of what the dropouts are applied to. owners: {dropout: the layer whose connections set its rate}.

    wiring: the paths through the network; None if they cannot be determined. threads: how many of torch's are fastest.
    """

    shapes: Shapes
    owners: dict[str, str]
    wiring: Wiring | None
    threads: int


def architecture(group: Sequence[Job], build: Build | None, device: torch.device) -> Architecture:
    """The architecture of a group's networks.

    Raises SessionError, or ValueError, if the networks do not fit the data or their recipes, or cannot be stacked.
    """
    job = group[0]
    model = new_network(job, build, device)
    (x, _), (test_x, test_y) = arguments.tensors(model, job.data)
    model_checks.check(model, job.data, (test_x[:2], test_y[:2]), job.recipe.batch_size)
    masks = _dense_masks(model)
    for other in group:
        planning.check(masks, other.recipe)
    if (words := masks.untold()) is not None:
        errors.warn(words, errors.CoverageWarning, stacklevel=4)
    found = dropout.find(model, masks, x[:2])
    if any(other.recipe.adjust_dropout for other in group):
        found.warn(stacklevel=5)
    shapes = noise.shapes(model, x[:2])
    wiring = wiring_of(model, x[:2])
    _try(model, shapes, x[:2])
    threads = torch_state.threads_for(masks.total, job.recipe.batch_size)  # as for one: a batch of small products
    return Architecture(shapes, found.owners, wiring, threads)


def new_network(job: Job, build: Build | None, device: torch.device) -> nn.Module:
    """The job's network with new weights."""
    model = arguments.model_of(job.recipe, job.data) if build is None else build(job.given)
    return model.to(device)


def _dense_masks(model: nn.Module) -> Masks:
    masks = Masks(model)
    cut = [name for name in masks if 0 < int(masks.weight(name).count_nonzero()) < masks[name].numel()]
    if cut:
        raise SessionError(
            f"{', '.join(cut)}: a session takes zeros as cut; stacked networks start dense. Run these by sessions"
        )
    return masks


def _try(model: nn.Module, shapes: Shapes, x: Tensor) -> None:
    """One step's passes of two networks, on copies. SessionError if they fail, or compute something else than alone."""
    y = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    try:
        stack = Stack([shell(model), shell(model)], 2, shapes)
        factors = noise.draw(shapes, [0, 0], [dict.fromkeys(shapes, 0.0)] * 2, len(x), x)
        losses, _ = stack.losses_and_gradients(torch.stack([x, x]), torch.stack([y, y]), factors)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        raise _refusal(model, str(error).strip().split("\n")[0]) from error
    alone = _loss_alone(model, shapes, x, y)
    if not torch.allclose(losses, alone, rtol=1e-3, atol=1e-4):
        raise _refusal(model, f"their loss is {losses.tolist()} stacked, and {float(alone)} alone")


def _loss_alone(model: nn.Module, shapes: Shapes, x: Tensor, y: Tensor) -> Tensor:
    """The loss of a copy in training mode, without dropout."""
    frozen = {name for name, module in model.named_modules() if module in held(model)}
    twin = copied(model).train()
    for name, module in twin.named_modules():
        if name in frozen:
            module.eval()
        elif name in shapes and isinstance(module, nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        return F.cross_entropy(twin(x), y)


def _refusal(model: nn.Module, reason: str) -> SessionError:
    return SessionError(
        f"networks like this {type(model).__name__} cannot be stacked: {reason}. Run these recipes by sessions"
    )
