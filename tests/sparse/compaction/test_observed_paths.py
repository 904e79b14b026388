"""Paths observed in one run; the oracle is the model itself: what is on no path changes nothing when it is changed."""

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from prunelab.errors import CompactError
from prunelab.inputs import Inputs
from prunelab.pruning.layers import linear_and_conv
from prunelab.sparse.compaction import observed_paths
from support.compaction import Foreign, scripted


def uses(model: nn.Module, *args: Any) -> dict[str, list[observed_paths.Use]]:
    names = {id(weight): name for name, _, weight in linear_and_conv(model)}
    return observed_paths.uses(model.eval(), Inputs.of(args, model), names)


def zeros(model: nn.Module, density: float) -> nn.Module:
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data *= torch.rand(parameter.shape) < density
    return model


class Operations(nn.Module):
    """Two layers, with operations between them that are known, unknown, in place, or written with operators."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.a, self.b, self.how = nn.Linear(4, 6), nn.Linear(6, 3), how
        self.scale = nn.Parameter(torch.randn(6))

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        match self.how:
            case "operators":
                h = 1 - 2 * (h + self.scale) / 3
            case "integers":
                h = h + torch.tensor([-1, 0, 1, 2, 3, -4])
            case "in place":
                h = h.relu_().mul_(2)
                h += 1
            case "sizes":
                h = F.pad(h, [0, 2])[:, : h.shape[1]] if h.shape[0] > 2 else h
            case "data":
                h = h if h.sum() > 0 else -h
            case "where":
                h = torch.where(h > 0, h, 0.1 * h)
            case "two in one":
                h = torch.pow(h.abs() + 1, h)
            case "powers":
                h = self.scale.abs() ** h + 2**h
            case "clamped":
                h = torch.clamp(self.scale, max=h)
            case "type of another":
                h = self.scale.type_as(h) + torch.arange(6).to(h) + h
            case "slopes":
                h = F.prelu(-self.scale.abs().expand(len(h), 6), h.mean(0))
            case "sorted":
                h = h.sort(1).values
            case "product":
                h = torch.einsum("ni,nj->ni", h, h)
            case "turned":
                h = (h.T.contiguous().T * torch.arange(6)).unsqueeze(0).squeeze(0)
            case "written":
                out = torch.zeros(len(h), 6, dtype=h.dtype)
                out[:, 1:4] = h[:, 1:4]
                h = out
            case "scripted":
                h = scripted(h)
            case "foreign":
                h = Foreign.apply(h)
            case "subclass":
                h = h.as_subclass(nn.Parameter)
            case "mapped":
                h = torch.vmap(torch.sin)(h)
            case "new":
                h = torch.Tensor(h.float()).to(h)
            case "numpy":
                h = h + torch.tensor(h.detach().numpy().max(0).tolist())
            case "number":
                h = self.scale * h.std().item() + h
            case "list":
                h = h + torch.tensor(x.tolist(), dtype=h.dtype).norm()
        return self.b(h)


HOW = [
    *("operators", "integers", "in place", "sizes", "data", "where", "two in one", "sorted", "product", "turned"),
    *("written", "powers", "clamped", "type of another", "slopes"),
    *("scripted", "foreign", "subclass", "mapped", "new", "numpy", "number", "list"),
]


@settings(max_examples=60, deadline=None)
@given(how=st.sampled_from(HOW), seed=st.integers(0, 10**6), density=st.floats(0.1, 0.6))
def test_what_is_on_no_path_changes_nothing(how, seed, density):
    torch.manual_seed(seed)
    model = zeros(Operations(how), density).double()
    x = torch.randn(5, 4).double()
    (a,), (b,) = uses(model, x)["a.weight"], uses(model, x)["b.weight"]
    with torch.no_grad():
        other = torch.randn(5, 4).double()
        for neuron in (~a.reached).nonzero().flatten():
            assert torch.equal(model.a(x)[:, neuron], model.a(other)[:, neuron]), "constant whatever the input"
        for neuron in (~b.reached).nonzero().flatten():
            # Where the data decide what is done, another input may take another branch.
            assert torch.equal(model(x)[:, neuron], model(other)[:, neuron]) or how == "data"
        changed = copy.deepcopy(model)
        changed.a.weight[~a.needed] = torch.randn(int((~a.needed).sum()), 4).double()
        changed.a.bias[~a.needed] += 1
        assert torch.equal(changed(x), model(x)) or how == "data", "read by nobody"


@pytest.mark.parametrize(
    "how", ["operators", "integers", "in place", "sizes", "data", "turned", "powers", "clamped", "type of another"]
)
def test_known_operations_find_every_dead_neuron(how):
    torch.manual_seed(0)
    model = Operations(how)
    model.a.weight.data[[1, 3]] = 0
    model.b.weight.data[:, [2, 3]] = 0
    found = uses(model, torch.randn(5, 4))
    (a,), (b,) = found["a.weight"], found["b.weight"]
    assert (~a.reached).nonzero().flatten().tolist() == [1, 3] == (~b.fed).nonzero().flatten().tolist()
    assert (~a.needed).nonzero().flatten().tolist() == [2, 3]
    assert a.fed.all() and b.reached.all() and b.needed.all()


def test_what_is_written_into_a_tensor_depends_on_all_that_was_written():
    model = Operations("written")
    model.a.weight.data[1] = 0
    found = uses(model, torch.randn(5, 4))
    assert found["b.weight"][0].fed.all() and found["a.weight"][0].needed.tolist() == [False, *[True] * 3, False, False]


@pytest.mark.parametrize(
    "how", ["where", "slopes", "sorted", "product", "scripted", "foreign", "subclass", "mapped", "numpy", "number"]
)
def test_unknown_operations_mix(how):
    torch.manual_seed(0)
    model = Operations(how)
    model.a.weight.data[1] = 0
    model.b.weight.data[:, 2] = 0
    found = uses(model, torch.randn(5, 4))
    assert found["b.weight"][0].fed.all() and found["a.weight"][0].needed.all()


def test_tensors_that_a_model_holds_are_constants():
    """However it holds them: what they are added to has the paths that it had."""

    class Holder(Operations):
        def __init__(self) -> None:
            super().__init__("held")
            self.table, self.more = torch.randn(6), {"tables": [torch.randn(6)]}
            self.register_buffer("places", torch.randn(6), persistent=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x) + self.table * self.places + self.more["tables"][0])

    model = Holder()
    model.a.weight.data[1] = 0
    (b,) = uses(model, torch.randn(5, 4))["b.weight"]
    assert b.fed.tolist() == [True, False, True, True, True, True]


class Written(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 6)

    def forward(self, x: Tensor) -> Tensor:
        out = x.new_zeros(len(x), 8).detach()
        out[:, 2:].copy_(self.a(x))
        return out


def test_parts_that_are_written_in_place_are_refused_in_words():
    with pytest.raises(CompactError, match="writes into a part of a tensor"):
        uses(Written(), torch.randn(2, 4))


def test_layers_that_do_not_run_or_run_twice():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.idle = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(self.a(x))

    found = uses(Twice(), torch.randn(2, 4))
    assert (len(found["a.weight"]), len(found["idle.weight"])) == (2, 0)
