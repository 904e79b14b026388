"""One training step, with learning rate, sample order and seeds. Plain functions over tensors.

All randomness is derived from numbers (seed, epoch, step), not from a stream whose state would have to be saved, so
that a run can resume at any batch, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from prunelab.errors import SessionError
from prunelab.torch_state import mix as mix
from prunelab.training.objective import CLASSIFICATION, LossAndMetric


def cosine(rate: float, step: int, steps: int) -> float:
    """Learning rate of ``step`` (0 to steps - 1): half a cosine, from ``rate`` down to 0 at ``steps``."""
    return rate * 0.5 * (1.0 + math.cos(math.pi * step / steps))


def training_step(
    model: nn.Module,
    optimizer: Optimizer,
    x: Tensor,
    y: Tensor,
    *,
    l1: float = 0.0,
    weights: Sequence[Tensor] = (),
    frozen: Sequence[nn.Module] = (),
    functions: LossAndMetric = CLASSIFICATION,
) -> tuple[float, float | None]:
    """One step on one batch; returns the mean loss and the accuracy, None under another metric.

    l1: factor of the penalty sum(|w|) over ``weights``, added as its gradient l1 x sign(w), w / |w| for complex ones;
    the returned loss excludes it. frozen: modules that stay in eval mode. If the loss is not finite, the step is
    skipped and returns (loss, None).
    Raises SessionError if the loss depends on no parameter that is trained.
    """
    model.train()
    for module in frozen:
        module.eval()
    optimizer.zero_grad(set_to_none=True)
    with torch.enable_grad():  # whatever the caller has switched off
        output = model(x)
        loss = functions.loss(output, y)
    value = float(loss.detach())
    if not math.isfinite(value):
        return value, None
    if not loss.requires_grad:
        raise SessionError(
            "nothing can learn here, the loss depends on no parameter that is trained: all have requires_grad = False, "
            "or the forward pass is cut off from them by detach, no_grad or inference_mode"
        )
    loss.backward()
    if l1:
        weights_and_grads = [(w, w.grad) for w in weights if w.grad is not None]
        with torch.no_grad():
            signs = [w.sgn() for w, _ in weights_and_grads]  # of complex weights, too
            torch._foreach_add_([grad for _, grad in weights_and_grads], signs, alpha=l1)
    optimizer.step()
    return value, functions.score(output.detach(), y) if functions.counts_classes else None


def shuffled(samples: int, seed: int) -> Tensor:
    """The order of the samples in an epoch: a permutation determined by the arguments."""
    return torch.randperm(samples, generator=torch.Generator().manual_seed(seed), device="cpu")
