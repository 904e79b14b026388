"""Paths of a whole model, and of one under masks."""

import torch
from torch import nn

import prunelab as pl
from prunelab.pruning.effective import Effective, trace


def ones_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: torch.ones_like(mask) for name, mask in pl.Masks(model).items()}


def effective_of(model: nn.Module, example, masks) -> Effective:
    return trace(model, example).effective(masks)
