"""The learning rate of retraining, step by step: falling or constant, beside torch's own schedulers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import prunelab as pl
from prunelab.cli.recipe_options import recipe_from
from prunelab.errors import RecipeError
from prunelab.training import steps
from support.sessions import finished, quick, same

PER_EPOCH = 23  # batches of the digits


@pytest.fixture
def rates(monkeypatch):
    """The learning rate of every training step."""
    seen = []
    step = steps.training_step

    def watching(model, optimizer, x, y, **others):
        seen.append([group["lr"] for group in optimizer.param_groups])
        return step(model, optimizer, x, y, **others)

    monkeypatch.setattr(steps, "training_step", watching)
    return seen


def torchs(scheduler, rate: float, number: int) -> list[float]:
    """The rates of ``number`` steps under one of torch's schedulers."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    schedule, found = scheduler(optimizer), []
    for _ in range(number):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("part", [0.1, 0.5, 1.0])
def test_a_constant_rate_is_that_of_torchs_constant_lr(rates, optimizer, part):
    recipe = quick(optimizer=optimizer, retrain_rate=part, retrain_schedule="constant", rounds=2, retrain_epochs=1)
    finished(pl.Session(recipe))
    dense = recipe.epochs * PER_EPOCH
    expected = torchs(
        lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=part, total_iters=10**6),
        recipe.learning_rate,
        2 * PER_EPOCH,
    )
    assert [pair[0] for pair in rates[dense:]] == pytest.approx(expected, rel=1e-12)
    assert all(one == other for one, other in rates)


def test_dense_training_and_the_default_keep_their_cosine(rates):
    recipe = quick(rounds=1, retrain_epochs=1)
    finished(pl.Session(recipe))
    dense = recipe.epochs * PER_EPOCH
    fallen = [
        torchs(lambda o, n=n: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=n), rate, n)
        for rate, n in ((recipe.learning_rate, dense), (recipe.learning_rate * recipe.retrain_rate, PER_EPOCH))
    ]
    assert [pair[0] for pair in rates] == pytest.approx(fallen[0] + fallen[1], rel=1e-6)
    before = list(rates)
    rates.clear()
    finished(pl.Session(recipe.changed(retrain_schedule="constant")))
    assert rates[:dense] == before[:dense]
    assert rates[dense:] == [[recipe.learning_rate * recipe.retrain_rate] * 2] * PER_EPOCH


def test_within_one_cycle_of_all_rounds_the_rate_stays_too(rates):
    recipe = quick(rule="density", density=0.3, gradual=True, rounds=2, retrain_epochs=1, retrain_schedule="constant")
    session = finished(pl.Session(recipe))
    assert {tuple(pair) for pair in rates[recipe.epochs * PER_EPOCH :]} == {
        (recipe.learning_rate * recipe.retrain_rate,) * 2
    }
    assert session.snapshot().zeros_hold


def test_rewinding_repeats_the_rates_of_dense_training(rates):
    recipe = quick(epochs=2, rewind="rate", rewind_epoch=1, rounds=1)
    finished(pl.Session(recipe))
    cosine = list(rates)
    rates.clear()
    finished(pl.Session(recipe.changed(retrain_schedule="constant")))
    assert rates == cosine


@pytest.mark.parametrize("left_after", [1, 7, PER_EPOCH, PER_EPOCH + 5])
def test_saved_in_the_middle_it_goes_on_bit_for_bit(tmp_path, left_after):
    recipe = quick(rounds=1, retrain_epochs=2, retrain_schedule="constant")
    whole = finished(pl.Session(recipe))
    session = pl.Session(recipe)
    for _ in session.train():
        pass
    session.prune()
    for number, _ in enumerate(session.ticks("retrain"), 1):
        if number == left_after:
            break
    session.save(tmp_path)
    loaded = finished(pl.Session.load(tmp_path))
    same(loaded, whole)


@settings(max_examples=30)
@given(st.sampled_from(["cosine", "constant"]), st.floats(0.01, 1))
def test_it_comes_back_from_links_json_and_options(schedule, part):
    recipe = pl.Recipe(retrain_schedule=schedule, retrain_rate=part)
    assert pl.Recipe.from_query(recipe.to_query()) == pl.Recipe.from_json(recipe.to_json()) == recipe
    assert recipe_from({"retrain_schedule": schedule, "retrain_rate": str(part)}) == recipe
    assert ("retrain_schedule=constant" in recipe.to_query()) is (schedule == "constant")


def test_other_schedules_are_refused_and_keys_of_saved_files_stay():
    with pytest.raises(RecipeError, match="did you mean constant"):
        pl.Recipe(retrain_schedule="const")
    assert pl.Recipe(retrain_rate=0.1).key == "9480d3c6d4b8"
    assert pl.Recipe(retrain_rate=0.1, retrain_schedule="constant").key != "9480d3c6d4b8"
