"""A small model and data, as a user would bring them."""

import warnings

import torch
from torch import nn


def blobs(classes: int = 3, samples: int = 90):
    torch.manual_seed(0)
    y = torch.arange(samples) % classes
    return torch.randn(samples, 4) + 3.0 * y[:, None], y


def small(outputs: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, outputs))


class Reader(nn.Module):
    """Reads four word numbers: an embedding that is tied to a layer, attention, a norm and a factor of its own."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(20, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.factor = nn.Parameter(torch.ones(1))
        self.hidden = nn.Linear(8, 16)
        self.back = nn.Linear(16, 8, bias=False)
        self.again = nn.Linear(8, 20)
        self.again.weight = self.words.weight
        self.out = nn.Linear(20, 3)

    def forward(self, x):
        x = self.words(x.abs().long() % 20)
        x = self.norm(x + self.attention(x, x, x)[0]).mean(1) * self.factor
        return self.out(torch.relu(self.again(self.back(torch.relu(self.hidden(x))))))


class TwoDrops(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(8, 3)
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 8)
        self.drop_a, self.drop_b = nn.Dropout(0.2), nn.Dropout(0.4)

    def forward(self, x):
        if x.sum() > 1e9:  # cannot be traced symbolically
            return x
        return self.out(self.drop_b(torch.relu(self.b(self.drop_a(torch.relu(self.a(x)))))))


def curve(samples: int = 120):
    """Regression: (train, test) of four inputs and one value."""
    x = torch.randn(2 * samples, 4, generator=torch.Generator().manual_seed(1))
    y = x[:, 0] + x[:, 1] ** 2 - 0.5 * x[:, 2]
    return (x[:samples], y[:samples]), (x[samples:], y[samples:])


def tokens(samples: int = 90):
    """Sequences of six token ids, and whether most of them are of the upper half."""
    ids = torch.randint(0, 10, (samples, 6), generator=torch.Generator().manual_seed(2))
    return ids, ((ids >= 5).sum(1) > 3).long()


class Tokens(nn.Module):
    """Embedding, LSTM, and a prunable head."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.lstm = nn.Embedding(10, 8), nn.LSTM(8, 12, batch_first=True)
        self.head = nn.Linear(12, outputs)

    def forward(self, ids):
        return self.head(self.lstm(self.embedding(ids))[0].mean(1))


class Remembering(nn.Module):
    """``small`` that keeps what it computed last, as models do whose activations somebody looks at."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = small()
        self.seen: dict = {}

    def forward(self, x):
        hidden = self.layers[1](self.layers[0](x))
        self.seen = {"hidden": [hidden], "scores": self.layers[3](self.layers[2](hidden))}
        return self.seen["scores"]


def with_hooks(norm) -> nn.Module:
    """``small`` whose second layer has its weight set by a hook at each call, as ``weight_norm`` does."""
    model = small()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        norm(model[3])
    return model


# Models that hold results of their last forward pass, which torch refuses to copy, and the layer that can be cut.
HOLDING = {
    "activations": (Remembering, "layers.0"),
    "weight_norm": (lambda: with_hooks(nn.utils.weight_norm), "0"),
    "spectral_norm": (lambda: with_hooks(nn.utils.spectral_norm), "0"),
}
