"""Neurons that give a constant: folded into the layers that read them, or kept where they cannot be."""

import pytest
import torch
from torch import nn

from prunelab.sparse.compaction.compact import Trimmed
from support.compaction import checked, settle


def test_a_constant_is_folded_into_the_bias_that_reads_it():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]]))
        model[0].bias.copy_(torch.tensor([2.0, 0.5, -1.0]))
        model[2].weight.copy_(torch.tensor([[10.0, 1.0, 0.0], [-3.0, 2.0, 0.0]]))
        model[2].bias.copy_(torch.tensor([1.0, 1.0]))
    small = checked(model, torch.rand(4, 2))
    # Neuron 0 always says relu(2); neuron 2 is read by nobody.
    assert small[0].weight.tolist() == [[1.0, 2.0]]
    assert small[2].weight.tolist() == [[1.0], [2.0]]
    assert small[2].bias.tolist() == [21.0, -5.0]
    assert small.compaction.layers == {"0.weight": Trimmed(2, 1), "2.weight": Trimmed(0, 2)}
    assert small.compaction.stayed == {}
    assert small.compaction.removed == 2


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.Tanh, nn.GELU, nn.ELU, nn.Softplus, nn.PReLU])
def test_constants_of_any_activation_are_folded_even_into_a_layer_without_bias(activation):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), activation(), nn.Linear(8, 3, bias=False))
    model[0].weight.data[:4] = 0
    model[2].weight.requires_grad_(False)
    small = checked(model, torch.randn(5, 6), torch.randn(3, 6))
    assert small[0].out_features == 4
    assert small[2].bias is not None and not small[2].bias.requires_grad


def test_a_constant_travels_through_several_layers():
    torch.manual_seed(0)
    model = settle(nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2)))
    model[0].weight.data[:3] = 0
    model[2].weight.data[:4, 3:] = 0  # reads constants only: constant itself
    small = checked(model, torch.randn(5, 5), torch.randn(9, 5))
    assert [small[0].out_features, small[2].out_features] == [3, 2]


def test_one_constant_stands_for_all_where_zero_padding_ends_them():
    torch.manual_seed(0)
    model = settle(nn.Sequential(nn.Conv2d(1, 6, 3), nn.Sigmoid(), nn.Conv2d(6, 4, 3, padding=1)))
    model[0].weight.data[2:5] = 0
    small = checked(model, torch.randn(2, 1, 7, 7), torch.randn(2, 1, 7, 7))
    assert small[0].out_channels == 4  # of three dead filters one stays
    assert small.compaction.stayed == {"0.weight": "the constant it emits ends where 2.weight pads with zeros"}
    with torch.no_grad():
        ours, theirs = small(x := torch.zeros(1, 1, 9, 9)), model(x)
    torch.testing.assert_close(ours, theirs)  # the border is right at any size
    model[2].padding_mode = "replicate"
    model[2]._reversed_padding_repeated_twice = [1, 1, 1, 1]
    small = checked(model, torch.randn(2, 1, 7, 7))
    assert small[0].out_channels == 3  # a border of copies has the same constant: all go into the bias
    assert small.compaction.stayed == {}


def test_a_constant_with_a_border_of_its_own_stays():
    torch.manual_seed(0)
    model = settle(nn.Sequential(nn.Conv2d(1, 3, 1), nn.Sigmoid(), nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 2, 1)))
    model[0].weight.data[0] = 0
    model[2].weight.data[1, 1:] = 0  # reads the constant alone, and sees where it ends
    small = checked(model, torch.randn(2, 1, 6, 6))
    assert small[2].out_channels == 3
    assert "not the same everywhere in what 3.weight reads" in small.compaction.stayed["2.weight"]


def test_constants_differ_from_place_to_place_before_a_flat_layer_and_are_folded_all_the_same():
    torch.manual_seed(0)
    model = settle(
        nn.Sequential(
            nn.Conv2d(1, 3, 1), nn.Sigmoid(), nn.Conv2d(3, 3, 3, padding=1), nn.Flatten(), nn.Linear(3 * 25, 2)
        )
    )
    model[0].weight.data[0] = 0
    model[2].weight.data[1, 1:] = 0
    small = checked(model, torch.randn(2, 1, 5, 5), torch.randn(4, 1, 5, 5))
    assert small[2].out_channels == 2 and small[4].in_features == 50
