"""A layer of every kind that has weights to prune, with inputs for it; networks with such layers."""

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize


class GptConv1D(nn.Module):
    """As in transformers: a Linear whose weight is (in, out), of no kind that torch knows."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(inputs, outputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return x @ self.weight + self.bias


class Spectral(nn.Module):
    """As in Fourier neural operators: complex weights multiply the lowest frequencies of each channel."""

    def __init__(self, inputs: int, outputs: int, modes: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(inputs, outputs, modes, dtype=torch.complex64))

    def forward(self, x):
        modes = torch.fft.rfft(x)[..., : self.weights.shape[2]]
        return torch.fft.irfft(torch.einsum("nim,iom->nom", modes, self.weights), n=x.shape[-1])


class Alone(nn.Module):
    """A layer called ``layer``, and the sum of what it gives."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *args):
        found = self.layer(*args)
        return sum(x.sum() for x in (found if isinstance(found, tuple) else (found,)) if isinstance(x, torch.Tensor))


def floats(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def ids(*shape: int) -> torch.Tensor:
    return torch.randint(0, 12, shape, generator=torch.Generator().manual_seed(1))


# {name: (a layer, its inputs, attributes of its weights)}
KINDS = {
    "Linear": (lambda: nn.Linear(8, 12), (floats(5, 8),), ["weight"]),
    "Conv2d": (lambda: nn.Conv2d(3, 6, 3), (floats(2, 3, 6, 6),), ["weight"]),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(3, 6, 3), (floats(2, 3, 6),), ["weight"]),
    "Bilinear": (lambda: nn.Bilinear(4, 5, 6), (floats(3, 4), floats(3, 5)), ["weight"]),
    "RNN": (lambda: nn.RNN(6, 8), (floats(4, 3, 6),), ["weight_ih_l0", "weight_hh_l0"]),
    "GRU": (lambda: nn.GRU(6, 8), (floats(4, 3, 6),), ["weight_ih_l0", "weight_hh_l0"]),
    "LSTM, two layers": (
        lambda: nn.LSTM(6, 8, num_layers=2),
        (floats(4, 3, 6),),
        ["weight_ih_l0", "weight_hh_l0", "weight_ih_l1", "weight_hh_l1"],
    ),
    "LSTM, both directions, projected": (
        lambda: nn.LSTM(6, 8, bidirectional=True, proj_size=4, bias=False),
        (floats(4, 3, 6),),
        [f"weight_{part}_l0{way}" for way in ("", "_reverse") for part in ("ih", "hh", "hr")],
    ),
    "RNNCell": (lambda: nn.RNNCell(6, 8), (floats(3, 6),), ["weight_ih", "weight_hh"]),
    "GRUCell": (lambda: nn.GRUCell(6, 8), (floats(3, 6),), ["weight_ih", "weight_hh"]),
    "LSTMCell": (lambda: nn.LSTMCell(6, 8), (floats(3, 6),), ["weight_ih", "weight_hh"]),
    "attention": (lambda: nn.MultiheadAttention(8, 2), (floats(4, 3, 8),) * 3, ["in_proj_weight", "out_proj.weight"]),
    "attention of several sizes": (
        lambda: nn.MultiheadAttention(8, 2, kdim=6, vdim=4),
        (floats(4, 3, 8), floats(5, 3, 6), floats(5, 3, 4)),
        ["q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight"],
    ),
}
# Masked only where they are named.
NAMED = {
    "Embedding": (lambda: nn.Embedding(12, 6), (ids(3, 4),), ["weight"]),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(12, 6), (ids(3, 4),), ["weight"]),
    "GPT's Conv1D": (lambda: GptConv1D(6, 8), (floats(3, 6),), ["weight"]),
    "complex frequencies": (lambda: Spectral(3, 4, 5), (floats(2, 3, 16),), ["weights"]),
}


def alone(kind: str) -> tuple[Alone, tuple[torch.Tensor, ...], list[str]]:
    """(a network with one layer of this kind, its inputs, the names of its weights)."""
    make, inputs, names = (KINDS | NAMED)[kind]
    torch.manual_seed(0)
    return Alone(make()), inputs, [f"layer.{name}" for name in names]


def owner(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    """(module, attribute) of a parameter."""
    path, _, attribute = name.rpartition(".")
    return model.get_submodule(path), attribute


class Halved(nn.Module):
    """A parametrization that cuts: every second entry is zero."""

    def forward(self, weight):
        return weight * (torch.arange(weight.numel()) % 2).view_as(weight)


class Doubled(nn.Module):
    """A parametrization that cuts nothing."""

    def forward(self, weight):
        return 2 * weight


def halved(layer: nn.Module, name: str = "weight") -> nn.Module:
    return parametrize.register_parametrization(layer, name, Halved())


def normed(layer: nn.Module) -> nn.Module:
    return parametrizations.spectral_norm(layer)


class Tagger(nn.Module):
    """Embedding, LSTM, attention and a head: every kind of weight in one network."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(12, 8, padding_idx=0)
        self.lstm = nn.LSTM(8, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, words):
        x = self.lstm(self.words(words))[0]
        return self.head((x + self.attention(x, x, x, need_weights=False)[0]).mean(1))
