"""Torch's own, step by step, without torch's compiler."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from prunelab.training import optimizers

PAIRS = {
    "sgd": (optimizers.sgd, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "adam": (optimizers.adam, torch.optim.Adam, {"lr": 0.01}),
}


def groups(model: nn.Module) -> list[dict[str, object]]:
    return [{"params": [model.weight], "weight_decay": 0.01}, {"params": [model.bias], "weight_decay": 0.0}]


def trained(make, settings, steps: int, state=None) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(1)
    model, x = nn.Linear(5, 3), torch.randn(7, 5)
    optimizer = make(groups(model), **settings)
    if state:
        optimizer.load_state_dict(copy.deepcopy(state))  # torch keeps the tensors it is given
    for _ in range(steps):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
    return model, optimizer


@pytest.mark.parametrize("name", PAIRS)
def test_steps_are_torchs_own_bit_for_bit(name):
    ours, theirs, settings = PAIRS[name]
    model, optimizer = trained(ours, settings, 20)
    twin, _ = trained(theirs, settings, 20)
    assert torch.equal(model.weight, twin.weight) and torch.equal(model.bias, twin.bias)
    assert isinstance(optimizer, theirs)
    assert model.weight.requires_grad and model.weight.grad_fn is None


@pytest.mark.parametrize("name", PAIRS)
def test_states_can_be_exchanged_with_torchs(name):
    ours, theirs, settings = PAIRS[name]
    state = trained(theirs, settings, 5)[1].state_dict()
    one, other = trained(ours, settings, 3, state)[0], trained(theirs, settings, 3, state)[0]
    assert torch.equal(one.weight, other.weight)


def test_hooks_run_around_every_step():
    model = nn.Linear(5, 3)
    optimizer = optimizers.sgd(groups(model), lr=0.1)
    heard = []
    optimizer.register_step_pre_hook(lambda *_: heard.append("before"))
    optimizer.register_step_post_hook(lambda *_: heard.append("after"))
    model(torch.ones(1, 5)).sum().backward()
    optimizer.step()
    assert heard == ["before", "after"]


def test_a_session_trains_and_prunes_without_torchs_compiler():
    code = """
import sys
from prunelab import Recipe, Session
for _ in Session(Recipe(model="mlp-small", epochs=1, rounds=1, retrain_epochs=1)):
    pass
assert "torch._dynamo" not in sys.modules and "sympy" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
