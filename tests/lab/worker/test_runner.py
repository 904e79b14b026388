"""The runner: what it computes first, and what it leaves out."""

from types import SimpleNamespace

import pytest

import prunelab as pl
from prunelab.lab import wording
from prunelab.lab.messages import Command
from prunelab.lab.presets import presets
from prunelab.lab.worker import runner as runners
from prunelab.lab.worker import shown_session
from prunelab.lab.worker.runner import Runner
from prunelab.lab.worker.session_source import SessionOpener
from prunelab.recipe import Target
from prunelab.sessions import snapshot_rate
from support.labs import LONG, QUICK, press, reached


def test_of_many_previews_in_the_queue_only_the_last_is_computed(monkeypatch):
    # While it trains the preview is renewed, as often as time goes by: here none does.
    monkeypatch.setattr(snapshot_rate, "time", SimpleNamespace(monotonic=lambda: 0.0))
    asked = []

    class Spy(pl.Session):
        def preview(self, quality=None, **more):
            asked.append(quality.quality)
            return super().preview(quality, **more)

    class Source(SessionOpener):
        def new(self, recipe, **_):
            return Spy(recipe)

    runner = Runner(QUICK, Source(None, None, None), lambda state: None)
    runner.submit(Command("train", QUICK))
    for i in range(50):
        runner.submit(Command("preview", QUICK, Target(i / 50)))
    runner.start()
    assert runner.wait(60)
    assert asked[-1] == 49 / 50 and len(asked) < 10
    runner.end()


def test_the_exact_preview_is_given_up_for_a_hand_that_moves_on(monkeypatch):
    monkeypatch.setattr(shown_session, "APPROXIMATE", 20)
    reported, parts = [], []

    class Slow(pl.Session):
        def previewing(self, *arguments, **more):
            if more.get("samples") is not None:  # the quick one
                yield from super().previewing(*arguments, **more)
                return
            for part in super().previewing(*arguments, **more):
                parts.append(part)
                if len(parts) == 1:
                    runner.submit(Command("preview", QUICK, Target(0.9)))  # the hand moves on
                    yield None
                yield part

    class Source(SessionOpener):
        def new(self, recipe, **_):
            return Slow(recipe)

    def hear(state):
        if state.preview is not None:
            reported.append((state.preview.quality, state.preview.exact))

    runner = Runner(QUICK, Source(None, None, None), hear)
    runner.submit(Command("train", QUICK))
    runner.start()
    assert runner.wait(60)
    reported.clear()
    parts.clear()
    runner.submit(Command("preview", QUICK, Target(0.5)))
    assert runner.wait(60)
    assert (0.5, False) in reported and (0.5, True) not in reported and len(parts) > 1
    assert reported[-1] == (0.9, True)
    runner.end()


def test_a_training_makes_way_for_the_picture_that_a_hand_asked_for_but_not_for_ever(monkeypatch):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(runners, "time", clock)
    monkeypatch.setattr(runners, "COURTESY", 3600.0)
    lab = pl.Lab(LONG, measure=False)
    reached(lab, lambda r: r.activity == "training")  # before its first batch there is nothing to pause

    lab.controls["quality"].value = 0.5
    reached(lab, lambda r: r.preview is not None and r.preview.quality == 0.5)
    asked = lab.session.clock
    press(lab, "pause")  # is heard at once
    assert lab.session.clock == asked, "nothing was trained meanwhile"

    clock.now = 3601.0
    lab.buttons["pause"].click()
    reached(lab, lambda r: r.activity == "training")
    lab.controls["quality"].value = 0.7  # too soon for another rest
    reached(lab, lambda r: r.preview is not None and r.preview.quality == 0.7 and r.preview.clock > asked + 20)
    lab.stop()


@pytest.mark.parametrize("button", ["prune", "run", "measure", "scan", "tradeoff"])
def test_a_press_that_came_before_the_page_knew_of_a_run_leaves_the_run_and_is_told(button):
    runner = Runner(QUICK, SessionOpener(None, None, None), lambda state: None)
    runner.submit(Command("train", QUICK))
    runner.submit(Command(button, QUICK, QUICK.final_target))
    runner.start()
    assert runner.wait(60)
    state = runner.state
    assert (state.snapshot.phase, state.trouble, state.failures) == ("trained", None, 1)
    assert state.notice == f"{wording.label(button, state)} was not done: pause the run first."
    runner.submit(Command("reset" if button == "tradeoff" else button, QUICK, QUICK.final_target))  # a curve is long
    assert runner.wait(60) and runner.state.failures == 1
    runner.end()


def test_of_two_comparisons_that_are_asked_for_at_once_the_first_is_done_and_the_second_told():
    first, second = (preset.plans(QUICK) for preset in presets(QUICK)[:2])
    told = set()
    runner = Runner(QUICK, SessionOpener(None, None, None), lambda state: told.add(state.notice))
    for about in (first, first, second):
        runner.submit(Command("compare", QUICK, about=about))
    runner.start()
    assert runner.wait(60)
    assert [run.label for run in runner.state.runs] == [plan.label for plan in first]
    assert runner.state.failures == 1 and told == {None, "Compare was not done: pause the run first."}
    runner.end()


def test_the_same_button_pressed_twice_does_it_once():
    clocks = []

    def hear(state):
        if state.snapshot is not None:
            clocks.append(state.snapshot.clock)
            if clocks[-1] and state.activity == "training":
                runner.submit(Command("train", QUICK))

    runner = Runner(QUICK, SessionOpener(None, None, None), hear)
    runner.submit(Command("train", QUICK))
    runner.start()
    assert runner.wait(60)
    assert clocks == sorted(clocks) and runner.state.notice is None and runner.state.failures == 0
    runner.end()
