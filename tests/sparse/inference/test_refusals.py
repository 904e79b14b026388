"""What cannot be converted, refused in words."""

import threading

import pytest
import torch
from torch import nn

from prunelab.errors import ConvertError
from prunelab.sparse.inference.convert import convert
from support.convertible import KERNELS, mlp, network, state


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("kernel", [*KERNELS, None])
def test_weights_that_are_not_finite_are_refused_by_name(value, kernel):
    model = mlp(8, 6, 4)
    with torch.no_grad():
        model[2].weight[1, 2] = value
    before = state(model)
    with pytest.raises(ConvertError, match="2.weight holds NaN or infinite"):
        convert(model, kernel=kernel)
    assert all(torch.equal(t, before[k]) or k == "2.weight" for k, t in model.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kernel": "fast"}, "'fast'.*must be one of dense, csr, scipy"),
        ({"kernel": "2:4"}, "to_2_4"),
        ({"kernel": {"fc1": "csr"}}, "'fc1' matches no .* layer; there are 0, 2"),
        ({"kernel": {"0": "fast"}}, "'fast'"),
        ({"kernel": {"0": {3: "csr"}}}, "batch size 3 is none of"),
        ({"batches": ()}, "batches = "),
        ({"batches": (0, 4)}, "batches = "),
        ({"batches": (2.5,)}, "batches = "),
        ({"example": torch.randn(3, 9)}, r"example \(\(3, 9\)\) does not pass through"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, words):
    with pytest.raises(ConvertError, match=words):
        convert(mlp(8, 6, 4), **arguments)


def test_models_that_cannot_be_converted_say_why():
    with pytest.raises(ConvertError, match="no Linear or Conv"):
        convert(nn.Sequential(nn.ReLU()))
    with pytest.raises(ConvertError, match="has no shape yet"):
        convert(nn.Sequential(nn.LazyLinear(3)))
    with pytest.raises(ConvertError, match="on meta"):
        convert(nn.Linear(4, 3, device="meta"))
    model = mlp(8, 6, 4)
    torch.nn.utils.prune.l1_unstructured(model[0], "weight", 0.5)
    with pytest.raises(ConvertError, match="0.weight is computed.*prune.remove"):
        convert(model)
    model = mlp(8, 6, 4)
    model.note = threading.Lock()
    with pytest.raises(ConvertError, match="cannot be copied"):
        convert(model)
    model, _ = network("grouped")
    with pytest.raises(ConvertError, match="grouped.weight has 3 groups"):
        convert(model, kernel={"grouped": "csr"})
    model, _ = network("untraceable")
    with pytest.raises(ConvertError, match="never runs by itself"):
        convert(model, kernel={"attention.out_proj": "csr"})


def test_input_that_does_not_fit_is_refused():
    converted = convert(mlp(8, 6, 4), kernel="scipy")
    with pytest.raises(ConvertError, match=r"0.weight takes torch.float32 of shape \(batch, 8\)"):
        converted(torch.randn(3, 9))
    with pytest.raises(ConvertError, match="float64"):
        converted(torch.randn(3, 8).double())
    convolution = convert(nn.Conv2d(3, 4, 3), kernel="csr")
    with pytest.raises(ConvertError, match="channels|batch, 3"):
        convolution(torch.randn(1, 2, 9, 9))
    with pytest.raises(ConvertError, match="smaller than the window"):
        convolution(torch.randn(1, 3, 2, 9))


@pytest.mark.parametrize(
    "change", [nn.Module.double, nn.Module.half, nn.Module.bfloat16, lambda m: m.to("meta"), lambda m: m.to(torch.half)]
)
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_converted_network_stays_in_its_type_and_place(kernel, change):
    """Its kernels were made for both; afterwards it took no input at all, of the old type or of the new."""
    converted, x = convert(mlp(8, 6, 4), kernel=kernel), torch.randn(3, 8)
    expected = converted(x)
    with pytest.raises(ConvertError, match="stays in its type, on the CPU: change the original"):
        change(converted)
    assert torch.equal(converted.float().to("cpu").share_memory()(x), expected)


class Strict(nn.Module):
    """Refuses what it is not made for with an error of its own, as models of others do."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] != 4:
            raise self.error
        return self.fc(x)


@pytest.mark.parametrize("error", [AssertionError(), KeyError("image"), AttributeError("no such part")])
def test_whatever_a_model_raises_the_example_is_refused(error):
    said = str(error) or "AssertionError"
    with pytest.raises(ConvertError, match=f"does not pass through the model: {said}"):
        convert(Strict(error), torch.randn(2, 5))


class Sealed(nn.Linear):
    def __deepcopy__(self, memo: object) -> None:
        raise AttributeError("sealed")


def test_whatever_copying_raises_the_model_is_refused():
    with pytest.raises(ConvertError, match="cannot be copied: sealed"):
        convert(nn.Sequential(Sealed(4, 3)))
