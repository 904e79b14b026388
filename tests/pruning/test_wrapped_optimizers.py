"""Zeros stay zero whoever wraps, replaces, compiles or extends the optimizer after masks were attached to it."""

import copy
import gc
import pickle
import threading
import weakref

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

import prunelab as pl
from support.wrapped_optimizers import (
    Accelerated,
    BareVelocities,
    Chained,
    Delegating,
    Fabric,
    Orthogonal,
    Sam,
    SlowBuffers,
    SlowList,
    Stateless,
    Switching,
    Velocities,
)


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 12), nn.ReLU(), nn.Linear(12, 4))


def batches(count: int, seed: int = 1):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        yield torch.randn(16, 20, generator=generator), torch.randint(0, 4, (16,), generator=generator)


def backward(model, x, y) -> None:
    nn.functional.cross_entropy(model(x), y).backward()


def train(model, optimizer, count: int = 7, after=lambda: None) -> None:
    for x, y in batches(count):
        optimizer.zero_grad()
        backward(model, x, y)
        if isinstance(optimizer, Sam):
            optimizer.first_step(zero_grad=True)
            backward(model, x, y)
            optimizer.second_step()
        else:
            optimizer.step()
        after()


def zeros(masks: pl.Masks) -> None:
    for name in masks:
        assert not masks.weight(name).detach()[~masks[name]].any(), name
    assert masks.zeros_hold()


def adam(parameters) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.01, weight_decay=0.01)


def sgd(parameters) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-3)


