"""Chains of linear layers, through which activations stay feature-major."""

import pytest
import torch
from torch import nn

from prunelab.errors import ConvertError
from prunelab.sparse.inference.convert import convert
from prunelab.sparse.inference.linear_chain import Batches, Chain
from support.convertible import KERNELS, mlp, network, pruned, same


def test_activations_stay_feature_major_through_a_chain():
    model, _ = network("lenet-300-100")
    converted = convert(model, kernel="csr")
    chains = [module for module in converted.modules() if isinstance(module, Chain)]
    assert [[layer.name for layer in chain.layers] for chain in chains] == [["fc1.weight", "fc2.weight", "fc3.weight"]]
    assert not any(isinstance(module, nn.BatchNorm1d | nn.Dropout) for module in converted.modules())


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shape", [(10,), (3, 10), (2, 3, 10), (2, 0, 10), (0, 10), (1, 1, 10)])
def test_linear_layers_take_any_leading_dimensions(kernel, shape):
    model = mlp(10, 16, 4)
    x = torch.randn(shape)
    same(convert(model, kernel=kernel)(x), model(x))


def test_batch_norm_on_three_dimensions_stays_as_it_is_with_an_example_and_is_refused_without():
    model = pruned(nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)), (5, 6))
    x = torch.randn(3, 5, 6)
    same(convert(model, x, kernel="csr")(x), model(x))
    with pytest.raises(ConvertError, match="give convert.. an example"):
        convert(model, kernel="csr")(x)


def test_batch_norm_behind_an_activation_scales_features():
    model = nn.Sequential(nn.Linear(6, 50), nn.Tanh(), nn.BatchNorm1d(50), nn.Dropout(), nn.Linear(50, 3))
    pruned(model, (6,))
    for kernel in KERNELS:
        converted = convert(model, kernel=kernel)
        assert sum(isinstance(module, Chain) for module in converted.modules()) == 1
        for batch in (1, 5):
            x = torch.randn(batch, 6)
            same(converted(x), model(x))


def test_the_nearest_measured_batch_is_by_ratio():
    batches = Batches((1, 8, 64, 256))
    nearest = {n: batches.sizes[batches.nearest(n)] for n in (1, 2, 3, 8, 22, 23, 64, 128, 129, 10_000)}
    assert nearest == {1: 1, 2: 1, 3: 8, 8: 8, 22: 8, 23: 64, 64: 64, 128: 64, 129: 256, 10_000: 256}
