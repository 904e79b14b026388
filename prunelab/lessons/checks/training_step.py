"""Lesson 3: a step of retraining after which zeros are still zero."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from prunelab.lessons.exercise import Exercise, Mistake, Trial
from prunelab.training import optimizers

SEED = 3
STEPS = 3
DENSE_STEPS = 5  # before the cut, where an optimizer is carried over


def masked_step(model, masks, optimizer, inputs, targets, loss):
    """One step of training, after which every connection that was cut is still zero.

    masks: {name of a parameter: tensor of bools, True where a connection is kept}. loss: a
    function of the model's outputs and the targets. The optimizer may come from the dense
    training, with its momentum. Changes the model's parameters in place. What it returns does
    not matter.
    """
    optimizer.zero_grad()
    loss(model(inputs), targets).backward()
    optimizer.step()
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(name).mul_(mask)


class After(NamedTuple):
    """What a step left: all parameters, and how many cut connections are not zero."""

    parameters: Tensor
    back: int


# Ours, not torch's: the first of torch's imports its compiler, which takes seconds.
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "SGD": lambda groups: optimizers.sgd(groups, lr=0.1),
    "momentum": lambda groups: optimizers.sgd(groups, lr=0.1, momentum=0.9),
    "Adam": lambda groups: optimizers.adam(groups, lr=0.01),
    "decay": lambda groups: optimizers.sgd(groups, lr=0.1, momentum=0.9, weight_decay=0.1),
}


def _begin(
    optimizer: str,
    *,
    carried: bool = False,
    density: float = 0.4,
    sizes: tuple[int, int, int] = (6, 5, 3),
    dtype: torch.dtype = torch.float32,
) -> tuple[Any, ...]:
    """A network that has been cut, and all else that a step needs."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.random.fork_rng(devices=[]):
        model = nn.Sequential(
            OrderedDict(fc1=nn.Linear(sizes[0], sizes[1]), relu=nn.ReLU(), fc2=nn.Linear(sizes[1], sizes[2]))
        ).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    inputs = torch.randn((20, sizes[0]), generator=generator).to(dtype)
    targets = torch.randint(sizes[2], (20,), generator=generator)
    made = OPTIMIZERS[optimizer]([{"params": list(model.parameters())}])
    for _ in range(DENSE_STEPS if carried else 0):
        made.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()
        made.step()
    made.zero_grad()
    masks = {}
    for name in ("fc1.weight", "fc2.weight"):
        weight = model.get_parameter(name)
        masks[name] = torch.rand(weight.shape, generator=generator) < density
        weight.data.mul_(masks[name])
    return model, masks, made, inputs, targets, nn.functional.cross_entropy


class Steps(NamedTuple):
    """What the steps returned, and whether they changed the network."""

    returned: list[Any]
    changed: bool


def _steps(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Steps:
    model = arguments[0]
    before = _values(model)
    returned = [function(*arguments) for _ in range(STEPS)]
    return Steps(returned, not torch.equal(before, _values(model)))


def _values(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().double().flatten() for parameter in model.parameters()])


def _blank(steps: Steps, arguments: tuple[Any, ...]) -> bool:
    """Nothing was returned, changed or computed: a step need not return anything, and may clear its gradients."""
    nothing = not steps.changed and all(value is None or value is ... for value in steps.returned)
    return nothing and all(parameter.grad is None for parameter in arguments[0].parameters())


def _after(steps: Steps, arguments: tuple[Any, ...]) -> After:
    model, masks = arguments[:2]
    back = sum(int(model.get_parameter(name).detach()[~mask].count_nonzero()) for name, mask in masks.items())
    return After(_values(model), back)


def _same(a: After, b: After) -> bool:
    if a.back != b.back or a.parameters.shape != b.parameters.shape:
        return False
    return torch.allclose(a.parameters, b.parameters, rtol=1e-4, atol=1e-6, equal_nan=True)


def _shown(seen: After) -> str:
    zeros = "zeros that are still zero" if not seen.back else f"{seen.back} cut connections that are back"
    size = seen.parameters.square().mean().sqrt()
    return f"a network with {zeros} after {STEPS} steps, its parameters {size:.5g} in the root mean square"


def _apply(model: nn.Module, masks: dict[str, Tensor]) -> None:
    for name, mask in masks.items():
        model.get_parameter(name).data.mul_(mask)


