"""Compacted networks are checked against the dense networks they come from."""

import copy
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunelab.sparse.compaction.compact import compact


def checked(model: nn.Module, example: Tensor, *others: Tensor, atol: float = 1e-5) -> nn.Module:
    """The compacted model, after everything that must hold of any was asserted."""
    state, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    flags = {name: p.requires_grad for name, p in model.named_parameters()}
    given = example.clone()
    small = compact(model, example)
    assert torch.equal(given, example)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert [m.training for m in model.modules()] == modes == [m.training for m in small.modules()]
    assert all(p.requires_grad == flags[n] for n, p in small.named_parameters() if n in flags)
    assert not {id(p) for p in model.parameters()} & {id(p) for p in small.parameters()}
    dense, twin = copy.deepcopy(model).eval(), copy.deepcopy(small).eval()
    with torch.no_grad():
        for x in (example, *others):
            wanted = dense(x)
            torch.testing.assert_close(twin(x), wanted, rtol=1e-4, atol=atol * max(1.0, float(wanted.abs().max())))
    report = small.compaction
    widths = dict(small.named_modules())
    for name, layer in report.layers.items():
        module = widths[name.removesuffix(".weight")]
        assert layer.left == len(module.weight if not getattr(module, "transposed", False) else module.weight[0])
    assert report.parameters_after == sum(p.numel() for p in small.parameters())
    assert report.parameters_before == sum(p.numel() for p in model.parameters())
    return small


def settle(model: nn.Module, seed: int = 0) -> nn.Module:
    """Biases and batch norms as training leaves them: nothing at zero or one that could hide a mistake."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -1, 1),
                (module.running_mean, -1, 1),
                (module.running_var, 0.5, 2),
            ):
                tensor.data.uniform_(low, high, generator=generator)
        elif isinstance(getattr(module, "bias", None), Tensor):
            module.bias.data.uniform_(-0.5, 0.5, generator=generator)
    return model


def _ramp(x: Tensor) -> Tensor:
    return x.clamp(min=0)


with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
    scripted = torch.jit.script(_ramp)


class Foreign(torch.autograd.Function):
    """A ReLU whose insides are not torch's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.from_numpy(x.detach().numpy().clip(0))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


class Net(nn.Module):
    """Convolutions with a residual addition, batch norm, a depthwise and a grouped one, pooling and a flat head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn0 = nn.BatchNorm2d(8)
        self.one = nn.Conv2d(8, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.two = nn.Conv2d(16, 8, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=2)
        self.head = nn.Linear(12 * 4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn0(self.stem(x)))
        y = F.relu(self.bn1(self.one(x)))
        y = F.relu6(self.depthwise(y))
        x = F.relu(x + self.bn2(self.two(y)))
        x = F.max_pool2d(torch.tanh(self.grouped(x)), 4)
        return self.head(torch.flatten(x, 1))


def residual() -> Net:
    torch.manual_seed(3)
    return settle(Net())
