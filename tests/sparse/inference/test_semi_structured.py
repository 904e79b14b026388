"""2:4: the checks and the refusals, everywhere; the kernels against the dense model where there is a GPU for them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from prunelab.errors import ConvertError
from prunelab.sparse.inference.semi_structured import is_2_4, refusal, to_2_4

ABLE = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)


def two_of_four(layer: nn.Linear) -> nn.Linear:
    """The two smallest of every four neighbours set to zero."""
    with torch.no_grad():
        groups = layer.weight.reshape(layer.out_features, -1, 4)
        groups.scatter_(-1, groups.abs().topk(2, largest=False).indices, 0)
    return layer


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([0.0, -0.0, 1.5, float("nan")]), min_size=8, max_size=8), min_size=1, max_size=3)
)
def test_two_of_four_is_counted_by_hand(rows):
    expected = all(sum(v != 0 for v in row[i : i + 4]) <= 2 for row in rows for i in (0, 4))
    assert is_2_4(torch.tensor(rows)) is expected


def test_neighbours_are_those_of_one_row_and_one_group():
    assert is_2_4(torch.tensor([[0.0, 0, 1, 1, 1, 1, 0, 0]]))
    assert not is_2_4(torch.tensor([[0.0, 1, 1, 1, 0, 0, 0, 0]]))
    assert not is_2_4(torch.zeros(4, 6)) and not is_2_4(torch.zeros(4, 4, 3, 3))
    assert is_2_4(torch.tensor([[1.0, 0], [0, 0], [1, 0], [0, 1]]).T.contiguous())


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Conv2d(64, 64, 1).half(), "is a Conv2d"),
        (nn.Linear(64, 32), "torch.float32.*half or bfloat16"),
        (nn.Linear(60, 32).half(), "32 x 60.*multiples of 32 x 64"),
        (nn.Linear(64, 33).half(), "33 x 64.*multiples of 32 x 64"),
        (nn.Linear(64, 32).bfloat16(), 'two of four.*unit="2:4"'),
        (two_of_four(nn.Linear(64, 32)).half(), "on cpu.*CUDA.*convert"),
    ],
)
def test_a_layer_that_does_not_fit_is_refused_with_the_reason(layer, words):
    model = nn.Sequential(nn.Flatten(), layer)
    before = layer.weight.detach().clone()
    with pytest.raises(ConvertError, match="1.weight is|1.weight has") as refused:
        to_2_4(model)
    assert refused.match(words) and refusal(layer) is not None
    assert torch.equal(model[1].weight, before) and model.training


def test_every_layer_that_does_not_fit_is_named():
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    with pytest.raises(ConvertError, match=r"0\.weight is .*; 2\.weight is "):
        to_2_4(model)
    with pytest.raises(ConvertError, match="2.weight") as refused:
        to_2_4(model, layers=["2"])
    assert "0.weight" not in str(refused.value)


def test_names_that_match_nothing_are_refused():
    with pytest.raises(ConvertError, match="'fc1' matches no"):
        to_2_4(nn.Sequential(nn.Linear(64, 32)), layers=["fc1"])
    with pytest.raises(ConvertError, match="names no layer"):
        to_2_4(nn.Sequential(nn.Linear(64, 32)), layers=[])
    with pytest.raises(ConvertError, match="no Linear"):
        to_2_4(nn.Sequential(nn.ReLU()))


@pytest.mark.skipif(not ABLE, reason="needs a GPU whose tensor cores know 2:4")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_on_a_gpu_it_gives_what_the_dense_model_gives(dtype):
    model = nn.Sequential(two_of_four(nn.Linear(128, 64)), nn.ReLU(), two_of_four(nn.Linear(64, 32)))
    model = model.to("cuda", dtype).eval()
    converted = to_2_4(model)
    assert type(model[0].weight) is nn.Parameter
    for batch in (1, 64):
        x = torch.randn(batch, 128, device="cuda", dtype=dtype)
        with torch.no_grad():
            torch.testing.assert_close(converted(x), model(x), rtol=2e-2, atol=2e-2)
