"""The forward and backward pass of a stack against each network by itself, for many kinds of layers; its noise too."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from prunelab.experiments.stacked import forward, noise
from prunelab.experiments.stacked.stack import Stack, shell, stacked_factors
from prunelab.experiments.stacked.updates import UPDATERS
from prunelab.torch_state import seeded

NETWORKS, BATCH = 3, 6


class Tied(nn.Module):
    """One matrix in two places, and an output that one bias has no part in."""

    def __init__(self):
        super().__init__()
        self.first, self.again = nn.Linear(12, 12), nn.Linear(12, 12)
        self.again.weight = self.first.weight
        self.last, self.unused = nn.Linear(12, 4), nn.Linear(2, 2)

    def forward(self, x):
        return self.last(torch.tanh(self.again(torch.tanh(self.first(x.flatten(1))))))


class Twins(nn.Module):
    """Two biases with one gradient, which autograd may give as one tensor."""

    def __init__(self):
        super().__init__()
        self.weight, self.a, self.b = (nn.Parameter(torch.randn(shape)) for shape in ((12, 4), (4,), (4,)))

    def forward(self, x):
        return x.flatten(1) @ self.weight + self.a + self.b


class Frozen(nn.Sequential):
    """A first layer that does not learn, and a batch norm held in eval mode."""

    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(12, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
        self[1].requires_grad_(False)
        self[2].eval()


IMAGES = {  # of shape (2, 9, 9)
    "grouped": lambda: [nn.Conv2d(2, 6, 3, groups=2), nn.MaxPool2d(2, stride=1), nn.Flatten(), nn.Linear(216, 4)],
    "strided": lambda: [nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False), nn.Flatten(), nn.Linear(100, 4)],
    "dilated": lambda: [
        nn.Conv2d(2, 3, 2, dilation=3), nn.BatchNorm2d(3, affine=False), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4)
    ],
    "wrapped": lambda: [nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), nn.Flatten(), nn.Linear(243, 4)],
    "transposed": lambda: [nn.ConvTranspose2d(2, 3, 2), nn.Flatten(), nn.Linear(300, 4)],
    "rows": lambda: [nn.Linear(9, 3), nn.ReLU(), nn.Flatten(), nn.Linear(54, 4, bias=False)],
    "flat in parts": lambda: [nn.Flatten(2), nn.Linear(81, 3), nn.Flatten(), nn.Linear(6, 4)],
    "average": lambda: [nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.AvgPool2d(7), nn.Flatten(), nn.Linear(3, 4)],
    "dropout": lambda: [nn.Flatten(), nn.Dropout(0.3), nn.Linear(162, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 4)],
}  # fmt: skip
VECTORS = {"tied": Tied, "twins": Twins, "frozen": Frozen}
LAYER_BY_LAYER = {"grouped", "strided", "dilated", "rows", "dropout"}


def networks(name):
    torch.manual_seed(len(name))
    make = VECTORS.get(name) or (lambda: nn.Sequential(*IMAGES[name]()))
    shape = (12,) if name in VECTORS else (2, 9, 9)
    return (
        [make() for _ in range(NETWORKS)],
        torch.randn(NETWORKS, BATCH, *shape),
        torch.randint(0, 4, (NETWORKS, BATCH)),
    )


@pytest.mark.parametrize("name", [*IMAGES, *VECTORS])
def test_losses_gradients_and_statistics_are_those_of_each_network(name):
    models, x, y = networks(name)
    assert forward._is_sequence(models[0]) == (name in LAYER_BY_LAYER)
    alone = copy.deepcopy(models)
    shapes = noise.shapes(models[0], x[0])
    stack = Stack(models, NETWORKS, shapes)
    rates = [{n: m.p for n, m in model.named_modules() if isinstance(m, nn.Dropout)} for model in models]
    seeds = [5, 6, 7]
    losses, gradients = stack.losses_and_gradients(x, y, noise.draw(shapes, seeds, rates, BATCH, x))
    for number, model in enumerate(alone):
        with seeded(seeds[number]):
            loss = F.cross_entropy(model(x[number]), y[number])
        loss.backward()
        torch.testing.assert_close(losses[number], loss.detach())
        wanted = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        assert gradients.keys() == wanted.keys()
        for parameter, gradient in wanted.items():
            torch.testing.assert_close(gradients[parameter][number], gradient, rtol=1e-4, atol=1e-6)
        for buffer, value in model.named_buffers():
            torch.testing.assert_close(stack.buffers[buffer][number], value)
    memory = [gradient.data_ptr() for gradient in gradients.values()]
    assert len(set(memory)) == len(memory)
    for gradient in gradients.values():
        gradient.mul_(2)  # in place: none is expanded


@settings(max_examples=20)
@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9]), min_size=1, max_size=4), st.integers(0, 2**62), st.integers(1, 40)
)
def test_noise_is_what_nn_dropout_draws(rates, seed, batch):
    shapes = {"a": (5,), "b": (2, 3)}
    seeds = [seed + number for number in range(len(rates))]
    drawn = noise.draw(shapes, seeds, [{"a": rate, "b": 0.3} for rate in rates], batch, torch.empty(0))
    for number, rate in enumerate(rates):
        with seeded(seeds[number]):
            assert torch.equal(drawn["a"][number], F.dropout(torch.ones(batch, 5), rate))
            assert torch.equal(drawn["b"][number], F.dropout(torch.ones(batch, 2, 3), 0.3))


@pytest.mark.parametrize("name", UPDATERS)
def test_optimizers_are_torchs_with_a_rate_for_each_network(name):
    generator = torch.Generator().manual_seed(0)
    stacked = [torch.randn(NETWORKS, 4, 3, generator=generator), torch.randn(NETWORKS, 4, generator=generator)]
    alone = [[nn.Parameter(tensor[n].clone()) for tensor in stacked] for n in range(NETWORKS)]
    kinds = {"sgd": lambda p, r: torch.optim.SGD(p, r, momentum=0.9), "adam": lambda p, r: torch.optim.Adam(p, r)}
    rates = [0.1, 0.01, 0.5]
    optimizers = [kinds[name](parameters, rate) for parameters, rate in zip(alone, rates, strict=True)]
    updater, chosen = UPDATERS[name](), list(range(NETWORKS))
    for step in range(6):
        gradients = [torch.randn(len(chosen), *tensor.shape[1:], generator=generator) for tensor in stacked]
        for place, number in enumerate(chosen):
            for parameter, gradient in zip(alone[number], gradients, strict=True):
                parameter.grad = gradient[place].clone()
            optimizers[number].step()
        updater.step(stacked, gradients, torch.tensor([rates[number] for number in chosen], dtype=torch.float64))
        for place, number in enumerate(chosen):
            for tensor, parameter in zip(stacked, alone[number], strict=True):
                torch.testing.assert_close(tensor[place], parameter.detach(), rtol=1e-5, atol=1e-6)
        if step == 2:  # one network is taken out
            chosen = [0, 2]
            updater.take(torch.tensor(chosen))
            stacked = [tensor[chosen] for tensor in stacked]


def test_a_shell_has_the_same_values_and_no_memory():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    twin = shell(model)
    for ours, theirs in zip(twin.state_dict().values(), model.state_dict().values(), strict=True):
        assert ours.data_ptr() == theirs.data_ptr()
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in model.parameters()}


def test_factors_are_masks_of_those_weights_that_any_network_has_cut():
    whole, half = torch.ones(2, 2, dtype=torch.bool), torch.eye(2).bool()
    parameters = {"a": torch.randn(2, 2, 2), "b": torch.randn(2, 2, 2)}
    factors = stacked_factors([{"a": whole, "b": whole}, {"a": half, "b": whole}], parameters)
    assert list(factors) == ["a"] and torch.equal(factors["a"], torch.stack([whole, half]).float())
