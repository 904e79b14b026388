"""Models beyond straight graphs: sizes and data in control flow, attention, several inputs. The oracle is the model."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

import prunelab as pl
from prunelab.inputs import Inputs
from prunelab.sparse.compaction.compact import compact
from support.compaction import Foreign, scripted, settle


class UNet(nn.Module):
    """Compares sizes: what was halved is brought back to size only where it has another."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1, stride=2)
        self.up, self.out = nn.ConvTranspose2d(16, 8, 2, stride=2), nn.Conv2d(16, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.a(x))
        u = self.up(F.relu(self.b(a)))
        if u.shape[-2:] != a.shape[-2:]:
            u = F.interpolate(u, size=a.shape[-2:])
        return self.out(torch.cat([a, u], 1))


class Block(nn.Module):
    """The feed-forward half of a Transformer block behind torch's attention."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.norm = nn.MultiheadAttention(16, 4, batch_first=True), nn.LayerNorm(16)
        self.fc1, self.fc2 = nn.Linear(16, 64), nn.Linear(64, 16)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x + self.attention(x, x, x, need_weights=False)[0])
        return x + self.fc2(F.gelu(self.fc1(x)))


class Written(nn.Module):
    """Attention written out, tokens, a class token and positions."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.first = nn.Embedding(20, 16), nn.Parameter(torch.randn(1, 1, 16))
        self.places = nn.Parameter(torch.randn(1, 12, 16))
        self.qkv, self.proj = nn.Linear(16, 48), nn.Linear(16, 16)
        self.norm1, self.norm2 = nn.LayerNorm(16), nn.LayerNorm(16)
        self.fc1, self.fc2, self.head = nn.Linear(16, 40), nn.Linear(40, 16), nn.Linear(16, 3)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        x = torch.cat([self.first.expand(len(tokens), -1, -1), self.words(tokens)], 1)
        x = x + self.places[:, : x.shape[1]]
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, n, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / 8**0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], -1e9)
        x = x + self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, c))
        x = x + self.fc2(F.silu(self.fc1(self.norm2(x))))
        return {"scores": self.head(x[:, 0]), "features": x}


class Pair(nn.Module):
    """Two inputs; which sign one of them has depends on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.a, self.b = nn.Linear(40, 3), nn.Linear(10, 20), nn.Linear(6, 20)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = F.relu(self.a(x))
        if h.sum() < 0:
            h = -h
        return self.head(torch.cat([h, F.relu(self.b(y))], 1))


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.before, self.memory, self.after = nn.Linear(6, 8), nn.LSTM(8, 7, batch_first=True), nn.Linear(7, 9)
        self.out = nn.Linear(9, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.after(self.memory(F.relu(self.before(x)))[0][:, -1])))


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(16, 4, 40, batch_first=True, norm_first=True)
    return nn.Sequential(
        nn.Linear(5, 16), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(16, 3)
    )


def tokens(samples: int, length: int) -> dict[str, Tensor]:
    mask = torch.ones(samples, length + 1, dtype=torch.bool)
    mask[0, -2:] = False
    return {"tokens": torch.randint(0, 20, (samples, length)), "mask": mask}


# The model, the layers whose neurons are cut, an example, and other inputs.
CASES: dict[str, tuple[Any, list[str], Any, list[Any]]] = {
    "sizes": (UNet, ["a", "b"], torch.randn(2, 3, 16, 16), [torch.randn(1, 3, 15, 13), torch.randn(1, 3, 8, 8)]),
    "attention": (Block, ["fc1"], torch.randn(2, 5, 16), [torch.randn(3, 7, 16)]),
    "attention written out": (Written, ["fc1"], tokens(3, 6), [tokens(2, 9), (tokens(4, 4)["tokens"],)]),
    "an encoder": (
        encoder,
        ["1.layers.0.linear1", "1.layers.1.linear1"],
        torch.randn(2, 5, 5),
        [torch.randn(1, 8, 5)],
    ),
    "a pair": (Pair, ["a", "b"], (torch.randn(4, 10), torch.randn(4, 6)), [(torch.randn(2, 10), torch.randn(2, 6))]),
    "a pair by name": (Pair, ["a"], {"y": torch.randn(4, 6), "x": torch.randn(4, 10)}, []),
    "an LSTM": (Reader, ["after"], torch.randn(3, 5, 6), [torch.randn(2, 9, 6)]),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_dead_neurons_go_and_the_model_answers_as_before(case, bias):
    make, layers, example, others = CASES[case]
    torch.manual_seed(0)
    model = settle(make()).eval()
    masks = pl.Masks(model, layers=layers, outputs=[])
    masks.prune(density=0.25, unit="neuron", scope="layer")
    if not bias:  # what is dead says nothing at all, so that even layers that pad can do without it
        for name in layers:
            module = model.get_submodule(name)
            module.bias.data[~masks[name].flatten(1).any(1)] = 0
    state, before = copy.deepcopy(model.state_dict()), sum(p.numel() for p in model.parameters())
    small = compact(model, example)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    with torch.no_grad():
        for given in (example, *others):
            ours, theirs = Inputs.of(given, model).run(small), Inputs.of(given, model).run(model)
            assert not isinstance(theirs, Mapping) or ours.keys() == theirs.keys()
            for a, b in zip(tree_leaves(ours), tree_leaves(theirs), strict=True):
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * max(1.0, float(b.abs().max())))
    assert sum(p.numel() for p in small.parameters()) == small.compaction.parameters_after < before
    for name in layers:
        width = masks[name].shape[0]
        if not bias or case != "sizes":
            assert small.compaction.layers[f"{name}.weight"].left == round(0.25 * width), small.compaction.stayed


UNSEEN: dict[str, Any] = {
    "TorchScript": lambda x: scripted(x),
    "NumPy": lambda x: Foreign.apply(x),
    "a subclass": lambda x: F.relu(x).as_subclass(nn.Parameter),
    "a number": lambda x: F.relu(x) * x.std().item(),
}


@pytest.mark.parametrize("how", UNSEEN)
def test_neurons_that_the_example_leaves_silent_stay_where_nobody_sees_what_becomes_of_them(how):
    """The biases keep all neurons at zero on the example, as if they were dead."""

    class Silent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(8, 16), nn.Linear(16, 12), nn.Linear(12, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(UNSEEN[how](self.b(UNSEEN[how](self.a(x)))))

    torch.manual_seed(0)
    model = Silent().eval()
    model.a.bias.data -= 3
    model.b.bias.data -= 1
    small = compact(model, torch.randn(4, 8))
    x = 4 * torch.randn(100, 8)
    torch.testing.assert_close(small(x), model(x))


class Named(dict):
    """A dict of a library's own."""


