"""Modules whose forward was replaced, and models that a trace would misread: exact, or refused in words."""

import types
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import prunelab as pl
from prunelab.errors import CompactError, ConvertError, SessionError
from prunelab.sparse import compact, convert
from prunelab.sparse.inference import agreement
from support.convertible import KERNELS


def body() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 40), nn.BatchNorm1d(40), nn.ReLU(), nn.Linear(40, 5)
    ).eval()
    model[4].running_mean.normal_()
    pl.Masks(model).prune(density=0.2)
    return model


def tripled(self, x):
    return 3 * type(self).forward(self, x) + 0.1


def outputs(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(x)


@pytest.mark.parametrize("kernel", [*KERNELS, None])
@pytest.mark.parametrize("layer", range(7))
def test_a_method_that_was_put_into_one_layer_is_run(layer, kernel):
    model, x = body(), torch.randn(6, 1, 6, 6)
    plain = outputs(model, x)
    model[layer].forward = types.MethodType(tripled, model[layer])
    expected = outputs(model, x)
    assert not torch.allclose(expected, plain)
    torch.testing.assert_close(convert(model, x, kernel=kernel)(x), expected)
    torch.testing.assert_close(convert(model, kernel=kernel)(x), expected)
    torch.testing.assert_close(outputs(compact(model, x), x), expected)


class Called(nn.Linear):
    def __call__(self, x):
        return 2 * super().__call__(x)


@pytest.mark.parametrize("kernel", [*KERNELS, None])
def test_a_class_with_a_call_of_its_own_is_called(kernel):
    model, x = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), Called(30, 5)).eval(), torch.randn(4, 20)
    pl.Masks(model).prune(density=0.2)
    torch.testing.assert_close(convert(model, x, kernel=kernel)(x), outputs(model, x))


@pytest.mark.parametrize("place", ["", "3"])
def test_a_function_in_place_of_a_forward_is_refused_by_name(place):
    """It holds the original's layers, which a copy would go on to run."""
    model, x = body(), torch.randn(6, 1, 6, 6)
    layer = model.get_submodule(place)
    old = layer.forward
    layer.forward = lambda z: 3 * old(z)
    name = f"{place or 'Sequential'}.forward was replaced by a function"
    for attempt, error in (
        (lambda: convert(model, x), ConvertError),
        (lambda: compact(model, x), CompactError),
        (
            lambda: pl.Session(model=model, data=((torch.randn(40, 1, 6, 6), torch.arange(40) % 5),) * 2),
            SessionError,
        ),
    ):
        with pytest.raises(error, match=name):
            attempt()


class Optional(nn.Module):
    """Cannot be traced: an optional argument."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(20, 40), nn.Linear(40, 5)

    def forward(self, x, flag=None):
        return self.last(torch.relu(self.first(x)))


def test_a_compiled_forward_is_converted_as_the_method_that_was_compiled():
    model, x = Optional().eval(), torch.randn(4, 20)
    pl.Masks(model).prune(density=0.2)
    expected = outputs(model, x)
    model.forward = torch.compile(model.forward, backend="eager")
    for kernel in (*KERNELS, None):
        fast = convert(model, x, kernel=kernel)
        kept = [p.detach().clone() for p in model.parameters()]
        with torch.no_grad():
            for p in model.parameters():
                p.zero_()  # what is converted is a copy
        torch.testing.assert_close(fast(x), expected)
        with torch.no_grad():
            for p, value in zip(model.parameters(), kept, strict=True):
                p.copy_(value)
    assert "forward" in vars(model)


class Scaled(nn.Module):
    """A trace takes the other branch: its stand-ins are no tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(20, 40), nn.Linear(40, 5)

    def forward(self, x):
        if isinstance(x, torch.Tensor):
            x = (x - 0.5) * 3
        return self.last(torch.relu(self.first(x)))


class Remembering(Scaled):
    """A trace would leave a stand-in in it, and cannot be finished."""

    scale = None

    def forward(self, x):
        if self.scale is None:
            self.scale = torch.ones(1) * x.shape[-1] ** 0.5
        x = self.first(x) / self.scale
        return self.last(x if x.sum() > 0 else -x)


@pytest.mark.parametrize("kind", [Scaled, Remembering])
@pytest.mark.parametrize("kernel", [*KERNELS, None])
def test_what_a_trace_misreads_is_right_with_and_without_an_example(kind, kernel):
    model, x = kind().eval(), torch.randn(4, 20)
    pl.Masks(model).prune(density=0.2)
    without, with_example = convert(model, kernel=kernel), convert(model, x, kernel=kernel)
    expected = outputs(model, x)
    torch.testing.assert_close(without(x), expected)
    torch.testing.assert_close(with_example(x), expected)


