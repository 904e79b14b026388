"""Which connections of a tensor of weights survive. Pure functions, tensors in, boolean masks out.

A mask is True where a connection is kept. None of these looks at anything but its arguments: what was pruned before,
and by which rule, is the business of ``masks.py``.
"""

from __future__ import annotations

import math
import numbers

import torch
from torch import Tensor


def deviation(weights: Tensor) -> float:
    """Standard deviation of ``weights`` (any shape, not empty): of the population, in double precision.

    The paper does not say which: with the thousands of weights of a layer, population and sample are the same number.
    """
    if weights.numel() == 0:
        raise ValueError("the deviation of no weights at all is not defined")
    return float(weights.detach().double().std(correction=0))


def threshold(weights: Tensor, quality: float) -> float:
    """Magnitude below which connections are cut: ``quality`` (>= 0, no unit) times the deviation of ``weights``.

    weights: any shape; leave out pruned zeros, they would shrink the deviation. Raises ValueError for an empty tensor
    and for a quality that is negative or not finite. Source: Han et al. 2015, section 3.
    """
    return check_quality(quality) * deviation(weights)


def at_least(weights: Tensor, threshold: float) -> Tensor:
    """Mask of the weights whose magnitude is not below ``threshold``."""
    return weights.detach().abs() >= threshold


def largest(scores: Tensor, count: int) -> Tensor:
    """Mask of exactly ``count`` highest ``scores`` (any shape; ties go to the lower index)."""
    flat = scores.detach().flatten()
    order = torch.sort(flat, descending=True, stable=True).indices
    mask = torch.zeros(flat.shape, dtype=torch.bool, device=flat.device)
    mask[order[:count]] = True
    return mask.view(scores.shape)


def row_scores(weights: Tensor) -> Tensor:
    """Root mean square of each output neuron's or filter's weights, shape (outputs,).

    weights: outputs first, as Linear and Conv have them; for a transposed convolution see ``outputs_first``.
    The mean, not the sum: rows of different lengths compare, so that one ranking can span layers.
    """
    return weights.detach().flatten(1).square().mean(1).sqrt()


def outputs_first(weights: Tensor, groups: int) -> Tensor:
    """A transposed convolution's ``weights``, (inputs, outputs / groups, ...), as (outputs, inputs / groups, ...)."""
    in_groups: Tensor = weights.unflatten(0, (groups, -1))
    return in_groups.transpose(1, 2).flatten(0, 1)


def inputs_first(weights: Tensor, groups: int) -> Tensor:
    """The inverse of ``outputs_first``, which happens to be the same rearrangement: in groups, swap the two."""
    return outputs_first(weights, groups)


def check_quality(quality: float) -> float:
    """``quality`` (a real number of Python's or NumPy's) if it is finite and not negative, else ValueError."""
    if isinstance(quality, bool) or not isinstance(quality, numbers.Real):
        raise ValueError(f"quality = {quality!r}: must be a number, or a mapping from layer to number")
    if not 0 <= quality < math.inf:  # NaN is neither; a whole number may be too long for a float
        raise ValueError(f"quality = {quality!r}: must be finite and at least 0")
    return float(quality)


def check_density(density: float) -> float:
    """``density`` if it is above 0 and at most 1, else ValueError."""
    if isinstance(density, bool) or not isinstance(density, numbers.Real) or not 0 < density <= 1:
        raise ValueError(f"density = {density!r}: must be above 0 and at most 1 (the fraction that is kept)")
    return float(density)
