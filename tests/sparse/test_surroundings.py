"""What a model holds of its last training step, and torch's settings around a call, change nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.sparse.compaction.compact import compact
from prunelab.sparse.inference.convert import convert
from prunelab.sparse.inference.kernels import available
from prunelab.sparse.measuring.measure import measure
from support.own_models import HOLDING, blobs

X = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def network() -> nn.Module:
    torch.manual_seed(0)
    flat = [nn.Flatten(), nn.Linear(8 * 36, 40), nn.ReLU(), nn.Linear(40, 10)]
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), *flat).eval()
    pl.Masks(model, layers="4").prune(density=0.5, unit="neuron")
    pl.Masks(model).prune(density=0.1)
    return model


@pytest.mark.parametrize("kernel", [None, *available(torch.float32)])
def test_a_conversion_does_not_depend_on_torchs_default_device(kernel):
    model = network()
    with torch.device("meta"):  # has no values: whatever is made there by mistake shows
        fast = convert(model, X, kernel=kernel)
    torch.testing.assert_close(fast(X), model(X))


def test_a_compaction_does_not_depend_on_torchs_default_device():
    model = network()
    with torch.device("meta"):
        small = compact(model, X)
    assert small.compaction.layers["4.weight"].left < 40
    torch.testing.assert_close(small(X), model(X))


def test_networks_are_converted_compacted_and_measured_between_two_steps():
    build, _ = HOLDING["activations"]
    model, (x, _) = build(), blobs()
    model(x).sum().backward()  # what the model has kept has a graph now, which torch refuses to copy
    model.eval()
    expected = model(x)
    torch.testing.assert_close(convert(model, x)(x), expected)
    torch.testing.assert_close(compact(model, x)(x), expected)
    assert measure(model, x, batches=(1,), threads=(1,)).total == sum(
        p.numel() for p in model.parameters() if p.dim() > 1
    )
