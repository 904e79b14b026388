"""A small model and data, as a user would bring them."""

import torch
from torch import nn


def blobs(classes: int = 3, samples: int = 90):
    torch.manual_seed(0)
    y = torch.arange(samples) % classes
    return torch.randn(samples, 4) + 3.0 * y[:, None], y


def small(outputs: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, outputs))


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
