"""What a visitor's run may take where many share a machine, in the lab that the page shows."""

from __future__ import annotations

import pytest

from prunelab import Lab, Recipe
from prunelab.errors import LimitError
from prunelab.lab.worker.limits import VARIABLE, Limits
from support.labs import reached

SMALL = Recipe(model="mlp-small", epochs=2, retrain_epochs=1, rounds=2)


@pytest.mark.parametrize(("changes", "words"), [
    ({"rounds": 4}, "rounds = 4: .* at most 3"),
    ({"epochs": 11}, "epochs = 11: .* at most 10"),
    ({"retrain_epochs": 11}, "retrain_epochs = 11: .* at most 10"),
])  # fmt: skip
def test_a_recipe_that_asks_for_more_is_refused_with_the_field_and_the_limit(changes, words):
    limits = Limits(rounds=3, epochs=10)
    limits.check(SMALL)
    with pytest.raises(LimitError, match=words):
        limits.check(SMALL.changed(**changes))


def test_what_is_not_limited_may_be_as_long_as_recipes_go():
    Limits().check(SMALL.changed(rounds=100, epochs=10_000, retrain_epochs=10_000))


@pytest.mark.parametrize("values", [{"rounds": 0}, {"epochs": -1}, {"seconds": 0.5}, {"seconds": float("nan")}])
def test_a_limit_below_one_is_none(values):
    with pytest.raises(LimitError, match="must be at least 1"):
        Limits(**values)


@pytest.mark.parametrize("limits", [Limits(), Limits(rounds=3), Limits(1, 2, 3.5)])
def test_they_travel_in_the_environment(limits):
    assert Limits.from_environment({VARIABLE: limits.to_json()}) == limits
    assert Limits.from_environment({}) == Limits()


@pytest.fixture
def lab():
    made = Lab(SMALL, measure=False)
    assert made.wait(60)
    yield made
    made.close()


def test_a_link_that_is_refused_does_not_end_the_training_that_is_on(lab):
    lab._runner.limit(Limits(rounds=3, epochs=10_000))
    lab.controls["epochs"].value = 3_000
    lab.buttons["train"].click()
    reached(lab, lambda state: state.activity == "training" and state.snapshot.clock > 20)
    lab.follow("v=2&model=mlp-small&rounds=50")
    reached(lab, lambda state: "rounds = 50" in (state.trouble or ""))
    at = lab.state.snapshot.clock
    reached(lab, lambda state: state.activity == "training" and state.snapshot.clock > at + 50)
    assert "rounds = 50" in lab.state.trouble


def test_the_lab_refuses_in_words_keeps_its_network_and_goes_on_within_the_limits(lab):
    lab._runner.limit(Limits(rounds=3))
    before = lab.state.snapshot
    lab.controls["rounds"].value = 50
    lab.buttons["run"].click()
    assert lab.wait(60)
    assert "rounds = 50" in lab.state.trouble and "at most 3" in lab.state.trouble
    assert lab.state.snapshot.clock == before.clock
    lab.controls["rounds"].value = 2
    lab.buttons["run"].click()
    assert lab.wait(60)
    assert lab.state.trouble is None and lab.state.snapshot.round == 2


def test_a_link_that_asks_for_more_is_refused(lab):
    lab._runner.limit(Limits(epochs=10))
    lab.follow("epochs=10000&seed=3")
    assert lab.wait(60)
    assert "epochs = 10000" in lab.state.trouble and lab.session.recipe == SMALL


def test_a_run_is_paused_when_its_time_is_over_and_can_be_resumed(lab, monkeypatch):
    from prunelab.lab.worker import running_task

    now = [0.0]

    def later() -> float:
        now[0] += 0.5
        return now[0]

    lab._runner.limit(Limits(seconds=10))
    monkeypatch.setattr(running_task.time, "monotonic", later)
    lab.controls["epochs"].value = 400
    lab.buttons["train"].click()
    assert lab.wait(60)
    assert lab.state.activity == "paused" and "Paused after 10 s" in lab.state.notice
    at = lab.state.snapshot.clock
    lab.buttons["pause"].click()
    assert lab.wait(60)
    assert lab.state.activity == "paused" and lab.state.snapshot.clock > at


def test_the_time_that_a_lab_has_rested_does_not_count(lab, monkeypatch):
    from prunelab.lab.worker import running_task

    lab._runner.limit(Limits(seconds=1000))
    real = running_task.time.monotonic
    monkeypatch.setattr(running_task.time, "monotonic", lambda: real() + 10_000)
    lab.follow("v=2&preset=batch-norm-renewed-or-stale")
    assert lab.wait(120)
    assert lab.state.activity == "ready" and len(lab.state.runs) == 2
