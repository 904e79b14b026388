"""Zeros stay zero under any optimizer, and the survivors learn as they do in torch's own pruning."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

import prunelab as pl


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 12), nn.ReLU(), nn.Linear(12, 4))


def batches(count: int = 12, seed: int = 1):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        yield torch.randn(16, 20, generator=generator), torch.randint(0, 4, (16,), generator=generator)


def train(model, optimizer, *, clip: float | None = None, after=lambda: None) -> None:
    for x, y in batches():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        after()


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3),
    "sgd-nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "sgd-fused": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, fused=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=1e-3),
    "adam-fused": lambda p: torch.optim.Adam(p, lr=0.01, fused=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "adamw-fused": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1, fused=True),
    "adamw-foreach": lambda p: torch.optim.AdamW(p, lr=0.01, foreach=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("clip", [None, 0.05])
def test_survivors_follow_the_trajectory_of_torch_prune(name, clip):
    """torch.nn.utils.prune multiplies by the mask in the forward pass; the same survivors, the same path."""
    model, twin = network(), network()
    masks = pl.Masks(model)
    masks.prune(quality=1.0)
    linears = [module for module in twin if isinstance(module, nn.Linear)]
    for m, parameter in zip(linears, masks, strict=True):
        torch_prune.custom_from_mask(m, "weight", masks[parameter])
    optimizer = OPTIMIZERS[name](model.parameters())
    masks.attach(optimizer)
    train(model, optimizer, clip=clip, after=lambda: _assert_zero(masks))
    train(twin, OPTIMIZERS[name](twin.parameters()), clip=clip)
    for m, parameter in zip(linears, masks, strict=True):
        expected = (m.weight_orig * m.weight_mask).detach()
        torch.testing.assert_close(masks.weight(parameter).detach(), expected, rtol=1e-5, atol=1e-6)


def _assert_zero(masks: pl.Masks) -> None:
    for name in masks:
        assert not masks.weight(name).detach()[~masks[name]].any()
    assert masks.zeros_hold()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_pruning_in_mid_training_clears_the_moments(name):
    model = network()
    masks = pl.Masks(model)
    optimizer = OPTIMIZERS[name](model.parameters())
    masks.attach(optimizer)
    train(model, optimizer)
    masks.prune(quality=1.2)
    moments = 0
    for parameter_name in masks:
        parameter = masks.weight(parameter_name)
        for value in optimizer.state[parameter].values():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                assert not value[~masks[parameter_name]].any()
                moments += 1
    assert moments >= len(masks)
    train(model, optimizer, after=lambda: _assert_zero(masks))


def test_connections_that_come_back_under_rprop_learn_at_once():
    """Its step sizes are no moments: at zero they grow from 1e-6 only."""
    model = network()
    masks = pl.Masks(model)
    optimizer = torch.optim.Rprop(model.parameters(), lr=0.01)
    masks.attach(optimizer)
    train(model, optimizer)
    masks.prune(density=0.3)
    train(model, optimizer, after=lambda: _assert_zero(masks))
    cut = {name: ~masks[name] for name in masks}
    masks.load_state_dict({name: torch.ones_like(mask) for name, mask in masks.items()})
    train(model, optimizer)
    for name, gone in cut.items():
        assert masks.weight(name).detach()[gone].abs().mean() > 1e-3


def test_what_has_become_nan_is_zero_where_it_is_cut():
    model = network()
    masks = pl.Masks(model)
    masks.prune(density=0.3)
    for name in masks:
        masks.weight(name).data[~masks[name]] = torch.nan
    assert not masks.zeros_hold()
    masks.apply()
    _assert_zero(masks)


def test_without_attach_zeros_come_back_so_the_tests_above_can_fail():
    model = network()
    masks = pl.Masks(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    masks.prune(quality=1.0)
    train(model, optimizer)
    assert not masks.zeros_hold()


def test_removed_attachment_leaves_the_optimizer_alone():
    model = network()
    masks = pl.Masks(model)
    masks.prune(quality=1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    masks.attach(optimizer).remove()
    train(model, optimizer)
    assert not masks.zeros_hold()


def test_the_masks_forget_an_optimizer_with_its_last_attachment():
    model = network()
    masks = pl.Masks(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    first, second = masks.attach(optimizer), masks.attach(optimizer)
    train(model, optimizer)
    first.remove()
    first.remove()  # once more does nothing
    masks.prune(quality=1.0)
    name = next(iter(masks))
    moment = optimizer.state[masks.weight(name)]["momentum_buffer"]
    assert not moment[~masks[name]].any() and moment.any()
    train(model, optimizer, after=lambda: _assert_zero(masks))
    second.remove()
    train(model, optimizer)
    masks.prune(quality=1.2)
    assert moment[~masks[name]].any(), "forgotten now"


def test_deepcopied_model_trains_without_hooks_of_the_first():
    model = network()
    masks = pl.Masks(model)
    masks.attach(torch.optim.SGD(model.parameters(), lr=0.1))
    masks.prune(quality=1.0)
    twin = copy.deepcopy(model)
    train(twin, torch.optim.SGD(twin.parameters(), lr=0.1))
    assert masks.zeros_hold()
    assert any(p[~masks[n]].any() for n, p in twin.named_parameters() if n in masks), "the copy is free"


def test_masks_follow_a_model_that_changes_type():
    model = network()
    masks = pl.Masks(model)
    masks.prune(quality=1.0)
    model.double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    masks.attach(optimizer)
    x, y = next(iter(batches()))
    nn.functional.cross_entropy(model(x.double()), y).backward()
    optimizer.step()
    assert masks.zeros_hold()
