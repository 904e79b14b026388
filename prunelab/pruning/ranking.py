"""Selects the largest magnitudes among all layers, without sorting them and without a copy of the weights.

Magnitudes are non-negative, and such floating-point numbers are ordered as their bits are as integers. The smallest one
to keep is found 16 bits at a time, by counting (a radix selection from the highest bits on). Time is linear in the
number of weights, and memory is for one part of a layer at a time, whatever the weights are.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

PART = 1 << 18  # weights that are worked on at once: temporaries of this size stay in the processor's cache
DIGIT = 16  # bits that are counted at once
VALUES = 1 << DIGIT
INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes of a number


def parts(tensor: Tensor) -> Sequence[Tensor]:
    """Consecutive slices of a tensor's first dimension, of about PART elements each (at least one row)."""
    if tensor.dim() == 0 or len(tensor) == 0:
        return (tensor,)
    slices: Sequence[Tensor] = tensor.split(max(1, PART * len(tensor) // max(1, tensor.numel())))
    return slices


def count(mask: Tensor) -> int:
    """Number of True elements. ``mask.sum()`` would need 8 bytes an element, this none."""
    return int(torch.count_nonzero(mask))


def zero_(weights: Tensor, mask: Tensor) -> None:
    """Set the weights outside the mask to zero, in place.

    Their bits are multiplied as whole numbers: NaN becomes zero, too, in a fifth of the time of ``masked_fill_``.
    """
    with torch.no_grad():
        for weight, kept in zip(parts(weights.detach()), parts(mask.to(weights.device)), strict=True):
            if weight.dtype == torch.complex128:  # no whole numbers have 16 bytes
                weight, kept = torch.view_as_real(weight), kept.unsqueeze(-1)
            bits = weight.view(INTEGERS[weight.itemsize])
            bits.mul_(kept.to(bits.dtype))


def at_least(weights: Tensor, among: Tensor, threshold: float) -> Tensor:
    """Mask of the weights in the mask ``among`` whose magnitude is at least ``threshold``.

    torch would round the threshold to the weights' type first; in bfloat16 that is a change of up to 0.4 %.
    """
    mask = torch.empty_like(among)
    bound = representable(threshold, weights.dtype.to_real())
    for weight, candidates, kept in zip(parts(weights), parts(among), parts(mask), strict=True):
        torch.logical_and(weight.abs() >= bound, candidates, out=kept)
    return mask


def representable(number: float, dtype: torch.dtype) -> float:
    """The smallest value of ``dtype``, a floating-point type, that is at least ``number``."""
    rounded = torch.tensor(number, dtype=dtype, device="cpu")
    if float(rounded) < number:
        rounded = torch.nextafter(rounded, rounded.new_tensor(math.inf))
    return float(rounded)


def two_of_four(weights: Tensor, among: Tensor) -> Tensor:
    """Mask of the two largest magnitudes of every four neighbours that are in the mask ``among``.

    weights: (rows, columns), the columns a multiple of four. Of equal magnitudes the lower index wins.
    """
    mask = torch.empty_like(among)
    for weight, candidates, kept in zip(parts(weights), parts(among), parts(mask), strict=True):
        scores = weight.abs().masked_fill(~candidates, -1.0).reshape(-1, 4)  # below every candidate's, zero included
        order = scores.argsort(dim=1, descending=True, stable=True)
        chosen = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, order[:, :2], True)
        torch.logical_and(chosen.view(weight.shape), candidates, out=kept)
    return mask


def largest(weights: Sequence[Tensor], among: Sequence[Tensor], number: int) -> tuple[float | None, list[Tensor]]:
    """Masks of the ``number`` weights of largest magnitude over all tensors, and the smallest magnitude among them.

    Of equal magnitudes the one in the earlier tensor, then the one at the lower index, wins.

    Args:
        weights: Floating-point or complex tensors of any shapes, finite.
        among: A mask for each; only these weights are candidates. If there are fewer than ``number``, all are kept.
        number: At least 1.

    Returns:
        (threshold, masks); the threshold is None if there is no candidate.
    """
    number = min(number, sum(map(count, among)))
    if number == 0:
        return None, [mask.clone() for mask in among]
    dtype = functools.reduce(torch.promote_types, {weight.dtype.to_real() for weight in weights})
    threshold, equals = _smallest_kept(weights, among, number, dtype)
    masks = [torch.empty_like(mask) for mask in among]
    for layer, candidates, mask in zip(weights, among, masks, strict=True):
        for weight, candidate, kept in zip(parts(layer), parts(candidates), parts(mask), strict=True):
            magnitude = weight.abs().to(dtype)
            torch.logical_and(magnitude > threshold, candidate, out=kept)
            equal = (magnitude == threshold) & candidate
            found = count(equal)
            if found > equals:
                equal &= (equal.flatten().cumsum(0) <= equals).view(equal.shape)
            kept |= equal
            equals -= min(found, equals)
    return threshold, masks


def _smallest_kept(
    weights: Sequence[Tensor], among: Sequence[Tensor], number: int, dtype: torch.dtype
) -> tuple[float, int]:
    """The ``number``-th largest magnitude as ``dtype``, and how many of those equal to it are among the ``number``."""
    integers = INTEGERS[dtype.itemsize]
    bits = 8 * dtype.itemsize
    prefix = 0  # the bits that are known, of the magnitude that is looked for
    for shift in range(max(bits - DIGIT, 0), -1, -DIGIT):
        counts = torch.zeros(VALUES, dtype=torch.int64, device="cpu")
        for magnitudes in _magnitudes(weights, among):
            pattern = magnitudes.to(dtype).view(integers)
            if shift < bits - DIGIT:
                pattern = pattern[pattern >> (shift + DIGIT) == prefix]
            counts += torch.bincount((pattern >> shift) & (VALUES - 1), minlength=VALUES).cpu()
        from_above = counts.flip(0).cumsum(0)
        place = int(torch.searchsorted(from_above, number))
        digit = VALUES - 1 - place
        number -= int(from_above[place] - counts[digit])
        prefix = prefix << DIGIT | digit
    return float(torch.tensor(prefix, dtype=integers, device="cpu").view(dtype)), number


def _magnitudes(weights: Sequence[Tensor], among: Sequence[Tensor]) -> Iterator[Tensor]:
    """Magnitudes of the candidates, one flat part at a time."""
    for layer, mask in zip(weights, among, strict=True):
        for weight, candidate in zip(parts(layer), parts(mask), strict=True):
            magnitude = weight.abs()
            yield magnitude.flatten() if bool(candidate.all()) else magnitude[candidate]
