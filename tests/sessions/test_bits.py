"""The same numbers, bit for bit, whatever else torch is used for."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import prunelab as pl
from prunelab import torch_state
from support.sessions import finished, quick, same


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adam", "learning_rate": 0.01, "dropout": 0.5},
        {"batch_norm": True, "regularizer": "l1"},
        {"model": "lenet-5", "epochs": 1, "retrain_epochs": 1, "rounds": 1},
        {"rule": "density", "density": 0.1, "unit": "neuron", "scope": "layer"},
        {"std": "survivors", "ramp": False, "regularizer": "none"},
    ],
)
def test_the_same_recipe_gives_the_same_bits_whatever_the_global_generator(changes):
    torch.manual_seed(1)
    a = finished(pl.Session(quick(**changes)))
    torch.manual_seed(2)
    same(a, finished(pl.Session(quick(**changes))))
    assert a.masks.zeros_hold() and a.masks.density < 1


def test_another_seed_gives_other_numbers():
    a, b = (finished(pl.Session(quick(seed=seed))) for seed in (0, 1))
    assert not torch.equal(a.masks["fc1"], b.masks["fc1"])


def test_a_run_leaves_the_global_generator_and_the_threads_alone():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    finished(pl.Session(quick(dropout=0.5)))
    assert torch.equal(torch.rand(2), expected) and torch.get_num_threads() == threads


def test_threads_are_the_callers_between_any_two_ticks():
    a, b = (pl.Session(quick(seed=seed)).ticks("run") for seed in (0, 1))
    with torch_state.threads(2):
        for _ in range(40):
            next(a)
            assert torch.get_num_threads() == 2
            next(b)
        a.close()
        b.close()
        assert torch.get_num_threads() == 2


def test_two_sessions_in_two_threads_compute_what_each_computes_alone():
    recipes = [quick(seed=seed, dropout=0.5, model=model) for seed, model in enumerate(("mlp-small", "lenet-5"))]
    alone = [finished(pl.Session(recipe)) for recipe in recipes]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda recipe: finished(pl.Session(recipe)), recipes))
    for a, b in zip(alone, together, strict=True):
        same(a, b)
