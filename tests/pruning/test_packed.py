"""Weights that stand in no parameter, packed for their kernels, count among those without a mask."""

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.errors import CoverageWarning, collected
from prunelab.pruning.packed import packed
from prunelab.results.subject import Module

pytestmark = pytest.mark.filterwarnings(  # torch's own, of its quantisation and of TorchScript
    "ignore::DeprecationWarning", "ignore:torch.quantize:UserWarning"
)


class Speaker(nn.Module):
    """Words to a recurrent layer to a hidden layer: 50 x 8, 20 x 8 + 20 x 5 and 40 x 5 weights; 40 x 4 to a head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.memory, self.hidden, self.head = nn.LSTM(8, 5), nn.Linear(5, 40), nn.Linear(40, 4)

    def forward(self, x):
        return self.head(self.hidden(self.memory(x)[0]))


def quantised(*kinds: type[nn.Module], dtype: torch.dtype = torch.qint8) -> nn.Module:
    """With half of each weight at zero, before it is packed."""
    model = Speaker()
    pl.Masks(model).prune(density=0.5, scope="layer")
    return torch.ao.quantization.quantize_dynamic(model, set(kinds), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.qint8, torch.float16], ids=str)
def test_quantised_layers_are_told_by_name_and_share_and_count(dtype):
    """By hand: 160 + 100 of 620 weights are packed; half of all was cut before."""
    model = quantised(nn.LSTM, dtype=dtype)
    masks = pl.Masks(model)
    with pytest.warns(CoverageWarning) as told:
        masks.prune(density=0.25)
    (text,) = (str(each.message) for each in told if each.category is CoverageWarning)
    assert text.startswith("41.9 % of the 620 weights of Speaker have no mask and stay as they are: ")
    assert "memory.weight_ih_l0 (25.8 %), memory.weight_hh_l0 (16.1 %)." in text
    weights = [w.int_repr() if w.is_quantized else w for w in model.memory.get_weight().values()]  # symmetric: 0 is 0
    left = sum(int(weight.count_nonzero()) for weight in weights)
    assert 120 < left <= 130, "in 8 bits some of the smallest became zero"
    assert masks.model_density == (masks.kept + left) / 620
    assert f"{masks.model_density:.4f}" in repr(masks)


def test_a_quantised_linear_layer_counts_as_its_weights_are_read():
    model = nn.Sequential(quantised(nn.Linear), nn.Linear(4, 10))
    masks = pl.Masks(model)
    with collected() as told:
        masks.prune(density=0.25, scope="layer")
    weights = [model[0].hidden.weight(), model[0].head.weight()]
    assert [name for name in packed(model)] == ["0.hidden", "0.head"] and "0.hidden.weight (32.3 %" not in told[0]
    kept = sum(int((weight.int_repr() != 0).sum()) for weight in weights)  # symmetric: zero is 0
    assert masks.model_density == (kept + masks.kept) / (200 + 160 + masks.total)


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
def test_a_quantised_embedding_counts(kind):
    model = nn.Sequential(kind(10, 12), nn.Linear(12, 10))
    settings = torch.ao.quantization.float_qparams_weight_only_qconfig
    model = torch.ao.quantization.quantize_dynamic(model, {kind: settings})
    masks = pl.Masks(model)
    with pytest.warns(CoverageWarning, match=r"50\.0 % of the 240 weights .*: 0\.weight \(50\.0 %\)\."):
        masks.prune(density=0.5)
    assert masks.model_density == (60 + int(model[0].weight().dequantize().count_nonzero())) / 240


def test_of_packed_modules_it_is_said_why_they_are_not_pruned():
    memory, *_ = pl.Masks(quantised(nn.LSTM)).modules()
    assert (memory.name, memory.kind, memory.counted, memory.others, memory.pruned) == ("memory", "LSTM", 0, 260, False)
    assert "packed" in memory.why


def test_reference_layers_of_quantisation_have_parameters_and_count_once():
    from torch.ao.nn.quantized.reference import Linear

    model = nn.Sequential(Linear(8, 10, False), nn.Linear(10, 4))
    assert not packed(model)


def test_layers_that_were_converted_count():
    model = Speaker()
    model.head = nn.GRU(40, 4)
    pl.Masks(model).prune(density=0.1, scope="layer")
    converted = pl.sparse.convert(nn.Sequential(model.hidden, nn.Tanh(), model.head), torch.rand(3, 5))
    masks = pl.Masks(converted)
    kept = sum(masks.weight(name).count_nonzero().item() for name in masks)
    assert masks.model_density == (20 + masks.total) / (200 + masks.total) and kept < masks.total


def test_layers_of_mkldnn_count():
    from torch.utils import mkldnn  # warns as it is imported

    model = nn.Sequential(nn.Linear(8, 10), nn.Linear(10, 4, bias=False))
    with torch.no_grad():
        model[0].weight[:3] = 0
    model[0] = mkldnn.to_mkldnn(model[0].eval())
    masks = pl.Masks(model)
    with pytest.warns(CoverageWarning, match=r"66\.7 % of the 120 weights .*: 0\.weight"):
        masks.prune(density=0.5)
    assert masks.model_density == (56 + 20) / 120


class Sealed(nn.Module):
    """A module of some library, which says nothing of what it packs."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = torch.ops.quantized.linear_prepack(torch.quantize_per_tensor(torch.ones(4, 4), 1, 0, torch.qint8))


def test_what_cannot_be_read_is_told_by_name_and_not_counted():
    model = nn.Sequential(Sealed(), nn.Linear(4, 4))
    masks = pl.Masks(model)
    with pytest.warns(CoverageWarning, match=r"^The weights of 0 \(Sealed\) .* cannot be read"):
        masks.prune(density=0.5)
    assert masks.model_density == 0.5
    sealed, linear = masks.modules()
    assert sealed == Module("0", "Sealed", 0, 0, False, sealed.why) and "not known" in sealed.why and linear.pruned
    masks = pl.Masks(nn.Sequential(Sealed(), nn.Embedding(5, 4), nn.Linear(4, 4)))
    with pytest.warns(CoverageWarning, match=r"^55\.6 % of the 36 weights .*that of all\. The weights of 0 \(Sealed\)"):
        masks.prune(density=0.5)
