"""Tensors into the arrays of a snapshot: masks as bits, histograms, strongest connections."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunelab.formatting import round_up
from prunelab.results.snapshot import BINS, STRONGEST


def pack(mask: Tensor) -> bytes:
    """A mask as bytes, one bit a connection."""
    return np.packbits(mask.cpu().numpy()).tobytes()


def strongest(weights: Tensor, mask: Tensor) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(flat indices, weights) of the up to STRONGEST survivors of largest magnitude, largest first."""
    flat = (weights.detach().float() * mask).flatten()
    order = flat.abs().topk(min(STRONGEST, flat.numel())).indices
    order = order[mask.flatten()[order]]
    return order.to(torch.int32).cpu().numpy(), flat[order].cpu().numpy()


def classes(predicted: Tensor) -> NDArray[np.uint8] | NDArray[np.int32]:
    """Predicted classes in as few bytes as they need: a history holds hundreds of these."""
    numbers = predicted.cpu().numpy()
    return numbers.astype(np.uint8) if numbers.max(initial=0) < 256 else numbers.astype(np.int32)


def histograms(weights: Tensor, cut_values: Tensor, mask: Tensor) -> tuple[float, NDArray[np.int32], NDArray[np.int32]]:
    """(limit, counts of kept, counts of cut) with BINS bins over [-limit, limit].

    weights: of the layer. cut_values: what cut weights were worth; they count where ``mask`` is False. NaN and infinite
    values have no bin: they are left out.
    """
    kept = mask.detach().cpu().numpy().ravel()
    values = np.where(kept, weights.detach().float().cpu().numpy().ravel(), cut_values.cpu().numpy().ravel())
    limit = float(np.abs(values).max())
    if not np.isfinite(limit):  # a network that has just diverged must still be seen
        finite = np.isfinite(values)
        values, kept = values[finite], kept[finite]
        limit = float(np.abs(values).max(initial=0.0))
    limit = round_up(max(limit, 1e-12))  # moments of a run can be compared bin by bin
    # bincount over computed indices: three times as fast as numpy's or torch's histogram on equal bins
    index = ((values + limit) * (BINS * (1 - 1e-6) / (2 * limit))).astype(np.intp)
    index += kept * BINS
    counts = np.bincount(index, minlength=2 * BINS).astype(np.int32)
    return limit, counts[BINS:], counts[:BINS]
