"""What cannot be compacted, refused in words."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune as torch_prune

from prunelab.errors import CompactError
from prunelab.sparse.compaction.compact import compact


class Stubborn(nn.Module):
    """Dropout that forgets about eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(F.dropout(self.a(x)))


class Written(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.zeros(len(x), 6)
        out[:, 2:].copy_(self.a(x))
        return out


class Endless(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) / 0


class Counting(nn.Module):
    """Keeps a state from call to call."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.register_buffer("before", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x) + self.before
        self.before = y.detach().mean(0)
        return y


class Shapes(nn.Module):
    def forward(self, x: Tensor) -> list[int]:
        return list(x.shape)


class Giving(nn.Module):
    """The activations of the hidden layer in a form of choice, beside the outputs."""

    def __init__(self, form) -> None:
        super().__init__()
        self.a, self.b, self.form = nn.Linear(4, 4), nn.Linear(4, 2), form

    def forward(self, x: Tensor):
        hidden = self.a(x).relu()
        return self.b(hidden), self.form(hidden)


def damaged() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    model[1].weight.data[2] = torch.nan
    return model


def reparametrised() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 4))
    torch_prune.random_unstructured(model[0], "weight", amount=0.5)
    return model


REFUSED = {
    "dropout that is always on": (Stubborn, "answers differently each time"),
    "a state": (Counting, "keeps a state from call to call"),
    "a generator": (lambda: Giving(lambda h: (each for each in [h])), "a generator, which can be read only once"),
    "an iterator": (lambda: Giving(lambda h: {"hidden": iter([h])}), "a list_iterator, which can be read only once"),
    "a map": (lambda: Giving(lambda h: map(torch.neg, [h])), "a map, which can be read only once"),
    "no tensor": (lambda: nn.Sequential(nn.Linear(4, 2), Shapes()), "a list that shows no tensor"),
    "a part that is written in place": (Written, "writes into a part of a tensor"),
    "no finite outputs": (Endless, "not finite"),
    "NaN": (damaged, "1.weight holds NaN"),
    "torch.nn.utils.prune": (reparametrised, "0.weight is computed from other parameters"),
    "nothing to prune": (nn.ReLU, "nothing to prune"),
    "another shape": (lambda: nn.Linear(5, 2), "cannot run on an example of shape .3, 4."),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_compacted_is_refused_in_words(kind):
    make, words = REFUSED[kind]
    model = make()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(CompactError, match=words):
        compact(model, torch.randn(3, 4))
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], equal_nan=True)


def test_an_example_that_is_no_tensor_is_refused_in_words():
    with pytest.raises(CompactError, match="example is a ndarray"):
        compact(nn.Linear(4, 2), torch.rand(2, 4).numpy())
    with pytest.raises(CompactError, match="example is a tuple"):
        compact(nn.Linear(4, 2), ())


def expanded() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    model[0].weight = nn.Parameter(torch.ones(1, 1).expand(4, 4))
    return model


def overlapping() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = nn.Parameter(model[0].weight.data)
    return model


@pytest.mark.parametrize(
    "make", [expanded, overlapping, lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 2))]
)
def test_the_way_on_is_one_that_compact_has(make):
    model = make()
    with pytest.raises(CompactError) as refused:
        compact(model, torch.randn(3, 4))
    assert "weight" in str(refused.value) and "exclude=" not in str(refused.value)
