"""A served page that is saved as it goes: what a reload, a second tab, a killed kernel and a full disk find."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipywidgets import Widget
from ipywidgets.widgets.widget import _instances

import prunelab as pl
from prunelab.lab.links import Options
from prunelab.lab.page.presence import Presence
from prunelab.lab.presets import PlannedRun
from prunelab.lab.served import split
from prunelab.lab.worker import save_pace, visit
from prunelab.lab.worker.page_settings import PageSettings
from prunelab.serve import visitor
from support.labs import LINK, LONG, QUICK, address, folder, press, reached
from support.messages import say
from support.sessions import same


def killed(lab: pl.Lab) -> str:
    """The address of what is saved at this moment, as if the kernel were killed now."""
    copy = folder(lab).with_name("k" * 32)
    while True:
        try:
            shutil.copytree(folder(lab), copy, ignore=shutil.ignore_patterns(visit.LOCK))
            break
        except shutil.Error:  # it was saved meanwhile, and a file of before is gone: not what one moment had
            shutil.rmtree(copy)
    return f"{LINK}&session={copy.name}"


def test_a_reload_brings_back_network_settings_runs_and_what_is_shown(visitor_of):
    lab = visitor_of()
    assert lab.wait(60)
    press(lab, "run")
    press(lab, "reset")
    lab.controls["quality"].value = 0.8
    lab.choices["size"].value = False
    press(lab, "prune")
    lab.controls["quality"].value = 1.2
    assert lab.wait(60)
    before, session, runs = lab.state, lab.session, lab.state.runs
    lab.stop()

    again = visitor_of(address(lab))
    assert again.wait(60) and again.status.session == lab.status.session and again.status.trouble == ""
    same(again.session, session)
    assert again.recipe == lab.recipe and again.options == lab.options == Options(hide=("size",))
    assert [s.scalars() for s in again.state.history] == [s.scalars() for s in before.history]
    assert again.state.preview.quality == 1.2 and again.state.preview.kept == before.preview.kept
    (run,), (known,) = again.state.runs, runs
    assert [s.scalars() for s in run.snapshots] == [s.scalars() for s in known.snapshots]
    assert (run.number, run.recipe, run.label, run.pinned) == (known.number, known.recipe, known.label, known.pinned)
    press(again, "reset")
    assert again.state.snapshot.phase == "trained"
    assert len(again.state.runs) == 2 and len({run.number for run in again.state.runs}) == 2


def test_a_reload_brings_back_the_scan_of_this_network_and_its_use(visitor_of):
    lab = visitor_of()
    assert lab.wait(60)
    lab.panels["sensitivity"].button.click()
    assert lab.wait(60) and lab.state.sensitivity.complete
    lab.stop()
    again = visitor_of(address(lab))
    assert again.wait(60) and again.status.trouble == ""
    assert again.state.sensitivity == lab.state.sensitivity
    again.panels["sensitivity"].use.click()
    assert again.wait(60) and dict(again.recipe.layer_quality), "what each layer can bear is taken up"
    press(again, "prune")
    again.stop()
    third = visitor_of(address(again))
    assert third.wait(60) and third.state.snapshot.phase == "pruned" and third.state.sensitivity is None
    assert not (folder(third) / visit.SCAN).exists()


def test_a_scan_of_another_moment_does_not_come_back(visitor_of):
    """A kernel was killed between the two files."""
    lab = visitor_of()
    assert lab.wait(60)
    lab.panels["sensitivity"].button.click()
    assert lab.wait(60)
    scan = (folder(lab) / visit.SCAN).read_bytes()
    press(lab, "prune")
    lab.stop()
    (folder(lab) / visit.SCAN).write_bytes(scan)
    again = visitor_of(address(lab))
    assert again.wait(60) and again.state.snapshot.phase == "pruned" and again.state.sensitivity is None


def test_a_reload_brings_back_the_drawing_and_how_it_is_read(visitor_of):
    lab = visitor_of(f"{LINK}&show=draw")
    assert lab.wait(60)
    lab.panels["draw"].sheet.value = bytes([0, 200] * 32)
    assert lab.wait(60) and lab.state.classification.dense is not None
    lab.stop()
    again = visitor_of(f"{LINK}&show=draw&session={lab.status.session}")
    assert again.wait(60)
    assert again.wait(60) and again.panels["draw"].sheet.ink == lab.panels["draw"].sheet.ink
    assert again.state.classification.dense == pytest.approx(lab.state.classification.dense)


def test_a_drawing_outlives_a_kernel_that_is_killed_right_after_it(visitor_of):
    lab = visitor_of(f"{LINK}&show=draw")
    assert lab.wait(60)
    sheet = lab.panels["draw"].sheet
    for drawn in (bytes([0, 200] * 32), bytes([200, 0] * 32), bytes(64)):
        sheet.value = drawn
        assert lab.wait(60)
        lab._served._visit._thread.submit(lambda: None).result(60)  # what waits to be written is there
        saved = visit.Visit(folder(lab), None, folder(lab)).page().drawing
        assert saved == (((8, 8), sheet.ink) if any(drawn) else None)


def test_a_killed_run_goes_on_from_its_last_saved_moment(visitor_of, monkeypatch):
    monkeypatch.setattr(save_pace, "SAVE_EVERY", 0.2)
    monkeypatch.setattr(save_pace, "SAVE_SHARE", 1.0)
    lab = visitor_of(LONG.to_query())
    reached(lab, lambda r: r.snapshot is not None and r.snapshot.clock > 400)
    query = killed(lab).replace(LINK, LONG.to_query())
    again = visitor_of(query)
    reached(again, lambda r: r.activity == "training" and r.snapshot is not None)
    assert again.state.snapshot.clock > 0, "it begins where it was saved, not anew"
    first = again.state.history[0].clock
    at = again.state.snapshot.clock
    assert first < at, "and what came before is there"
    reached(again, lambda r: r.snapshot.clock > at + 50)


def test_a_bad_link_is_told(visitor_of):
    lab = visitor_of("model=mlp-small&epochs=3&quality=nan")
    assert lab.wait(60) and "quality = nan" in lab.status.trouble and lab.state.snapshot.phase == "trained"


def test_a_slider_that_was_moved_since_the_last_save_comes_back_with_its_preview(visitor_of):
    lab = visitor_of()
    assert lab.wait(60)
    press(lab, "prune")
    lab.controls["quality"].value = 0.8
    assert lab.wait(60)
    would = lab.state.preview.kept
    lab._served._visit._written.result(60)
    again = visitor_of(killed(lab))
    assert again.wait(60) and again.state.snapshot.phase == "pruned"
    assert again.controls["quality"].value == 0.8 and again.state.preview.kept == would


def test_what_was_set_in_the_last_moment_is_saved_although_its_turn_had_not_come(visitor_of, monkeypatch):
    lab = visitor_of()
    assert lab.wait(60)
    post = lab._bridge.post
    monkeypatch.setattr(lab._bridge, "post", lambda lane, update: lane == "page" or post(lane, update))
    lab.controls["quality"].value = 0.8
    assert lab.wait(60)
    lab.stop()
    assert json.loads((folder(lab) / "page.json").read_text())["recipe"]["quality"] == 0.8
    assert visitor_of(address(lab)).controls["quality"].value == 0.8


def test_what_comes_back_is_the_same_run_to_the_last_bit(visitor_of):
    lab = visitor_of()
    assert lab.wait(60)
    lab.controls["retrain_epochs"].value = 200
    lab.buttons["run"].click()
    reached(lab, lambda r: r.activity == "running" and r.snapshot.phase == "retraining" and r.snapshot.step > 50)
    recipe = lab.recipe
    lab.stop()
    assert lab.session.phase == "retraining", "the reload comes in the middle"
    again = visitor_of(address(lab))
    assert again.wait(120) and again.state.snapshot.round == recipe.rounds
    whole = pl.Session(recipe)
    for _ in whole:
        pass
    same(again.session, whole)


def test_a_network_that_was_ready_before_its_visitor_came_is_saved_for_him(visitor_of, monkeypatch):
    ready = threading.Event()
    original = pl.Lab.start

    def start(lab: pl.Lab) -> None:
        original(lab)
        assert lab.wait(60)
        ready.set()

    def query() -> str:
        assert ready.wait(60)  # he comes when the network is there
        return os.environ["QUERY_STRING"]

    with monkeypatch.context() as preheated:
        preheated.setenv("VOILA_PREHEAT", "True")
        preheated.setattr(pl.Lab, "start", start)
        preheated.setattr(visitor, "query", query)
        preheated.setenv(visitor.LINK, LINK)
        lab = visitor_of("")
        assert lab.wait(60)
        press(lab, "prune")
        lab.stop()
    again = visitor_of(f"session={lab.status.session}")
    assert again.wait(60) and again.state.snapshot.phase == "pruned"
    press(again, "reset")
    assert again.state.snapshot.phase == "trained" and again.status.trouble == ""


def test_two_visitors_of_one_training_wait_for_it_once(visitor_of, monkeypatch):
    first = visitor_of()
    assert first.wait(60)
    trained = first.session

    def refuse(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr("prunelab.sessions.trainer.Trainer._batch", refuse)
    second = visitor_of()
    assert second.wait(60) and second.status.trouble == ""
    same(second.session, trained)
    third = visitor_of(LINK.replace("rounds=2", "rounds=4"))
    assert third.wait(60) and third.state.history[-1].rounds == 4
    assert third.state.snapshot.test_loss == trained.snapshot().test_loss


def test_train_is_shown_although_the_network_is_known(visitor_of):
    lab = visitor_of()
    assert lab.wait(60)
    seen = []
    lab.on_state(lambda state: seen.append(state.activity))
    press(lab, "train")
    assert "training" in seen and lab.state.snapshot.phase == "trained"


def test_no_widget_is_made_while_a_page_is_on_its_way(visitor_of):
    """It would hear of it before it has the states of those to which the new one refers, and never show it."""
    lab = visitor_of()
    assert lab.wait(60)
    lab.choices["compare"].value = True
    press(lab, "run")
    press(lab, "reset")
    lab.stop()
    again = visitor_of(f"{address(lab)}&model=lenet-300-100")
    made = list(_instances)
    assert again.wait(60) and again.state.runs and again.state.snapshot.layers
    assert list(_instances) == made and not again.panels["compare"].rows.children
    say(again.status, {"kind": "here", "view": "a"})
    assert len(again.panels["compare"].rows.children) == len(again.state.runs) > 0
    assert list(again.layers.sliders) == ["fc1", "fc2", "fc3"] and len(again.layers.children) == 3


def test_what_changed_while_a_page_was_on_its_way_is_said_again_and_nothing_else(visitor_of, monkeypatch):
    """A page that has asked for all states hears of no change until it has made all widgets."""
    lab = visitor_of()
    assert lab.wait(60)
    press(lab, "prune")
    lab.stop()
    at_first, said = {}, {}
    monkeypatch.setattr(Presence, "expect", expecting(Presence.expect, lambda: at_first.update(states())))
    again = visitor_of(f"{address(lab)}&hide=reset&quality=1.1")
    assert again.wait(60)
    now = states()
    changed = {
        widget: {name for name, value in state.items() if value != now[widget][name]}
        for widget, state in at_first.items()
        if widget in now and state != now[widget]
    }
    assert {again.buttons["prune"], again.buttons["reset"], again.controls["quality"]} <= set(changed)
    assert {again.status, again.panels["weights"].plot} <= set(changed)

    def note(widget: Widget, key: str | set[str]) -> None:
        said.setdefault(widget, set()).update({key} if isinstance(key, str) else key)

    monkeypatch.setattr(Widget, "send_state", note)
    say(again.status, {"kind": "here", "view": "a"})
    assert again.wait(60) and said.keys() >= changed.keys()
    assert all(said[widget] >= names for widget, names in changed.items())
    assert not {again.choices["pixels"], again.panels["weights"]} & set(said)
    said.clear()
    say(again.status, {"kind": "here", "view": "a"})
    assert again.wait(60) and not said
    again.stop()


def states() -> dict[Widget, dict[str, object]]:
    return {widget: deepcopy(widget.get_state()) for widget in list(_instances.values())}


def expecting(expect, then):
    def expect_and(presence: Presence, now: float) -> None:
        expect(presence, now)
        then()

    return expect_and


def test_a_paused_run_comes_back_paused(visitor_of):
    lab = visitor_of(LONG.to_query())
    reached(lab, lambda r: r.snapshot is not None and r.snapshot.clock > 20)
    press(lab, "pause")
    at = lab.session.clock
    lab.stop()
    again = visitor_of(address(lab, LONG.to_query()))
    assert again.wait(60) and again.state.activity == "paused" and again.session.clock == at
    again.buttons["pause"].click()
    reached(again, lambda r: r.snapshot.clock > at + 20)


def test_a_second_tab_on_the_same_address_gets_a_copy_and_says_so(visitor_of):
    lab = visitor_of()
    assert lab.wait(60)
    press(lab, "prune")
    lab.status._presence.here("a", time.monotonic())
    second = visitor_of(address(lab))
    assert second.wait(60)
    assert second.status.session != lab.status.session and "open in another tab" in second.status.trouble
    same(second.session, lab.session)
    press(second, "reset")
    press(lab, "retrain")
    lab.stop()
    again = visitor_of(address(lab))
    assert again.wait(60) and again.state.snapshot.phase == "retrained"


def test_a_lab_whose_page_is_gone_hands_over(visitor_of, monkeypatch):
    monkeypatch.setattr("prunelab.lab.served.LOOK_EVERY", 0.05)
    monkeypatch.setattr("prunelab.lab.served.CALL_TIMEOUT", 0.2)
    monkeypatch.setattr(visit.enter, "__kwdefaults__", {"patience": 20.0})
    lab = visitor_of(LONG.to_query())
    reached(lab, lambda r: r.snapshot is not None and r.snapshot.clock > 20)
    again = visitor_of(address(lab, LONG.to_query()))
    assert again.status.session == lab.status.session and again.status.trouble == ""
    at, said = lab.session.clock, []  # it has ended
    monkeypatch.setattr(lab.status, "send", said.append)
    say(lab.status, {"kind": "here", "view": "back", "question": 7})
    assert said == [{"view": "back", "ended": True}], "its page hears so, should it come back"
    reached(again, lambda r: r.activity == "training" and r.snapshot is not None)
    assert again.state.snapshot.clock >= at


@pytest.mark.parametrize("name", ["..", "../../etc", "x" * 32, "", "%2e%2e", "a" * 31 + "/"])
def test_an_id_that_names_nothing_gives_a_new_lab_and_says_so(visitor_of, name):
    lab = visitor_of(f"{LINK}&session={name}")
    assert lab.wait(60) and lab.state.snapshot.phase == "trained"
    assert "no longer here" in lab.status.trouble and lab.status.session != name
    assert {path.name for path in folder(lab).parent.iterdir()} == {lab.status.session}


def test_ids_are_random_and_the_folder_is_private(visitor_of):
    first, second = visitor_of(), visitor_of()
    assert first.status.session != second.status.session and len(first.status.session) == 32
    assert folder(first).parent.stat().st_mode & 0o777 == 0o700


def test_a_link_that_was_changed_by_hand_is_followed_in_the_lab_that_was_saved(visitor_of):
    lab = visitor_of()
    assert lab.wait(60)
    press(lab, "prune")
    kept = lab.state.snapshot.kept
    lab.stop()
    again = visitor_of(address(lab, LINK + "&std=all"))
    assert again.wait(60) and again.recipe.std == "all" and again.state.snapshot.kept == kept


def test_what_nobody_came_back_to_for_a_week_is_cleaned_away(visitor_of):
    lab, used = visitor_of(), visitor_of()
    assert lab.wait(60) and used.wait(60)
    lab.stop()
    old = time.time() - visit.OLDEST - 60
    for each in (lab, used):
        for path in folder(each).rglob("*"):
            os.utime(path, (old, old))
    visit.clean()
    assert not folder(lab).exists() and folder(used).exists(), "what is open stays, however old"


def test_the_key_of_a_saved_lab_is_told_from_the_link():
    assert split("?quality=1&session=abc&show=graph,draw") == ("abc", "quality=1&show=graph,draw")
    assert split("quality=1") == (None, "quality=1") and split("") == (None, "")


def test_an_address_that_has_not_caught_up_yet_asks_for_nothing_but_the_page():
    page = PageSettings(pl.Recipe(quality=1.6), Options(), "quality=2", "quality=1.6", ("quality=1.7",))
    assert all(page.opened_by(query) for query in ("quality=2", "quality=1.6", "quality=1.7"))
    assert page.opened_by("") and page.opened_by("token=of-a-hub"), "no setting: the saved lab, as it is"
    assert not page.opened_by("quality=1.8")
    assert not page.opened_by("quality=1.6&preset=l1-or-l2") and not page.opened_by("lesson=4")


def test_runs_from_one_dense_network_are_saved_and_come_back(visitor_of):
    """They share the snapshots of their dense training, arrays and all."""
    lab = visitor_of()
    assert lab.wait(60)
    for quality in (0.5, 1.0, 1.5):
        lab.controls["quality"].value = quality
        press(lab, "run")
        press(lab, "reset")
    assert lab.status.trouble == "" and len(lab.state.runs) == 3
    known = lab.state.runs
    lab.stop()
    again = visitor_of(address(lab))
    assert again.wait(60)
    for one, other in zip(known, again.state.runs[: len(known)], strict=True):
        assert [s.kept for s in one.snapshots] == [s.kept for s in other.snapshots]
        assert [s.layers[0].packed for s in one.snapshots] == [s.layers[0].packed for s in other.snapshots]


def test_a_comparison_that_was_under_way_goes_on_and_the_network_from_before_is_there(visitor_of):
    lab = visitor_of()
    assert lab.wait(60)
    press(lab, "prune")
    own, kept = lab.session, lab.state.snapshot.kept
    short, long = QUICK.changed(density=0.3, rule="density"), LONG
    lab.hand.submit("compare", about=(PlannedRun(short, "short"), PlannedRun(long, "long")))
    reached(lab, lambda r: r.activity == "comparing" and r.recipe.epochs == long.epochs and r.snapshot.clock > 50)
    lab.stop()

    again = visitor_of(address(lab))
    reached(again, lambda r: r.activity == "comparing" and r.recipe.epochs == long.epochs and r.snapshot.clock > 50)
    assert [run.label for run in again.state.runs if run.label] == ["short"], "what was done is not done again"
    press(again, "pause")
    press(again, "reset")  # gives the comparison up
    same(again.session, own)
    assert again.state.snapshot.kept == kept
    press(again, "reset")
    assert again.state.snapshot.phase == "trained", "its dense network is there, too"
    assert visitor_of(killed(again)).wait(60)


def test_a_slider_that_was_moved_during_a_comparison_is_previewed_after_a_reload(visitor_of):
    lab = visitor_of()
    assert lab.wait(60)
    lab.hand.submit("compare", about=(PlannedRun(LONG, "long"),))
    reached(lab, lambda r: r.activity == "comparing" and r.snapshot.clock > 50)
    lab.controls["quality"].value = 2.0
    reached(lab, lambda r: r.preview is not None and r.preview.quality == 2.0)
    lab.stop()
    again = visitor_of(address(lab))
    reached(again, lambda r: r.activity == "comparing" and r.snapshot.clock > 50)
    press(again, "reset")
    assert again.controls["quality"].value == again.state.preview.quality == 2.0


@pytest.mark.parametrize("name", ["L1 or L2", "one shot or five rounds"])
def test_a_page_that_comes_back_shows_its_last_comparison_and_its_answer(visitor_of, name):
    lab = visitor_of()
    assert lab.wait(60)
    press(lab, "prune")
    press(lab, "reset")  # a run that is of no comparison
    panel = lab.panels["compare"]
    lab.choices["compare"].value = True
    panel.compare(name)
    assert lab.wait(60)
    seen = panel.point.value, panel.plot.summary
    lab.stop()
    again = visitor_of(address(lab))
    assert again.wait(60)
    panel = again.panels["compare"]
    assert (panel.preset.value, panel.pair.value) == (name, "preset")
    assert (panel.point.value, panel.plot.summary) == seen
    panel.pair.value = "all"
    press(again, "prune")
    assert panel.pair.value == "all", "what was chosen since stays"


def test_a_paused_comparison_comes_back_paused(visitor_of):
    lab = visitor_of()
    assert lab.wait(60)
    lab.hand.submit("compare", about=(PlannedRun(LONG, None), PlannedRun(LONG, "cuts", (0.5, 0.25))))
    reached(lab, lambda r: r.activity == "comparing" and r.snapshot.clock > 50)
    press(lab, "pause")
    lab.stop()
    again = visitor_of(address(lab))
    assert again.wait(60) and again.state.activity == "paused"
    again.buttons["pause"].click()
    reached(again, lambda r: r.activity == "comparing" and r.recipe.epochs == LONG.epochs and r.snapshot.clock > 50)


@given(
    cuts=st.lists(st.floats(0.001, 1), max_size=3),
    label=st.none() | st.text(max_size=20),
    density=st.floats(0.001, 1),
)
def test_a_planned_run_survives_json(cuts, label, density):
    plan = PlannedRun(QUICK.changed(rule="density", density=density), label, tuple(cuts))
    assert PlannedRun.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
