"""What a reload makes of a comparison that an address asks for, and of a point of the curve that is being loaded."""

from __future__ import annotations

import pytest

import prunelab as pl
from prunelab.experiments.tradeoff import recipe_of, replay
from prunelab.lab.links import Options
from prunelab.lab.messages import Command
from prunelab.lab.worker import visit
from prunelab.lab.worker.page_settings import PageSettings
from prunelab.results.tradeoff import Point, line_named
from prunelab.serve import visitor
from prunelab.sessions.dense_cache import DenseCache
from support.labs import LINK, LONG, QUICK, address, press, reached
from support.sessions import same


def compared(lab) -> None:
    """Wait until a preset of two runs is over."""
    reached(lab, lambda r: len(r.runs) >= 2 and r.activity == "ready" and not r.comparing)
    assert lab.wait(60)


@pytest.mark.parametrize("asked_by", ["the server", "the visitor"])
def test_a_comparison_that_a_link_asked_for_is_not_done_again_at_a_reload(visitor_of, monkeypatch, asked_by):
    query = wish = f"{LINK}&preset=l1-or-l2"
    if asked_by == "the server":
        monkeypatch.setenv(visitor.LINK, wish)
        query = ""
    lab = visitor_of(query)
    compared(lab)
    press(lab, "prune")
    lab.stop()
    again, activities = visitor_of(address(lab, query)), []
    again.on_state(lambda state: activities.append(state.activity))
    assert again.wait(60) and "comparing" not in activities and len(again.state.runs) == len(lab.state.runs)
    assert again.state.snapshot.phase == "pruned"


def test_a_comparison_that_a_link_asked_for_and_that_had_not_begun_begins_after_a_reload(visitor_of):
    lab = visitor_of(f"{LONG.to_query()}&preset=l1-or-l2")
    reached(lab, lambda r: r.activity == "training")
    lab.controls["epochs"].value = 2
    lab.stop()
    again = visitor_of(address(lab, f"{lab.link()}&preset=l1-or-l2"))
    reached(again, lambda r: r.activity == "training")
    again.buttons["pause"].click()
    reached(again, lambda r: r.activity == "paused")
    again.buttons["train"].click()
    compared(again)


@pytest.mark.parametrize("wish", ["preset=l1-or-l2", "preset=L1+or+L2"])
def test_a_comparison_that_was_added_to_the_address_begins(visitor_of, wish):
    lab = visitor_of()
    assert lab.wait(60)
    lab.stop()
    again = visitor_of(address(lab, f"{LINK}&{wish}"))
    compared(again)


@pytest.mark.parametrize("wish", ["lesson=3", "preset=l1-or-l2"])
def test_a_lesson_or_preset_that_stayed_in_the_address_is_no_new_wish(wish):
    page = PageSettings(pl.Recipe(quality=1.6), Options(), wish, "quality=1.6")
    assert page.opened_by(wish) and page.opened_by(f"quality=1.6&{wish}") and page.opened_by("quality=1.6")
    assert not page.opened_by("lesson=4") and not page.opened_by("quality=1.6&preset=one-shot-or-five-rounds")


@pytest.mark.parametrize(("line", "left_in"), [
    ("L2 only cut", "training"), ("L2 retrained", "pruned"), ("L2 retrained", "retraining"),
    ("L2 iterative", "training"), ("L2 iterative", "pruned"), ("L2 iterative", "retraining"),
])  # fmt: skip
def test_a_point_of_the_curve_that_was_being_loaded_becomes_that_point(visitor_of, line, left_in):
    cuts = (0.5, 0.3, 0.2) if line == "L2 iterative" else (0.2,)
    recipe = recipe_of(QUICK.changed(seed=5, retrain_epochs=1), line_named(line), cuts)
    point = Point(
        line=line, recipe=recipe, cuts=cuts, kept=1, total=2, effective=None, gaussian=None, accuracy=0.9, dense=0.9,
    )  # fmt: skip
    lab = visitor_of()
    assert lab.wait(60)

    def pause(state) -> None:
        if state.activity == "running" and state.recipe == recipe and state.snapshot.phase == left_in:
            lab.on_state(pause, remove=True)
            lab._runner.submit(Command("pause"))

    lab.on_state(pause)
    lab.hand.submit("load", point)
    assert lab.wait(60) and lab.state.activity == "paused"
    lab.stop()
    again = visitor_of(address(lab))
    assert again.wait(60) and again.state.activity == "paused"
    press(again, "pause")
    assert again.state.activity == "ready"
    expected = pl.Session(recipe)
    for _ in replay(expected, point):
        pass
    same(again.session, expected)


def test_a_training_that_gives_way_to_a_saved_run_keeps_nobody_waiting(visitor_of):
    """A kernel is still making its network ready when its visitor comes, with a run of his own."""
    saved = visitor_of()
    assert saved.wait(60)
    saved.stop()
    lab, other = visitor_of(LONG.to_query()), DenseCache()
    reached(lab, lambda r: r.activity == "training")
    assert not other.take_turn(lab.recipe), "other kernels wait for it"
    lab.hand.submit("visit", visit.enter(saved.status.session))
    assert lab.wait(60) and lab.state.snapshot.phase == "trained"
    assert other.take_turn(LONG)
    other.give_up()


@pytest.mark.parametrize("action", ["retrain", "run"])
def test_a_guess_that_waits_for_its_result_still_does_after_a_reload(visitor_of, action):
    lab = visitor_of(f"{LINK}&guess=true")
    assert lab.wait(60)
    if action == "retrain":
        lab.hand.do("prune")
        assert lab.wait(60)

    def pause(state) -> None:
        if state.snapshot is not None and state.snapshot.phase == "retraining":
            lab.on_state(pause, remove=True)
            lab._runner.submit(Command("pause"))

    lab.on_state(pause)
    lab.buttons[action].click()
    lab.guess.slider.value = 50.0
    lab.guess.button.click()
    assert lab.wait(60) and lab.state.activity == "paused" and lab.guess.waits
    lab.stop()
    again = visitor_of(address(lab, f"{LINK}&guess=true"))
    assert again.wait(60) and again.state.activity == "paused"
    assert again.guess.waits and again.guess.result.value == "", "what comes is still hidden"
    press(again, "pause")
    assert not again.guess.waits and again.guess.result.value.startswith("You guessed 50.0 %, it is ")
    again.stop()
    third = visitor_of(address(again, f"{LINK}&guess=true"))
    assert third.wait(60) and not third.guess.waits, "its result was told"


def test_a_guess_of_a_run_that_did_not_come_back_hides_nothing(visitor_of):
    lab = visitor_of(f"{LINK}&guess=true")
    assert lab.wait(60)
    lab.guess.due = ("run", 50.0)
    lab.stop()
    again = visitor_of(address(lab, f"{LINK}&guess=true"))
    assert again.wait(60) and not again.guess.waits
