"""Converts tensors to the arrays of a snapshot: masks as bits, histograms, strongest connections."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunelab.formatting import round_up
from prunelab.pruning.ranking import parts
from prunelab.results.snapshot import BINS, STRONGEST


def pack(mask: Tensor) -> bytes:
    """A mask as bytes, one bit per connection."""
    return np.packbits(mask.cpu().numpy()).tobytes()


def strongest(weights: Tensor, mask: Tensor) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(flat indices, weights) of the up to STRONGEST survivors of largest magnitude, largest first.

    Looked for in one part of the layer after another, among those above the least of the strongest so far: few, soon.
    """
    indices = torch.empty(0, dtype=torch.int64, device="cpu")
    values = torch.empty(0, dtype=torch.float32, device="cpu")
    least, start = 0.0, 0
    for part, kept in zip(parts(weights.detach()), parts(mask), strict=True):
        magnitude = (part.abs().float() * kept.float()).flatten()
        found = (magnitude > least).nonzero().flatten() if least else kept.flatten().nonzero().flatten()
        indices = torch.cat([indices, (found + start).cpu()])
        values = torch.cat([values, part.flatten()[found].float().cpu()])
        order = values.abs().topk(min(STRONGEST, len(values))).indices
        indices, values = indices[order], values[order]
        least = float(values[-1].abs()) if len(values) == STRONGEST else 0.0
        start += part.numel()
    return indices.to(torch.int32).numpy(), values.numpy()


def classes(predicted: Tensor) -> NDArray[np.uint8] | NDArray[np.int32]:
    """Predicted classes as uint8 if all are below 256, else int32: a history holds hundreds of these arrays."""
    numbers = predicted.cpu().numpy()
    return numbers.astype(np.uint8) if numbers.max(initial=0) < 256 else numbers.astype(np.int32)


def histograms(
    weights: Tensor, cut_values: Tensor, mask: Tensor, before: Tensor | None = None
) -> tuple[float, NDArray[np.int32], NDArray[np.int32]]:
    """(limit, counts of kept, counts of cut) with BINS bins over [-limit, limit].

    weights: the layer's. cut_values: values of the cut weights at the time of the cut, counted where ``mask`` is False.
    before: the mask before a cut that is only planned: what that would cut counts at its current value. NaN and
    infinite values have no bin and are left out.
    """
    limit = 0.0
    for values, _ in _drawn(weights, cut_values, mask, before):
        limit = max(limit, float(np.abs(values).max(initial=0.0)))
    limit = round_up(max(limit, 1e-12))  # rounded, so that snapshots of a run share their bins and can be compared
    counts = np.zeros(2 * BINS, np.int64)
    for values, kept in _drawn(weights, cut_values, mask, before):
        # bincount over computed indices is three times as fast as numpy's or torch's histogram on equal bins
        index = ((values + limit) * (BINS * (1 - 1e-6) / (2 * limit))).astype(np.intp)
        index += kept * BINS
        counts += np.bincount(index, minlength=2 * BINS)
    return limit, counts[BINS:].astype(np.int32), counts[:BINS].astype(np.int32)


def _drawn(
    weights: Tensor, cut_values: Tensor, mask: Tensor, before: Tensor | None
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """The finite values that a histogram counts, and which of them are kept, one flat part of a layer at a time."""
    tensors = (weights.detach(), cut_values, mask, mask if before is None else before)
    for part in zip(*map(parts, tensors), strict=True):
        weight, cut_value, kept, current = (
            (piece.float() if piece.is_floating_point() else piece).cpu().numpy().ravel() for piece in part
        )
        values = np.where(current | kept, weight, cut_value)  # what a plan brings back begins at its weight, zero
        if not np.isfinite(values).all():  # a network that has just diverged must still be drawn
            finite = np.isfinite(values)
            values, kept = values[finite], kept[finite]
        yield values, kept
