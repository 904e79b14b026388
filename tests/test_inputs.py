"""Example inputs in their three forms, against calls that are written out; and everywhere that takes an example."""

from collections import UserDict
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import prunelab as pl
from prunelab.inputs import Inputs, tensors_in
from prunelab.pruning.effective import trace
from prunelab.sparse import convert, measure


class Pair(nn.Module):
    """Two inputs, the second with a name, and an option; modules are registered in another order than they run in."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(40, 3)
        self.a, self.b, self.drop = nn.Linear(10, 20), nn.Linear(6, 20), nn.Dropout(0.5)

    def forward(self, x, y, scale=1.0):
        return self.head(torch.cat([self.a(x).relu() * scale, self.drop(self.b(y).relu())], 1))


class Branching(Pair):
    """Cannot be traced: what it does depends on its data."""

    def forward(self, x, y, scale=1.0):
        return super().forward(x if x.sum() > 0 else -x, y, scale)


class Batch(nn.Module):
    """One argument, a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.out = nn.Linear(10, 8), nn.Linear(8, 2)

    def forward(self, batch):
        return {"scores": self.out(self.fc(batch["x"]).relu() + batch["shift"])}


class Listed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 2)

    def forward(self, xs):
        return torch.stack([self.fc(x).sum(0) for x in xs])


X, Y = torch.randn(4, 10), torch.randn(4, 6)
PAIRS = [(X, Y), {"x": X, "y": Y}, {"y": Y, "x": X}, UserDict(x=X, y=Y), (X, Y, 2.0), {"x": X, "y": Y, "scale": 2.0}]


@pytest.mark.parametrize("example", PAIRS)
def test_a_tuple_holds_arguments_and_a_dict_holds_them_by_name(example):
    model = Pair().eval()
    scale = 2.0 if len(example) == 3 else 1.0
    torch.testing.assert_close(Inputs.of(example, model).run(model), model(X, Y, scale))
    assert str(Inputs.of((X, Y), model)) == "(4, 10) and (4, 6)"


def test_what_is_one_argument():
    batch = {"x": X, "shift": torch.ones(8)}
    for model, example in ((Batch(), batch), (Batch(), (batch,)), (nn.Linear(10, 2), X), (Listed(), [X[:, :5]] * 3)):
        inputs = Inputs.of(example, model)
        assert len(inputs.args) == 1 and not inputs.kwargs
        inputs.run(model)


@pytest.mark.parametrize(
    ("example", "words"),
    [
        (np.ones((2, 3)), "example is a ndarray: must be a tensor, a tuple of arguments, or a dict"),
        ((), "example is a tuple without a tensor"),
        ({}, "example is a dict without a tensor"),
        ((1, 2.0), "example is a tuple without a tensor"),
        (None, "example is a NoneType"),
        ("x", "example is a str"),
    ],
)
def test_what_is_no_example_is_refused_in_words(example, words):
    model = Pair()
    with pytest.raises(ValueError, match=words):
        Inputs.of(example, model)
    if example is not None:
        masks = pl.Masks(model)
        for taker in (masks.outputs, lambda x: pl.adjust_dropout(model, masks, example=x), lambda x: measure(model, x)):
            with pytest.raises(ValueError, match=words):
                taker(example)
        with pytest.raises(pl.sparse.ConvertError, match=words):
            convert(model, example)


def test_a_batch_of_any_size_repeats_the_samples_of_all_tensors_that_have_them():
    inputs = Inputs.of({"x": torch.arange(6.0).view(3, 2), "y": [torch.arange(3), torch.ones(2)]}, nn.Identity())
    batch = inputs.batch(7).args[0]
    assert torch.equal(batch["x"][:, 0], torch.tensor([0.0, 2, 4, 0, 2, 4, 0]))
    assert batch["y"][0].tolist() == [0, 1, 2, 0, 1, 2, 0] and batch["y"][1].tolist() == [1, 1]
    assert inputs.samples == 3 and inputs.batch(7).samples == 7