WRAPPED = {
    "accelerate": lambda m: Accelerated(adam(m.parameters())),
    "accelerate, accumulating": lambda m: Accelerated(sgd(m.parameters()), accumulate=2),
    "SAM": lambda m: Sam(m.parameters(), torch.optim.SGD, lr=0.1, momentum=0.9),
    "SAM, Adam": lambda m: Sam(m.parameters(), torch.optim.Adam, lr=0.01),
    "Lookahead, slow weights as state": lambda m: SlowBuffers(adam(m.parameters())),
    "Lookahead, slow weights in a list": lambda m: SlowList(sgd(m.parameters())),
    "Lookahead around accelerate": lambda m: SlowList(Accelerated(adam(m.parameters()))),
    "accelerate around Lookahead": lambda m: Accelerated(SlowList(adam(m.parameters()))),
    "Fabric": lambda m: Fabric(adam(m.parameters())),
    "no optimizer by class": lambda m: Delegating(sgd(m.parameters())),
    "one after another": lambda m: Switching(m.parameters()),
    "several": lambda m: Chained(sgd(m[0].parameters()), adam([*m[2].parameters(), *m[4].parameters()])),
    "orthogonal steps": lambda m: Orthogonal(m.parameters()),
    "orthogonal steps, wrapped": lambda m: Delegating(Orthogonal(m.parameters())),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_zeros_stay_zero_under_a_wrapped_optimizer_that_has_a_dense_past(name):
    model = network()
    masks = pl.Masks(model)
    optimizer = WRAPPED[name](model)
    train(model, optimizer)  # moments and slow weights are dense now
    masks.attach(optimizer)
    for density in (0.6, 0.3, 0.1):
        masks.prune(density=density)
        train(model, optimizer, after=lambda: zeros(masks))


@pytest.mark.parametrize("name", WRAPPED)
def test_removing_the_attachment_leaves_a_wrapped_optimizer_as_it_was(name):
    model = network()
    masks = pl.Masks(model)
    optimizer = WRAPPED[name](model)
    before = dict(vars(optimizer))
    masks.attach(optimizer).remove()
    assert vars(optimizer).keys() == before.keys()
    masks.prune(density=0.3)
    train(model, optimizer)
    assert not masks.zeros_hold()


@pytest.mark.parametrize("name", ["accelerate", "SAM", "SAM, Adam", "no optimizer by class"])
def test_survivors_of_a_wrapped_optimizer_follow_the_trajectory_of_torch_prune(name):
    model, twin = network(), network()
    masks = pl.Masks(model)
    masks.prune(density=0.3)
    for module, parameter in zip([m for m in twin if isinstance(m, nn.Linear)], masks, strict=True):
        torch_prune.custom_from_mask(module, "weight", masks[parameter])
    optimizer = WRAPPED[name](model)
    masks.attach(optimizer)
    train(model, optimizer)
    train(twin, WRAPPED[name](twin))
    for module, parameter in zip([m for m in twin if isinstance(m, nn.Linear)], masks, strict=True):
        expected = (module.weight_orig * module.weight_mask).detach()
        torch.testing.assert_close(masks.weight(parameter).detach(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")  # SAM's own step is never called
@pytest.mark.parametrize("scheduler_first", [False, True])
@pytest.mark.parametrize("name", ["accelerate", "Lookahead, slow weights as state", "SAM", "Fabric"])
def test_a_scheduler_that_replaces_step_is_no_way_around(name, scheduler_first):
    model = network()
    masks = pl.Masks(model)
    optimizer = WRAPPED[name](model)
    if not scheduler_first:
        attachment = masks.attach(optimizer)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    if scheduler_first:
        attachment = masks.attach(optimizer)
    masks.prune(density=0.3)
    train(model, optimizer, after=lambda: (zeros(masks), scheduler.step()))
    attachment.remove()
    train(model, optimizer)
    assert not masks.zeros_hold(), "nothing is kept any more"


@pytest.mark.parametrize("make", [sgd, adam, lambda p: Orthogonal(p)])
def test_a_layer_that_is_thawed_and_joins_later_is_kept_too(make):
    model = network()
    masks = pl.Masks(model)
    masks.prune(density=0.2, scope="layer")
    model[0].requires_grad_(False)
    model[2].requires_grad_(False)
    optimizer = make(model[4].parameters())
    masks.attach(optimizer)
    train(model, optimizer, after=lambda: zeros(masks))
    assert not model[0].weight.requires_grad, "attaching thaws nothing"
    model.requires_grad_(True)
    optimizer.add_param_group({"params": model[0].parameters(), "lr": 0.01})
    optimizer.param_groups[0]["params"] += model[2].parameters()
    before = model[0].weight.detach().clone()
    train(model, optimizer, after=lambda: zeros(masks))
    assert not torch.equal(model[0].weight, before)


def test_gradient_norms_count_survivors_only_also_of_thawed_layers():
    model, twin = network(), network()
    masks = pl.Masks(model)
    masks.prune(density=0.2, scope="layer")
    for module, parameter in zip([m for m in twin if isinstance(m, nn.Linear)], masks, strict=True):
        torch_prune.custom_from_mask(module, "weight", masks[parameter])
    model[:4].requires_grad_(False)
    masks.attach(sgd(model[4].parameters()))
    model.requires_grad_(True)
    (x, y), *_ = batches(1)
    backward(model, x, y)
    backward(twin, x, y)
    norms = [nn.utils.clip_grad_norm_(m.parameters(), 1.0) for m in (model, twin)]
    torch.testing.assert_close(*norms)


def test_a_cut_amid_accumulation_takes_its_gradients_along():
    model = network()
    masks = pl.Masks(model)
    masks.attach(sgd(model.parameters()))
    (x, y), *_ = batches(1)
    backward(model, x, y)
    masks.prune(density=0.2)
    for name in masks:
        grad = masks.weight(name).grad
        assert not grad[~masks[name]].any() and grad[masks[name]].any()


@pytest.mark.parametrize("make", [sgd, adam, lambda p: Orthogonal(p)])
def test_an_optimizer_that_takes_the_place_of_the_attached_one_is_kept_too(make):
    """A new optimizer for each round, where attach was forgotten: its moments are cleared at a cut as well."""
    model = network()
    masks = pl.Masks(model)
    masks.attach(sgd(model.parameters()))
    masks.prune(density=0.6)
    other = make(model.parameters())
    train(model, other, after=lambda: zeros(masks))
    masks.prune(density=0.2)
    train(model, other, after=lambda: zeros(masks))


def test_an_optimizer_for_the_other_part_of_the_model_is_kept_too():
    model = network()
    masks = pl.Masks(model)
    first, second = sgd(model[:2].parameters()), adam(model[2:].parameters())
    masks.attach(first)
    train(model, second)
    masks.prune(density=0.2)
    train(model, Chained(first, second), after=lambda: zeros(masks))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own, while it compiles
@pytest.mark.parametrize("what", ["step", "function", "model"])
@pytest.mark.parametrize("name", ["torch", "orthogonal steps", "accelerate"])
def test_a_compiled_step_or_model_is_kept_too(what, name):
    torch._dynamo.reset()
    model = network()
    masks = pl.Masks(model)
    optimizer = WRAPPED[name](model) if name in WRAPPED else adam(model.parameters())
    step = torch.compile(optimizer.step, backend="eager") if what == "step" else optimizer.step
    if what == "function":
        step = torch.compile(lambda: optimizer.step(), backend="eager")
    run = torch.compile(model, backend="eager") if what == "model" else model

    def some_steps() -> None:
        for x, y in batches(3):
            optimizer.zero_grad()
            backward(run, x, y)
            step()
            zeros(masks)

    some_steps()  # compiled before anything is attached
    masks.attach(optimizer)
    for density in (0.5, 0.2, 0.05):
        masks.prune(density=density)
        some_steps()


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("compiled", [False, True])
def test_a_step_that_was_kept_before_attaching_is_found_out_at_the_next_gradient(compiled):
    """torch's hooks do not reach this Lookahead, and its old step writes dense weights after the inner one."""
    torch._dynamo.reset()
    model = network()
    masks = pl.Masks(model)
    optimizer = SlowList(sgd(model.parameters()), k=1)
    step = torch.compile(optimizer.step, backend="eager") if compiled else optimizer.step
    train(model, optimizer)
    attachment = masks.attach(optimizer)
    masks.prune(density=0.2)
    (x, y), *_ = batches(1)
    backward(model, x, y)
    step()
    with pytest.raises(pl.PrunelabError, match=r"0.weight: cut weights.*SlowList\.step was kept.*masks\.apply"):
        backward(model[:1], x, y)
    masks.apply()
    train(model, optimizer, after=lambda: zeros(masks))
    attachment.remove()
    backward(model, x, y)
    step()
    backward(model, x, y)


def test_what_is_no_optimizer_is_refused_in_words():
    model = network()
    masks = pl.Masks(model)
    scheduler = torch.optim.lr_scheduler.StepLR(sgd(model.parameters()), 2)
    with pytest.raises(TypeError, match=r"StepLR is not an optimizer.*\.optimizer"):
        masks.attach(scheduler)
    with pytest.raises(TypeError, match="Sequential is not an optimizer"):
        masks.attach(model)
    with pytest.raises(TypeError, match=r"type is not an optimizer"):
        masks.attach(torch.optim.SGD)


def test_a_wrapper_whose_step_cannot_be_replaced_is_refused_in_words():
    class Sealed:
        __slots__ = ("inner", "param_groups", "state")

        def __init__(self, inner):
            self.inner, self.param_groups, self.state = inner, inner.param_groups, inner.state

        def step(self):
            self.inner.step()

    model = network()
    masks = pl.Masks(model)
    with pytest.raises(TypeError, match="Sealed lets nobody hear of its steps.*attach to the optimizer inside"):
        masks.attach(Sealed(sgd(model.parameters())))
    train(model, sgd(model.parameters()))
    masks.prune(density=0.2)
    train(model, adam(model.parameters()))
    assert not masks.zeros_hold(), "a refusal attaches nothing"


def test_master_weights_in_place_of_the_models_are_refused():
    model = network().bfloat16()
    masks = pl.Masks(model)
    with pytest.raises(ValueError, match="holds none of the weights"):
        masks.attach(Accelerated(sgd([p.detach().float().requires_grad_() for p in model.parameters()])))


def test_optimizers_of_other_models_are_left_alone():
    model, other = network(), network(1)
    masks = pl.Masks(model)
    masks.attach(sgd(model.parameters()))
    masks.prune(density=0.2)
    train(other, sgd(other.parameters()))
    assert all(bool(p.all()) for p in other.parameters() if p.dim() > 1)


def test_model_and_masks_can_be_forgotten_while_attached():
    model = network()
    masks = pl.Masks(model)
    masks.attach(Accelerated(sgd(model.parameters())))
    gone = weakref.ref(masks), weakref.ref(model)
    del masks, model
    gc.collect()
    assert gone[0]() is None and gone[1]() is None


def test_attachments_in_threads_do_not_disturb_each_other():
    errors = []

    def work(seed: int) -> None:
        try:
            model = network(seed)
            masks = pl.Masks(model)
            masks.prune(density=0.3)
            for _ in range(20):
                optimizer = sgd(model.parameters())
                attachment = masks.attach(optimizer)
                train(model, optimizer, 2, after=lambda: zeros(masks))
                attachment.remove()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_an_attached_optimizer_can_be_copied_and_pickled():
    model = network()
    masks = pl.Masks(model)
    optimizer = adam(model.parameters())
    masks.attach(optimizer)
    masks.prune(density=0.3)
    train(model, optimizer)
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        for x, y in zip(optimizer.state_dict()["state"].values(), twin.state_dict()["state"].values(), strict=True):
            torch.testing.assert_close(x, y)


@pytest.mark.parametrize("kind", [Stateless, Velocities, BareVelocities])
def test_optimizers_written_by_hand_may_keep_their_state_as_they_like(kind):
    model = network()
    masks = pl.Masks(model)
    masks.prune(density=0.5)
    optimizer = kind(model.parameters())
    masks.attach(optimizer)
    train(model, optimizer, after=lambda: zeros(masks))
    masks.prune(density=0.2)
    train(model, optimizer, after=lambda: zeros(masks))
    if kind is BareVelocities:
        masks.prune(density=0.1)
        assert not any(optimizer.state[masks.weight(name)][~masks[name]].any() for name in masks)