class Transposed(nn.Module):
    """Reads the weights of its convolution, too; not traced."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3)

    def forward(self, x, flag=None):
        return F.conv_transpose2d(self.down(x), self.down.weight) + self.down.bias.sum()


@pytest.mark.parametrize("kernel", ["csr", "scipy"])
def test_code_reads_the_filters_of_a_converted_convolution(kernel):
    model, x = Transposed().eval(), torch.randn(2, 3, 8, 8)
    pl.Masks(model).prune(density=0.1)
    torch.testing.assert_close(convert(model, x, kernel=kernel)(x), outputs(model, x), rtol=1e-4, atol=1e-5)


@dataclass
class Answer:
    scores: torch.Tensor
    name: str = "answer"
    note: object = None


class Answering(nn.Module):
    """Gives an object of its own kind."""

    def __init__(self, note) -> None:
        super().__init__()
        self.first, self.last, self.note = nn.Linear(20, 40), nn.Linear(40, 5), note

    def forward(self, x, flag=None):
        return Answer(self.last(torch.relu(self.first(x))), note=self.note)


@pytest.mark.parametrize("note", [None, 3, (torch.ones(3), {"a": [1.5]}), object()])
def test_outputs_may_be_objects_of_any_kind(note):
    model, x = Answering(note).eval(), torch.randn(4, 20)
    pl.Masks(model).prune(density=0.1)
    found, expected = convert(model, x, kernel="csr")(x), outputs(model, x)
    torch.testing.assert_close(found.scores, expected.scores)
    assert found.name == "answer"


class Deciding(nn.Module):
    """Gives the class with the highest of two scores that are all but level, and a number."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(60, 300), nn.ReLU(), nn.Linear(300, 1))

    def forward(self, x, flag=None):
        y = self.body(x)
        return (y > y.detach().double().sum(1, keepdim=True)).long(), float(y.sum())


@pytest.mark.parametrize("kernel", ["csr", "scipy"])
def test_where_rounding_decides_nothing_is_refused(kernel):
    model, x = Deciding().eval(), torch.randn(64, 60)
    pl.Masks(model).prune(density=0.3)
    _, expected = outputs(model, x)
    assert convert(model, x, kernel=kernel)(x)[1] == pytest.approx(expected, rel=1e-3)


def test_predicted_classes_may_differ_and_scores_may_not():
    a, b = torch.tensor([0, 1]), torch.tensor([0, 2])
    assert agreement.same((a, 1.0), (b, 1.0 + 1e-6), agreement.near) and not agreement.same(
        a.float(), b, agreement.near
    )
    assert not agreement.same((a, 1.0), (b, 1.0)) and not agreement.same(1.0, 1.5, agreement.near)


class Sizes(nn.Module):
    """Counts on what conversion does not keep: the class of its layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(20, 5)

    def forward(self, x, flag=None):
        return self.first(x) if isinstance(self.first, nn.Linear) else x[:, :5]


def test_other_outputs_for_the_example_are_an_error():
    model, x = Sizes().eval(), torch.randn(4, 20)
    with pytest.raises(ConvertError, match="Sizes gives other outputs for the example"):
        convert(model, x, kernel="csr")


def test_the_example_stays_as_it_is():
    model, x = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(20, 5)).eval(), torch.randn(4, 20)
    before, expected = x.clone(), outputs(model, x.clone())
    fast = convert(model, x)
    assert torch.equal(x, before)
    torch.testing.assert_close(fast(x.clone()), expected)


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize(
    "names",
    [
        ("class", "lambda", "None"),
        ("graph", "code", "meta"),
        ("_graph", "_code", "network"),
        ('a "quote"', "a line\nand more", "a back\\slash"),
        ("chain_1", "chain_0", "other"),
        ("other", "chain_1_", "chain_1"),
    ],
)
def test_layers_may_be_called_anything(names, given):
    """As keys of a ModuleDict often are: words of Python, of torch.fx, of ours."""

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, layer in zip(names, (nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 8)), strict=True):
                self.add_module(name, layer)
            self.last = nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for name in names:
                x = self.get_submodule(name)(x).softmax(-1) * 8
            return self.last(x)

    torch.manual_seed(0)
    model, x = Named().eval(), torch.randn(4, 8)
    pl.Masks(model).prune(density=0.5)
    fast = convert(model, x if given else None, kernel="scipy")
    assert set(fast.choices) == {f"{names[0]}.weight", f"{names[2]}.weight", "last.weight"}
    torch.testing.assert_close(fast(x), outputs(model, x))