def _gradients(model, masks, optimizer, inputs, targets, loss):
    optimizer.zero_grad()
    loss(model(inputs), targets).backward()
    for name, mask in masks.items():
        model.get_parameter(name).grad.mul_(mask)
    optimizer.step()


def _weights_before(model, masks, optimizer, inputs, targets, loss):
    _apply(model, masks)
    _plain(model, masks, optimizer, inputs, targets, loss)


def _plain(model, masks, optimizer, inputs, targets, loss):
    optimizer.zero_grad()
    loss(model(inputs), targets).backward()
    optimizer.step()


def _added_up(model, masks, optimizer, inputs, targets, loss):
    loss(model(inputs), targets).backward()
    optimizer.step()
    _apply(model, masks)


def _no_step(model, masks, optimizer, inputs, targets, loss):
    optimizer.zero_grad()
    loss(model(inputs), targets).backward()
    _apply(model, masks)


def _inverted(model, masks, optimizer, inputs, targets, loss):
    _plain(model, masks, optimizer, inputs, targets, loss)
    _apply(model, {name: ~mask for name, mask in masks.items()})


def _first_only(model, masks, optimizer, inputs, targets, loss):
    _plain(model, masks, optimizer, inputs, targets, loss)
    _apply(model, dict(list(masks.items())[:1]))


def _new_parameters(model, masks, optimizer, inputs, targets, loss):
    _plain(model, masks, optimizer, inputs, targets, loss)
    for name, mask in masks.items():
        module, _, last = name.rpartition(".")
        setattr(model.get_submodule(module), last, nn.Parameter(model.get_parameter(name).detach() * mask))


def _uphill(model, masks, optimizer, inputs, targets, loss):
    optimizer.zero_grad()
    (-loss(model(inputs), targets)).backward()
    optimizer.step()
    _apply(model, masks)


EXERCISES = (
    Exercise(
        lesson=3,
        seed=SEED,
        reference=masked_step,
        trials=(
            Trial("a new optimizer, SGD", lambda: _begin("SGD")),
            Trial("SGD with momentum, carried over from dense training", lambda: _begin("momentum", carried=True)),
            Trial("Adam, carried over from dense training", lambda: _begin("Adam", carried=True)),
            Trial("momentum and weight decay, carried over", lambda: _begin("decay", carried=True)),
            Trial("a network of which nothing was cut", lambda: _begin("momentum", density=1.0)),
            Trial("a network of which every weight was cut", lambda: _begin("momentum", carried=True, density=0.0)),
            Trial("a network in double precision", lambda: _begin("Adam", carried=True, dtype=torch.float64)),
            Trial("layers with a single neuron", lambda: _begin("momentum", carried=True, sizes=(1, 1, 2))),
        ),
        calls=_steps,
        blank=_blank,
        reads=_after,
        same=_same,
        shows=_shown,
        may_change=("model", "optimizer"),
        hints=(
            "First an ordinary step: zero the gradients, compute the loss, `backward()`, `optimizer.step()`.",
            "The optimizer may move a cut connection even where its gradient is zero: momentum goes on. So set the "
            "weights to zero again after the step.",
            "`model.get_parameter(name).mul_(mask)` for each mask, within `with torch.no_grad():`.",
        ),
        mistakes=(
            Mistake(
                _gradients,
                "Only the gradient is masked. With an optimizer that is carried over that is not enough: its momentum "
                "still moves what was cut. Set the weights to zero again after the step.",
            ),
            Mistake(
                _weights_before,
                "The weights are masked before the step, and the step moves them again. Mask them after it.",
            ),
            Mistake(
                _plain,
                "The masks have no effect: the network grows back. (`weight = weight * mask` only gives a new tensor a "
                "name; `weight.mul_(mask)` changes the network.)",
            ),
            Mistake(
                _added_up,
                "Gradients of earlier steps are still there and add up: begin with `optimizer.zero_grad()`.",
            ),
            Mistake(
                _no_step, "Nothing is learned: `backward()` of the loss or, after it, `optimizer.step()` is missing."
            ),
            Mistake(_inverted, "This sets the survivors to zero. A mask is True where a connection is kept."),
            Mistake(_first_only, "Only the first layer is masked: go through all of `masks.items()`."),
            Mistake(
                _new_parameters,
                "A new parameter is put into the model, which the optimizer does not know: from then on the layer is "
                "no longer trained. Change the old one in place, `mul_(mask)`.",
            ),
            Mistake(_uphill, "The loss grows: the step goes uphill. `backward()` of the loss itself, without a minus."),
        ),
    ),
)
