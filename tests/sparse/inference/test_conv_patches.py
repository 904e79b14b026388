"""Convolutions as products with patches."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from prunelab.sparse.inference import conv_patches
from prunelab.sparse.inference.conv_patches import PatchConv2d, unfold
from prunelab.sparse.inference.convert import convert
from prunelab.sparse.inference.kernel_choice import Race
from support.convertible import network


@settings(max_examples=40, deadline=None)
@given(
    window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    batch=st.integers(1, 3),
    channels_last=st.booleans(),
)
def test_patches_are_torchs(window, stride, padding, dilation, batch, channels_last):
    x = torch.randn(batch, 3, 8, 9).to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    expected = F.unfold(x, window, dilation, padding, stride).transpose(0, 1).reshape(3 * window[0] * window[1], -1)
    patches, height, width = unfold(x, window, stride, padding, dilation)
    assert torch.equal(patches, expected) and height * width * batch == patches.shape[1]


def test_convolutions_stay_dense_without_an_example_and_when_they_lose(monkeypatch):
    model, shape = network("lenet-5")
    unmeasured = convert(model)
    assert set(unmeasured.choices["conv2.weight"].values()) == {"dense"}
    assert "takes an example" in unmeasured.reasons["conv2.weight"][1]
    monkeypatch.setattr(PatchConv2d, "run", lambda self, kernel, x: None)
    monkeypatch.setattr(conv_patches, "race", lambda runs, standard: Race(standard, "csr", 0.5))
    converted = convert(model, torch.randn(1, *shape))
    assert isinstance(converted.network.conv2, nn.Conv2d) and converted.choices["conv2.weight"][1] == "dense"
    assert converted.reasons["conv2.weight"][1] == "csr 0.50x as fast as dense: no clear gain"
