"""Converted networks under torch.autocast: outputs of the dense network in full precision."""

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.pruning import effective
from prunelab.sparse.compaction.compact import compact
from prunelab.sparse.inference.convert import convert
from support.convertible import KERNELS, mlp, network

LOW = [torch.bfloat16, torch.float16]


def autocast(dtype):
    return torch.autocast("cpu", dtype=dtype)


@pytest.mark.parametrize("low", LOW, ids=str)
@pytest.mark.parametrize("kernel", [*KERNELS, {"0": "dense", "2": "csr", "4": "dense"}, None], ids=str)
def test_a_chain_gives_its_outputs_in_its_own_type(kernel, low):
    model = mlp(40, 50, 50, 5).eval()
    for n in (1, 4):
        x = torch.randn(n, 40)
        fast = convert(model, x, kernel=kernel, batches=(1, 4))
        with torch.no_grad():
            expected, plain = model(x), fast(x)
        with autocast(low):
            found = fast(x)
        assert torch.equal(found, plain) and found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("low", LOW, ids=str)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", ["lenet-5", "residual", "grouped", "untraceable"])
def test_a_network_of_other_layers_too_stays_near_the_dense_one(name, kernel, low):
    model, shape = network(name)
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(5))
    fast = convert(model, x, kernel=kernel, batches=(3,))
    with torch.no_grad():
        expected = model(x)
        with autocast(low):
            found, dense = fast(x), model(x)
    error = float((dense.float() - expected).abs().max())
    assert float((found.float() - expected).abs().max()) <= max(2 * error, 1e-4)


@pytest.mark.parametrize("kernel", KERNELS)
def test_activations_that_autocast_has_rounded_are_taken(kernel):
    model = mlp(40, 50, 5)
    fast = convert(model, torch.randn(2, 40), kernel=kernel)
    x = torch.randn(2, 40)
    with autocast(torch.bfloat16):
        found = fast(x.bfloat16())
    torch.testing.assert_close(found, fast(x.bfloat16().float()))
    with autocast(torch.bfloat16), pytest.raises(pl.PrunelabError, match="takes torch.float32"):
        fast(torch.ones(2, 40, dtype=torch.int64))


@pytest.mark.parametrize("kernel", [*KERNELS, None], ids=str)
def test_a_model_that_turns_autocast_on_itself(kernel):
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = mlp(20, 40, 30), mlp(30, 5)

        def forward(self, x):
            with autocast(torch.bfloat16):
                x = torch.tanh(self.body(x))
            return self.head(x.float())

    model = Mixed().eval()
    x = torch.randn(4, 20)
    fast = convert(model, x, kernel=kernel)
    with torch.no_grad():
        expected = model(x)
    torch.testing.assert_close(fast(x), expected, rtol=0.05, atol=0.05 * float(expected.abs().max()))


def test_converting_compacting_and_paths_do_not_depend_on_autocast():
    model = mlp(40, 50, 50, 5, density=0.03).eval()
    x = torch.randn(4, 40)
    masks = pl.Masks.from_zeros(model)
    reach, small = effective.trace(model, x).effective(masks), compact(model, x)
    with autocast(torch.bfloat16):
        assert effective.trace(model, x).effective(masks) == reach
        assert compact(model, x).compaction == small.compaction
        convert(model, x, batches=(1, 4))
        fast = convert(model, x, kernel="csr", batches=(1, 4))
    with torch.no_grad():
        torch.testing.assert_close(fast(x), model(x), rtol=1e-4, atol=1e-5)
