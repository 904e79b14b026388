"""Inside a stack: weights, cuts and moments against sessions of the same recipes, step by step."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import prunelab as pl
from prunelab.sessions.validation import arguments
from prunelab.training import steps
from support.stacked import Bench, done

SMALL = pl.Recipe(model="mlp-small", epochs=1, retrain_epochs=1, quality=1.0, rounds=1)

# Each list is one stack: what differs in it is what networks of one stack may differ in.
STACKS = {
    "plain": [SMALL.changed(dropout=0.0, seed=seed, learning_rate=0.05 * (seed + 1)) for seed in (0, 1, 2)],
    "dropout": [SMALL.changed(seed=seed, dropout=rate) for seed, rate in ((0, 0.2), (3, 0.5), (0, 0.1))],
    "penalties": [SMALL.changed(regularizer=kind, strength=1e-3) for kind in ("l1", "l2", "none")],
    "adam": [SMALL.changed(optimizer="adam", seed=seed, strength=1e-3 * seed) for seed in (0, 1)],
    "rewound rate": [SMALL.changed(seed=seed, epochs=2, rewind="rate", strength=1e-3 * seed) for seed in (0, 1)],
    "batch norm": [SMALL.changed(batch_norm=True, seed=seed) for seed in (0, 1)],
    "lenet-300-100": [SMALL.changed(model="lenet-300-100", seed=seed) for seed in (0, 1)],
    "odd batch": [SMALL.changed(batch_size=359, seed=seed) for seed in (0, 1)],  # 4 x 359 + 1 samples
    "lenet-5": [SMALL.changed(model="lenet-5", batch_size=256, batch_norm=True, seed=seed) for seed in (0, 1)],
}


class Residual(nn.Module):
    """Nothing that runs layer by layer: a skip, and an activation between the layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(64, 32), nn.BatchNorm1d(32)
        self.drop = nn.Dropout(0.3)
        self.second, self.last = nn.Linear(32, 32), nn.Linear(32, 10)

    def forward(self, x):
        x = F.gelu(self.norm(self.first(x.flatten(1))))
        return self.last(x + self.second(self.drop(x)))


def residual(recipe: pl.Recipe) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        return Residual()


# All in float64: float32 rounds by the processor's kernels, and batch norm and pooling enlarge that within an epoch.
@pytest.fixture
def digits() -> pl.Data:
    data = pl.data.load("digits")
    return replace(data, name="own", train_x=data.train_x.double(), test_x=data.test_x.double())


def same(network, session):
    """The network's parameters and buffers are those of the session, but for rounding."""
    given = network.model.state_dict()
    for name, tensor in session.model.state_dict().items():
        torch.testing.assert_close(given[name], tensor, rtol=1e-9, atol=1e-10, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.parametrize("name", STACKS)
def test_weights_masks_and_rates_are_those_of_sessions(name, digits):
    def build(recipe: pl.Recipe) -> nn.Module:
        return arguments.model_of(recipe, digits).double()

    recipes = STACKS[name]
    bench = Bench(recipes, digits, build)
    sessions = [pl.Session(recipe, model=build(recipe), data=digits) for recipe in recipes]
    for network, session in zip(bench.networks, sessions, strict=True):
        same(network, session)  # the initial weights
    done(bench.dense())
    for network, session in zip(bench.networks, sessions, strict=True):
        for _ in session.train():
            pass
        same(network, session)
        network.prune(1)
        session.prune()
        for layer, mask in session.masks.items():
            assert torch.equal(network.masks[layer], mask), layer
            assert not network.model.get_parameter(layer).detach()[~mask].any()
        assert [m.p for m in network.model.modules() if isinstance(m, nn.Dropout)] == pytest.approx(
            [m.p for m in session.model.modules() if isinstance(m, nn.Dropout)]
        )
    done(bench.retraining(1))
    for network, session in zip(bench.networks, sessions, strict=True):
        for _ in session.retrain():
            pass
        same(network, session)


def test_any_other_model_runs_under_vmap_with_batch_norm_and_the_same_dropout_noise(digits):
    recipes = [SMALL.changed(seed=seed, learning_rate=0.05) for seed in (0, 1)]
    bench = Bench(recipes, digits, lambda recipe: residual(recipe).double())
    for network, recipe in zip(bench.networks, recipes, strict=True):
        session = pl.Session(recipe, model=residual(recipe).double(), data=digits)
        same(network, session)
    done(bench.dense())
    for network, recipe in zip(bench.networks, recipes, strict=True):
        session = pl.Session(recipe, model=residual(recipe).double(), data=digits)
        for _ in session.train():
            pass
        same(network, session)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_every_mask_holds_after_every_step_and_moments_of_cut_weights_stay_zero(optimizer):
    recipes = [SMALL.changed(seed=seed, quality=0.7 * seed, optimizer=optimizer, regularizer="l1") for seed in range(3)]
    bench = Bench(recipes)
    done(bench.dense())
    for network in bench.networks:
        network.prune(1)
    counts = [[network.masks.kept_in(name) for name in network.masks] for network in bench.networks]
    course = bench.retraining(1)
    for _ in course.run():
        for network in bench.networks:
            assert network.masks.zeros_hold()
        updater = course._updater
        moments = [updater._velocities] if optimizer == "sgd" else [updater._means, updater._squares]
        for tensors in moments:
            for name, moment in zip(bench.stack.parameters, tensors, strict=True):
                for number, network in enumerate(bench.networks):
                    if name in network.masks:
                        assert not moment[number][~network.masks[name]].any()
    kept = [[int(n.model.get_parameter(name).count_nonzero()) for name in n.masks] for n in bench.networks]
    assert kept == counts and counts[0] == [64 * 64, 64 * 32, 32 * 10] and counts[2] < counts[1] < counts[0]


def test_all_that_a_step_needs_is_made_where_the_networks_are(monkeypatch):
    bench = Bench([SMALL.changed(batch_norm=True, seed=seed, regularizer="l1", retrain_epochs=2) for seed in range(3)])
    done(bench.dense())
    for network in bench.networks:
        network.prune(1)
    monkeypatch.setattr(steps, "shuffled", lambda samples, seed: torch.arange(samples, device="cpu"))
    with torch.device("meta"):  # where tensors without a device of their own go: nothing can be computed with these
        course = bench.retraining(1)
        for failed in course.run():
            assert not failed
            if course.at.batch == 0 and course.at.left:
                bench.stack.take([0, 2], [bench.networks[n].model for n in (0, 2)])
                course.take([0, 2])
    assert all(torch.isfinite(parameter).all() for parameter in bench.stack.parameters.values())


def test_the_models_are_views_of_the_stack_in_no_memory_of_their_own():
    bench = Bench([SMALL, SMALL.changed(seed=1)])
    for number, network in enumerate(bench.networks):
        for name, parameter in network.model.named_parameters():
            assert parameter.data_ptr() == bench.stack.parameters[name][number].data_ptr()
    first = bench.networks[1].model.fc1.weight.detach().clone()
    bench.stack.take([1], [bench.networks[1].model])
    assert len(bench.stack) == 1 and torch.equal(bench.networks[1].model.fc1.weight, first)
    assert bench.stack.parameters["fc1.weight"].data_ptr() == bench.networks[1].model.fc1.weight.data_ptr()
