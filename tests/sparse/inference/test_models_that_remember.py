"""Models that write into themselves as they run: left as they were, and followed call by call."""

import copy

import pytest
import torch
from torch import Tensor, nn

import prunelab as pl
from prunelab.sparse import convert
from support.convertible import KERNELS


class Remembers(nn.Module):
    """A recurrent network whose state stays from call to call."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.i, self.h, self.o, self.how = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 3), how
        self.register_buffer("state", torch.zeros(1, 16))
        self.seen, self.last = 0, None

    def forward(self, x: Tensor) -> Tensor:
        before = self.state if self.last is None else self.last
        h = torch.tanh(self.i(x).mean(0, keepdim=True) + self.h(before))
        match self.how:
            case "written into a buffer":
                self.state.copy_(h)
            case "added to a buffer":
                self.state += h
            case "another buffer":
                self.state = h
            case "an attribute":
                self.last = h
            case "a number":
                self.seen += 1
                h = h * self.seen
        return self.o(h)


@pytest.mark.parametrize("kernel", [*KERNELS, None])
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize(
    "how", ["written into a buffer", "added to a buffer", "another buffer", "an attribute", "a number"]
)
def test_what_a_model_remembers_is_its_own_and_goes_on(how, given, kernel):
    torch.manual_seed(0)
    model, x = Remembers(how).eval(), torch.randn(4, 8)
    pl.Masks(model).prune(density=0.4)
    before = copy.deepcopy(model)
    fast = convert(model, x if given else None, kernel=kernel)
    assert torch.equal(model.state, before.state) and (model.seen, model.last) == (0, None)
    with torch.no_grad():
        for _ in range(4):
            x = torch.randn(4, 8)
            torch.testing.assert_close(fast(x), before(x), rtol=1e-4, atol=1e-5)
    assert torch.equal(model.state, torch.zeros(1, 16)), "the converted network has a state of its own"


def test_a_state_with_a_gradient_is_copied_as_a_value():
    """As it is after a step of training: a result, which torch does not copy."""
    model, x = Remembers("another buffer"), torch.randn(4, 8)
    model(x).sum().backward()
    assert model.state.grad_fn is not None
    fast, expected = convert(model, x, kernel="scipy"), model(x)
    torch.testing.assert_close(fast(x), expected.detach())
