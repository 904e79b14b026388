"""Distillation: the network learns from what another one says, beside the labels."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor
from torch.nn import functional as F

from prunelab.training.objective import LossAndMetric

TEMPERATURE = 4.0  # both outputs are divided by it: the higher, the more the wrong classes say


def divergence(output: Tensor, teacher: Tensor) -> Tensor:
    """Mean over a batch of TEMPERATURE^2 x KL(teacher || output), of the classes' softened probabilities.

    output, teacher: (N, classes), scores before any softmax. The factor makes gradients as large as the labels' are.
    Source: Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network", section 2.
    """
    own, wanted = F.log_softmax(output / TEMPERATURE, 1), F.softmax(teacher / TEMPERATURE, 1)
    return F.kl_div(own, wanted, reduction="batchmean") * TEMPERATURE**2


def distilling(functions: LossAndMetric, teacher: Tensor, share: float) -> LossAndMetric:
    """``functions`` with a loss whose part ``share`` (0 to 1) compares with the teacher's scores for this batch."""

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return (1 - share) * functions.loss(output, target) + share * divergence(output, teacher)

    return replace(functions, loss=loss)