@dataclass
class Output:
    value: Any


SHOWN: dict[str, tuple[Any, Any]] = {  # what becomes of a hidden layer that a model shows, and how it is read again
    "a dataclass": (Output, lambda out: out.value),
    "an object": (lambda h: SimpleNamespace(more=[h]), lambda out: out.more[0]),
    "a dict of its own": (lambda h: Named(hidden=h), lambda out: out["hidden"]),
    "a view of a dict": (lambda h: {"hidden": h}.values(), lambda out: next(iter(out))),
    "a distribution": (lambda h: torch.distributions.Normal(h, 1.0), lambda out: out.mean),
    "an array": (lambda h: h.detach().numpy(), torch.from_numpy),
    "numbers": (lambda h: h.tolist(), torch.tensor),
}


@pytest.mark.parametrize("form", SHOWN)
def test_a_hidden_layer_that_is_shown_in_any_form_stays(form):
    """Beside a plain output: the layer after it reads one half, the network has nothing else that would."""
    wrap, read = SHOWN[form]

    class Shows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(6, 8), nn.Linear(8, 10), nn.Linear(10, 3)

        def forward(self, x: Tensor) -> tuple[Tensor, Any]:
            h = torch.sigmoid(self.a(x))
            return self.c(F.relu(self.b(h))), wrap(h)

    torch.manual_seed(0)
    model, x = Shows().eval(), torch.randn(4, 6)
    model.b.weight.data[:, ::2] = 0
    model.c.weight.data[:, 3:] = 0
    small = compact(model, x)
    with torch.no_grad():
        for given in (x, torch.randn(2, 6)):
            (out, shown), (expected, hidden) = small(given), model(given)
            torch.testing.assert_close(out, expected)
            torch.testing.assert_close(read(shown), read(hidden))
    assert small.a.out_features == 8
    assert small.b.out_features == (10 if form == "an array" else 3), "nobody sees what an array came from"


def test_complex_outputs_are_compared_up_to_rounding():
    class Waves(Block):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.fft(super().forward(x), dim=1)

    torch.manual_seed(0)
    model = Waves().eval()
    pl.Masks(model, layers=["fc1"], outputs=[]).prune(density=0.25, unit="neuron")
    small = compact(model, torch.randn(2, 5, 16))
    assert small.fc1.out_features == 16
    torch.testing.assert_close(small(x := torch.randn(3, 5, 16)), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types(dtype):
    torch.manual_seed(0)
    model = Block().to(dtype).eval()
    pl.Masks(model, layers=["fc1"], outputs=[]).prune(density=0.5, unit="neuron")
    small = compact(model, torch.randn(2, 5, 16).to(dtype))
    assert small.fc1.out_features == 32 and small.fc1.weight.dtype == dtype


def test_a_network_that_only_the_example_allows_is_told_by_its_reasons():
    """The residual stream of a Transformer is read by norms: its dead channels stay, and that is said."""
    torch.manual_seed(0)
    model = Block().eval()
    model.fc2.weight.data[3] = 0
    small = compact(model, torch.randn(2, 5, 16))
    assert small.fc2.out_features == 16 and small.compaction.removed == 0


def test_a_small_copy_learns_and_is_compacted_at_no_loss():
    torch.manual_seed(0)
    model = Block()
    pl.Masks(model, layers=["fc1"], outputs=[]).prune(density=0.25, unit="neuron")
    small = compact(model, x := torch.randn(2, 5, 16))
    assert small.training and all(p.requires_grad for p in small.parameters())
    small(x).square().mean().backward()
    assert all(p.grad is not None for p in small.parameters())
    assert compact(small, x).compaction.removed == 0
