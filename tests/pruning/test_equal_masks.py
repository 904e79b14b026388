"""Masks that keep the same weights are equal, whichever model they are of."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.pruning import planning


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


def test_masks_are_equal_that_keep_the_same():
    a, b = pl.Masks(network()), pl.Masks(network())
    assert a == b and a == dict(b)
    b.prune(density=0.5)
    assert a != b
    a.prune(density=0.5)
    assert a == b
    assert a != pl.Masks(network(), layers="0") and a != {} and a != 3
    assert a != {name: mask.numpy() for name, mask in a.items()}, "arrays are no masks"
    with pytest.raises(TypeError, match="unhashable"):
        hash(a)


def test_scores_that_are_no_tensors_are_refused():
    masks = pl.Masks(network())
    with pytest.raises(TypeError, match="scores of 0.weight are a ndarray: must be a tensor"):
        masks.plan(density=0.5, scores={name: np.ones(tuple(mask.shape)) for name, mask in masks.items()})


def test_random_cuts_do_not_depend_on_the_default_type():
    masks = pl.Masks(network())
    usual = planning.random_scores(masks, 3, 1)
    torch.set_default_dtype(torch.float64)
    try:
        other = planning.random_scores(masks, 3, 1)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(usual[name], other[name]) and other[name].dtype == torch.float32 for name in masks)
