"""Pruning criteria: what weights are ranked by and compared with, as pure functions of tensors.

Which weights are kept is in ``ranking.py``; earlier cuts and the choice of rule belong to ``masks.py``.
"""

from __future__ import annotations

import itertools
import math
import numbers

import torch
from torch import Tensor

from prunelab.pruning.ranking import parts


def deviation(weights: Tensor, among: Tensor | None = None) -> float:
    """Population standard deviation of ``weights`` (any shape), in double precision; ValueError if there are none.

    among: a mask of the weights that count; None: all. The paper does not say whether population or sample: with
    thousands of weights they are practically equal. One part of the weights after another is converted to double
    precision, and the parts are combined. Source: Chan, Golub and LeVeque 1979, "Updating formulae".
    """
    if weights.is_complex():
        return math.hypot(deviation(weights.real, among), deviation(weights.imag, among))
    count, mean, squares = 0, 0.0, 0.0  # squares: sum of the squared distances from the mean
    masks = itertools.repeat(None) if among is None else parts(among)
    for part, mask in zip(parts(weights.detach()), masks, strict=False):
        values = (part if mask is None else part[mask]).double()
        added = values.numel()
        if added == 0:
            continue
        part_mean = float(values.mean())
        distance, share = part_mean - mean, added / (count + added)
        squares += float((values - part_mean).square_().sum()) + distance**2 * count * share
        mean += distance * share
        count += added
    if count == 0:
        raise ValueError("the deviation of no weights at all is not defined")
    return math.sqrt(squares / count)


def finite(weights: Tensor) -> bool:
    """Whether no weight is NaN or infinite. Both would show in the extremes, which take no memory to find."""
    values = weights.detach()
    if values.is_complex():
        values = torch.view_as_real(values)
    elif values.is_floating_point() and values.itemsize == 1:  # these types are for storage only
        values = values.float()
    return values.numel() == 0 or all(math.isfinite(float(extreme)) for extreme in torch.aminmax(values))


def threshold(weights: Tensor, quality: float) -> float:
    """Magnitude below which connections are cut: ``quality`` (>= 0, no unit) times the deviation of ``weights``.

    weights: any shape, without pruned zeros, which would shrink the deviation. Raises ValueError for an empty tensor
    and for a quality that is negative or not finite. Source: Han et al. 2015, section 3.
    """
    return check_quality(quality) * deviation(weights)


def row_scores(weights: Tensor) -> Tensor:
    """Root mean square of each output neuron's or filter's weights, shape (outputs,).

    weights: outputs first, as in Linear and Conv; for transposed convolutions see ``outputs_first``. A mean rather than
    a sum makes rows of different lengths comparable, so that layers can be ranked together. Types of 16 bits are summed
    in float32: squares of float16 vanish below 2e-4, and in bfloat16 most rows of a layer would be equal.
    """
    values = weights.detach().flatten(1)
    if values.is_complex():
        values = values.abs()
    return values.to(torch.promote_types(values.dtype, torch.float32)).square().mean(1).sqrt()


def outputs_first(weights: Tensor, groups: int) -> Tensor:
    """A transposed convolution's ``weights``, (inputs, outputs / groups, ...), as (outputs, inputs / groups, ...)."""
    in_groups: Tensor = weights.unflatten(0, (groups, -1))
    return in_groups.transpose(1, 2).flatten(0, 1)


def inputs_first(weights: Tensor, groups: int) -> Tensor:
    """The inverse of ``outputs_first``: the same operation, a swap of the two dimensions within each group."""
    return outputs_first(weights, groups)


def check_quality(quality: float) -> float:
    """``quality`` (a Python or NumPy number) as a float if it is finite and at least 0, else ValueError."""
    if isinstance(quality, bool) or not isinstance(quality, numbers.Real):
        raise ValueError(f"quality = {quality!r}: must be a number, or a mapping from layer to number")
    if not 0 <= quality < math.inf:  # False for NaN too; an int may be too large for a float
        raise ValueError(f"quality = {quality!r}: must be finite and at least 0")
    return float(quality)


def check_density(density: float) -> float:
    """``density`` as a float if it is above 0 and at most 1, else ValueError."""
    if isinstance(density, bool) or not isinstance(density, numbers.Real) or not 0 < density <= 1:
        raise ValueError(
            f"density = {density!r}: must be above 0 and at most 1 (the fraction that is kept), or a mapping from "
            "layer to such a number"
        )
    return float(density)