@pytest.mark.parametrize("kind", [Pair, Branching])
@pytest.mark.parametrize("example", PAIRS)
def test_all_that_take_an_example_take_every_form(kind, example):
    torch.manual_seed(0)
    model = kind().eval()
    masks = pl.Masks(model)
    assert masks.outputs(example) == {"head.weight"}
    masks.prune(density=0.2, scope="layer")
    rates = pl.adjust_dropout(model, masks, example=example)
    assert rates == {"drop": pytest.approx(0.5 * 0.2**0.5)}
    inputs = Inputs.of(example, model)
    fast = convert(model, example, kernel="csr")
    torch.testing.assert_close(inputs.run(fast), inputs.run(model))
    assert measure(model, example, batches=(1, 3), threads=(1,)).batches == [1, 3]


@pytest.mark.parametrize("example", PAIRS)
def test_effective_connections_by_hand(example):
    """The first of b's neurons is read by nobody: its six connections are on no path."""
    model = Pair()
    masks = {name: torch.ones_like(p, dtype=torch.bool) for name, p in model.named_parameters() if p.dim() > 1}
    masks["head.weight"][:, 20] = False
    found = trace(model, example).effective(masks)
    assert (found.layers["b.weight"].kept, found.layers["b.weight"].dead) == (114, 1)
    assert (found.layers["a.weight"].kept, found.layers["head.weight"].kept) == (200, 117)


def test_a_dict_inside_of_an_argument_is_followed():
    model = Batch()
    masks = {name: torch.ones_like(p, dtype=torch.bool) for name, p in model.named_parameters() if p.dim() > 1}
    masks["out.weight"][:, 3:] = False
    found = trace(model, ({"x": X, "shift": torch.ones(4, 8)},)).effective(masks)
    assert found.layers["fc.weight"].dead == 5


@dataclass
class Plain:
    x: Tensor
    more: Any = None


@dataclass(slots=True)
class Slotted:
    x: Tensor
    more: Any = None


@pytest.mark.parametrize("form", [Plain, Slotted, SimpleNamespace])
def test_tensors_are_found_in_whatever_holds_them(form):
    a, b, c, d = (torch.full((2,), float(n)) for n in range(4))
    held = form(x=a, more={"some": [b, form(x=(c,), more="words")], "none": None, "kind": Plain, "torch": torch})
    held.more["itself"] = held
    assert sorted(float(x[0]) for x in tensors_in((held, d, held, 3.0))) == [0, 1, 2, 3]


class Named(dict):
    """A dict of a library's own, such as an answer with named parts."""


class Row(list):
    pass


HOLDING = {
    "dict": lambda x: Named(scores=x),
    "list": lambda x: Row([x]),
    "tuple": lambda x: type("Pairs", (tuple,), {})((x,)),
    "set": lambda x: {x},
    "frozen set": lambda x: frozenset([x]),
    "values": lambda x: {"scores": x}.values(),
    "items": lambda x: {"scores": x}.items(),
    "read-only": lambda x: MappingProxyType({"scores": x}),
    "nested": lambda x: {"out": Named(rows=Row([{"scores": x}]))},
}


@pytest.mark.parametrize("kind", HOLDING)
def test_tensors_are_found_in_containers_that_torch_does_not_look_into(kind):
    x = torch.rand(3)
    (found,) = tensors_in(HOLDING[kind](x))
    assert found is x and tensors_in(range(10**12)) == []


def test_tensors_are_found_in_distributions_and_arrays():
    normal = torch.distributions.Independent(torch.distributions.Normal(torch.zeros(3), torch.ones(3)), 1)
    assert sorted(float(x.sum()) for x in tensors_in([normal])) == [0, 3]
    (found,) = tensors_in(np.arange(6, dtype=np.float64).reshape(2, 3))
    assert torch.equal(found, torch.arange(6.0, dtype=torch.float64).view(2, 3))
    assert tensors_in(["words", 3, None, np.array(["words"]), nn.Linear(2, 2), len]) == []


@pytest.mark.parametrize("kind", ["<f4", ">f4", ">f8", "g", "G", ">c8", ">i2", ">u4", "?"])
@pytest.mark.parametrize(
    "view", [lambda x: x, lambda x: x[::-1], lambda x: x.T, lambda x: np.broadcast_to(x, (2, 4, 3))]
)
def test_arrays_are_taken_in_whatever_order_and_type_they_are(kind, view):
    array = view((np.arange(12) % 5).reshape(4, 3).astype(kind))
    array.flags.writeable = False
    (found,) = tensors_in([array])
    np.testing.assert_array_equal(found.numpy(), array)
