"""Pruned networks to convert: in chains, with skips, grouped, and one that cannot be traced."""

import itertools

import torch
from torch import nn
from torch.nn import functional as F

import prunelab as pl
from prunelab import models

BATCHES = (1, 2, 7, 64, 300)
KERNELS = ("dense", "csr", "scipy")


class Residual(nn.Module):
    """Two blocks with skips, a strided one and one of the same size, batch norm, and a head of two Linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.conv1, self.norm1 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 16, 3, stride=2, padding=1, dilation=1), nn.BatchNorm2d(16)
        self.skip = nn.Conv2d(8, 16, 1, stride=2)
        self.fc1, self.fc2 = nn.Linear(16, 24), nn.Linear(24, 5)
        self.norm3 = nn.BatchNorm1d(24)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x)))
        x = F.relu(self.norm1(self.conv1(x)) + x)
        x = F.relu(self.norm2(self.conv2(x)) + self.skip(x))
        x = x.mean((2, 3))
        return self.fc2(self.norm3(F.leaky_relu(self.fc1(x), 0.1)))


class Grouped(nn.Sequential):
    """Depthwise, grouped, dilated and one-dimensional convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.pointwise = nn.Conv2d(4, 12, 1)
        self.grouped = nn.Conv2d(12, 6, 3, groups=3)
        self.dilated = nn.Conv2d(6, 6, (3, 2), stride=(1, 2), padding=(2, 0), dilation=(2, 1))
        self.flatten = nn.Flatten(2)
        self.line = nn.Conv1d(6, 4, 3)
        self.end = nn.Flatten()
        self.fc = nn.LazyLinear(3)


class Untraceable(nn.Module):
    """Its way depends on its data."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(10, 20), nn.Linear(20, 4)
        self.attention = nn.MultiheadAttention(20, 2, batch_first=True)

    def forward(self, x):
        x = self.fc1(x)
        if x.sum() > 0:
            x = -x
        x = self.attention(x[:, None], x[:, None], x[:, None])[0][:, 0]
        return self.fc2(x) + self.fc2.weight.sum() + self.fc2.bias.sum() / self.fc2.in_features


def pruned(model: nn.Module, shape: tuple[int, ...], density: float = 0.15) -> nn.Module:
    """``model`` with lived-in batch norm and a part of its weights, in eval mode."""
    torch.manual_seed(1)
    for _ in range(3):
        model(torch.randn(16, *shape))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    pl.Masks(model).prune(density=density, scope="layer")
    return model.eval()


def network(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    torch.manual_seed(0)
    image = (1, 28, 28)
    made = {
        "lenet-300-100": lambda: (models.build("lenet-300-100", image, 10, dropout=0.5, batch_norm=True), image),
        "lenet-5": lambda: (models.build("lenet-5", image, 10, dropout=0.2), image),
        "residual": lambda: (Residual(), (3, 12, 12)),
        "grouped": lambda: (Grouped(), (4, 9, 9)),
        "untraceable": lambda: (Untraceable(), (10,)),
    }
    model, shape = made[name]()
    return pruned(model, shape), shape


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def mlp(*widths: int, density: float = 0.2) -> nn.Sequential:
    torch.manual_seed(0)
    steps = [m for a, b in itertools.pairwise(widths) for m in (nn.Linear(a, b), nn.ReLU())]
    model = nn.Sequential(*steps[:-1])
    pl.Masks(model).prune(density=density, scope="layer")
    return model


def same(found: torch.Tensor, expected: torch.Tensor, **tolerance) -> None:
    torch.testing.assert_close(found, expected, **(tolerance or {"rtol": 1e-4, "atol": 1e-5}))
