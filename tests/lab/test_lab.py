"""The lab without a browser: hands on controls, commands, reports, pictures; in a script, where there is no loop."""

import asyncio
import errno
import itertools
import os
import re
import threading
from dataclasses import replace
from types import SimpleNamespace

import plotly.graph_objects as go
import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab import disk
from prunelab.lab import links, wording
from prunelab.lab.messages import Command, LabState
from prunelab.lab.page import downloads
from prunelab.lab.page.bridge import INTERVAL, UNHURRIED, Bridge
from prunelab.lab.page.controls import Controls
from prunelab.lab.worker import runner as runners
from prunelab.lab.worker.runner import Runner
from prunelab.lab.worker.session_source import SessionOpener
from prunelab.recipe import Target
from prunelab.sessions import checkpoint

QUICK = pl.Recipe(model="mlp-small", epochs=3, retrain_epochs=2, rounds=2)
LONG = pl.Recipe(model="mlp-small", epochs=10000)


@pytest.fixture
def lab():
    lab = pl.Lab(QUICK, measure=False)
    assert lab.wait(60)
    yield lab
    lab.stop()


def press(lab: pl.Lab, name: str) -> None:
    assert not lab.buttons[name].disabled, lab.buttons[name].tooltip
    lab.buttons[name].click()
    assert lab.wait(60)


def reached(lab: pl.Lab, test, seconds: float = 60) -> None:
    """Wait on a report, as the page would."""
    seen = threading.Event()
    tell = lab._runner._handler._tell

    def listen(state):
        tell(state)
        if test(state):
            seen.set()

    lab._runner._handler._tell = listen
    assert test(lab.state) or seen.wait(seconds)
    lab._runner._handler._tell = tell


def test_it_opens_on_a_trained_network_and_shows_what_the_slider_would_cut(lab):
    assert (lab.state.activity, lab.state.snapshot.phase) == ("ready", "trained")
    assert lab.state.preview.quality == QUICK.quality
    assert "if cut now" in lab.status.cards[0]["more"] and lab.status.trouble == ""


def test_drag_prune_retrain_and_repeat_tell_the_story(lab):
    lab.controls["quality"].value = 2.0
    lab.wait(10)
    preview = lab.state.preview
    press(lab, "prune")
    assert lab.state.snapshot.test_accuracy == preview.test_accuracy and lab.state.snapshot.kept == preview.kept
    assert lab.state.preview is None
    press(lab, "retrain")
    assert lab.state.snapshot.phase == "retrained" and lab.state.snapshot.zeros_hold
    press(lab, "run")
    assert (lab.state.snapshot.phase, lab.state.snapshot.round) == ("retrained", 2)
    press(lab, "run")
    assert lab.state.snapshot.round == 2, "a finished run starts again from the dense network"
    press(lab, "reset")
    assert lab.state.snapshot.phase == "trained" and lab.state.snapshot.density == 1


def test_every_panel_holds_a_valid_figure_and_its_words(lab):
    for name, choice in lab.choices.items():
        choice.value = True
        panel = lab.panels[name]
        go.Figure({k: v for k, v in panel.plot.figure.items()})
        assert panel.plot.figure["layout"]["meta"]["revision"] and panel.plot.summary


def test_what_the_lab_does_is_what_a_session_does(lab):
    press(lab, "run")
    session = pl.Session(QUICK)
    for _ in session:
        pass
    assert lab.state.snapshot.scalars() == session.snapshot().scalars()


def test_pause_holds_and_resume_goes_on():
    lab = pl.Lab(LONG)
    reached(lab, lambda r: r.snapshot is not None and r.snapshot.clock > 20)
    press(lab, "pause")
    at = lab.state.snapshot.clock
    assert lab.state.activity == "paused" and lab.buttons["pause"].description == "Resume"
    assert lab.session.clock >= at
    lab.buttons["pause"].click()
    reached(lab, lambda r: r.snapshot.clock > at + 20)
    press(lab, "pause")
    press(lab, "prune")
    assert lab.state.snapshot.phase == "pruned", "a paused network can be pruned by hand"
    lab.stop()


def test_a_slider_moved_during_training_previews_and_training_goes_on():
    lab = pl.Lab(LONG)
    reached(lab, lambda r: r.snapshot is not None)
    at = lab.state.snapshot.clock
    lab.controls["quality"].value = 0.5
    reached(lab, lambda r: r.preview is not None and r.preview.quality == 0.5 and r.preview.clock > at + 20)
    assert lab.state.activity == "training"
    lab.stop()


def test_reset_ends_a_run(lab):
    lab.controls["retrain_epochs"].value = 10000
    press(lab, "prune")
    lab.buttons["retrain"].click()
    reached(lab, lambda r: r.activity == "retraining")
    lab.buttons["reset"].click()
    assert lab.wait(60) and lab.state.snapshot.phase == "trained"


def test_new_training_settings_are_announced_and_take_a_new_network(lab):
    lab.controls["regularizer"].value = "l1"
    assert lab.buttons["train"].description == "Train with new settings"
    press(lab, "prune")
    assert lab.session.recipe.regularizer == "l2", "pruning goes on with the network on the page"
    press(lab, "train")
    assert lab.session.recipe.regularizer == "l1" and lab.state.snapshot.density == 1
    assert lab.buttons["train"].description == "Train"


def test_other_data_bring_their_own_lengths(lab):
    lab.controls["data"].value = "mnist"
    usual = pl.Recipe(data="mnist")
    assert (lab.controls["epochs"].value, lab.controls["retrain_epochs"].value) == (usual.epochs, usual.retrain_epochs)


def test_a_disabled_button_says_why(lab):
    assert lab.buttons["retrain"].disabled and "prune first" in lab.buttons["retrain"].tooltip
    assert lab.buttons["pause"].disabled and "Nothing is running" in lab.buttons["pause"].tooltip


def test_the_mask_of_another_layer_can_be_chosen(lab):
    lab.panels["mask"].layer.value = "fc2.weight"
    lab.wait(5)
    assert lab.panels["mask"].plot.figure["layout"]["title"]["text"].startswith("fc2")


# Bad input: words in the banner, and a lab that goes on


def usable(lab: pl.Lab) -> None:
    press(lab, "train")
    assert lab.status.trouble == "" and lab.state.snapshot.phase == "trained"


@pytest.mark.parametrize(
    ("link", "said"),
    [("quality=nan", "quality = nan"), ("rounds=-3", "rounds = -3"), ("nonsense=1", "nonsense"), ("data=cats", "cats")],
)
def test_a_bad_link_changes_nothing_and_is_told(lab, link, said):
    before = lab.recipe
    lab.follow(link)
    assert said in lab.status.trouble and "Nothing was changed" in lab.status.trouble and lab.recipe == before
    usable(lab)


def test_a_good_link_sets_the_controls_and_trains_if_it_must(lab):
    lab.follow("model=mlp-small&epochs=2&quality=0.7&seed=3")
    lab.wait(60)
    assert lab.session.recipe.seed == 3 and lab.controls["quality"].value == 0.7
    network = lab.session
    lab.follow("model=mlp-small&epochs=2&quality=0.9&seed=3&std=all")
    lab.wait(60)
    assert lab.session is network, "no new network for settings of pruning"
    preview = lab.state.preview
    assert lab.recipe.std == preview.recipe.std == "all" and preview.quality == 0.9
    press(lab, "prune")
    assert lab.session.recipe.std == "all"


def test_a_layer_about_to_lose_everything_is_a_warning_in_view(lab):
    lab.controls["quality"].max = 10
    lab.controls["quality"].value = 10
    lab.wait(10)
    assert "would lose every connection" in lab.status.trouble
    press(lab, "prune")
    assert "strongest one was kept" in lab.status.trouble and lab.state.snapshot.kept >= 3
    lab.controls["quality"].value = 1.5  # at 10 a fresh network would be warned of as well, and rightly
    usable(lab)


def test_a_diverging_run_is_told_and_the_lab_goes_on():
    lab = pl.Lab(pl.Recipe(model="lenet-5", learning_rate=10.0, epochs=50, regularizer="none"))
    lab.wait(60)
    assert "the loss became" in lab.status.trouble and lab.state.activity == "ready"
    lab.controls["learning_rate"].value = 0.05
    lab.controls["epochs"].value = 1
    usable(lab)
    lab.stop()


def blobs(classes: int = 3):
    y = torch.arange(90) % classes
    return torch.randn(90, 4) + 3.0 * y[:, None], y


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.Linear(4, 2), "2 outputs, but the data have 3 classes"),
        (nn.Linear(9, 3), "cannot take this data"),
        (nn.Sequential(nn.Flatten(), nn.Softmax(1)), "there is nothing to prune"),
    ],
)
def test_a_model_that_does_not_fit_is_told(model, said):
    lab = pl.Lab(QUICK, model=model, data=(blobs(), blobs()))
    lab.wait(30)
    assert re.search(said, lab.status.trouble), lab.status.trouble
    assert lab.state.activity == "failed" and not lab.buttons["train"].disabled
    lab.stop()


def test_labels_out_of_range_are_told():
    x, y = blobs()
    lab = pl.Lab(QUICK, model=nn.Linear(4, 3), data=((x, y - 1), (x, y)))
    lab.wait(30)
    assert "-1" in lab.status.trouble and lab.state.activity == "failed"
    lab.stop()


def test_own_model_and_data_fill_every_panel_and_stay_untouched():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    before = model[0].weight.detach().clone()
    lab = pl.Lab(QUICK, model=model, data=(blobs(), blobs()))
    lab.wait(30)
    assert lab.status.trouble == "" and lab.state.snapshot.phase == "trained"
    assert torch.equal(before, model[0].weight)
    assert "No dropout" in lab.panels["dropout"].plot.summary
    press(lab, "run")
    assert lab.state.snapshot.round == 2
    lab.stop()


def test_a_full_disk_is_told_and_the_run_can_go_on(tmp_path, monkeypatch):
    lab = pl.Lab(QUICK, directory=tmp_path)
    lab.wait(30)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk.os, "fsync", full)
    press(lab, "prune")
    assert "No space left" in lab.status.trouble and lab.state.snapshot.phase == "pruned"
    monkeypatch.undo()
    press(lab, "retrain")
    assert lab.status.trouble == "" and lab.state.snapshot.phase == "retrained"
    lab.stop()


def test_a_saved_session_is_opened_where_it_was_left_and_a_damaged_one_is_told(tmp_path):
    lab = pl.Lab(QUICK, directory=tmp_path)
    lab.wait(30)
    press(lab, "prune")
    lab.stop()
    again = pl.Lab(QUICK, directory=tmp_path)
    again.wait(30)
    assert again.state.snapshot.phase == "pruned"
    again.stop()
    (tmp_path / checkpoint.INDEX).write_text("{")
    broken = pl.Lab(QUICK, directory=tmp_path)
    broken.wait(30)
    assert "damaged" in broken.status.trouble and broken.state.activity == "failed"
    press(broken, "train")
    assert broken.state.snapshot.phase == "trained", "a damaged session is told, and a new one can be trained"
    assert (tmp_path / checkpoint.INDEX).read_text() == "{" and str(broken.session.directory) in broken.status.trouble
    assert pl.Session.load(broken.session.directory).phase == "trained"
    broken.stop()


def test_a_saved_session_brings_its_own_recipe_and_is_never_overwritten_by_another(tmp_path):
    saved = pl.Recipe(model="mlp-small", seed=4, epochs=2, retrain_epochs=1, rounds=6, rule="density", density=0.2)
    session = pl.Session(saved, directory=tmp_path)
    for snapshot in session:
        if snapshot.phase == "retrained":
            break
    lab = pl.Lab(QUICK, directory=tmp_path, measure=False)
    lab.wait(30)
    assert lab.recipe == saved and lab.state.snapshot.round == 1
    assert lab.buttons["train"].description == "Train"
    press(lab, "run")
    assert lab.session.recipe == saved and lab.state.snapshot.round == 6
    press(lab, "train")
    assert lab.session.directory != tmp_path and str(lab.session.directory) in lab.status.trouble
    lab.stop()
    assert pl.Session.load(tmp_path).round == 6


def test_one_lab_at_a_time_has_a_folder(tmp_path, monkeypatch):
    first = pl.Lab(QUICK, directory=tmp_path, measure=False)
    first.wait(30)
    monkeypatch.setattr("prunelab.disk.claim.__kwdefaults__", {"patience": 0.0})
    second = pl.Lab(QUICK, directory=tmp_path, measure=False)
    second.wait(30)
    assert "is in use by another lab" in second.status.trouble and second.state.activity == "failed"
    press(first, "prune")
    first.close()
    press(second, "train")
    assert second.session.directory != tmp_path, "what the first one saved stays"
    second.stop()
    assert pl.Session.load(tmp_path).phase == "pruned"


def test_a_link_to_own_data_or_a_monstrous_number_is_told(lab):
    for link, said in (("data=own", "whose own?"), ("model=own", "whose own?"), ("seed=" + "9" * 400, "seed")):
        before = lab.recipe
        lab.follow(link)
        assert said in lab.status.trouble and lab.recipe == before
    usable(lab)


def test_a_quality_for_a_layer_that_is_not_there_is_left_out_and_told(lab):
    lab.follow("model=mlp-small&epochs=3&retrain_epochs=2&rounds=2&quality.fc9=1&quality.fc1=0.4")
    lab.wait(60)
    assert "fc9" in lab.status.trouble and lab.recipe.layer_quality == (("fc1", 0.4),)
    press(lab, "prune")
    assert lab.session.recipe.layer_quality == (("fc1", 0.4),)
    lab.controls["quality"].value = 1.1
    lab.wait(60)
    assert lab.recipe.layer_quality == (("fc1", 0.4),), "it is told once, and nothing of it is left"
    press(lab, "train")
    assert lab.state.snapshot.phase == "trained"


def test_a_model_that_fails_wherever_it_is_looked_at_is_told_and_the_runner_lives(lab, monkeypatch):
    def broken(*_, **__):
        raise ArithmeticError("no histogram of this")

    monkeypatch.setattr("prunelab.sessions.pruned_model.histograms", broken)
    press(lab, "prune")
    assert "no histogram of this" in lab.status.trouble and "cannot be shown either" in lab.status.trouble
    monkeypatch.undo()
    usable(lab)


def test_a_picture_that_cannot_be_made_says_so_in_its_place_and_the_others_go_on(lab, monkeypatch):
    monkeypatch.setattr("prunelab.views.pixels", lambda snapshot: 1 / 0)
    press(lab, "prune")
    assert "division by zero" in lab.panels["pixels"].plot.trouble and lab.status.trouble == ""
    assert lab.panels["weights"].plot.figure["layout"]["meta"]["revision"].startswith("pruned")
    monkeypatch.undo()
    press(lab, "reset")
    assert lab.panels["pixels"].plot.trouble == ""


def test_waiting_ends_when_the_lab_has_ended(lab):
    lab.stop()
    lab.buttons["prune"].click()
    assert lab.wait(5)


def test_a_run_that_has_ended_is_measured_and_a_change_makes_the_figures_go():
    lab = pl.Lab(QUICK)
    lab.wait(60)
    assert lab.state.measurement is None and "Nothing measured" in lab.panels["size"].plot.summary
    press(lab, "run")
    found = lab.state.measurement
    assert found.progress == 1.0 and found.kept == lab.state.snapshot.kept
    assert "smaller" in lab.panels["size"].plot.summary and "batch 64" in lab.panels["speed"].plot.summary
    press(lab, "reset")
    assert lab.state.measurement is None
    press(lab, "measure")
    assert lab.state.measurement.kept == lab.state.measurement.total
    lab.stop()


def test_markup_in_a_message_travels_as_plain_text(lab):
    lab.follow("model=<img src=x onerror=alert(1)>")
    assert "<img" in lab.status.trouble, "text, for the browser to show with textContent"


# Bridge and runner by themselves


def test_without_a_loop_updates_run_at_once_and_what_they_raise_is_told():
    seen, told = [], []
    bridge = Bridge(told.append)
    bridge.post("a", lambda: seen.append(1))
    assert seen == [1]
    bridge.post("a", lambda: 1 / 0)
    assert [type(error) for error in told] == [ZeroDivisionError]


def test_on_a_loop_updates_run_on_its_thread_the_latest_wins_and_at_most_ten_a_second():
    async def scene():
        bridge, seen, loop = Bridge(print), [], asyncio.get_running_loop()

        def work():
            for i in range(200):
                bridge.post("slider", lambda i=i: seen.append((i, loop.time(), threading.get_ident())))
                stop.wait(0.002)

        stop = threading.Event()
        await asyncio.to_thread(work)
        await asyncio.sleep(2 * INTERVAL)
        return seen, threading.get_ident()

    seen, home = asyncio.run(scene())
    assert seen[-1][0] == 199 and {ident for _, _, ident in seen} == {home}
    gaps = [b[1] - a[1] for a, b in itertools.pairwise(seen)]
    assert len(seen) < 200 and min(gaps) >= INTERVAL * 0.9


def test_lanes_do_not_wait_for_each_other():
    async def scene():
        bridge, seen = Bridge(print), []
        for lane in ("run", "slider"):
            bridge.post(lane, lambda lane=lane: seen.append(lane))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return seen

    assert asyncio.run(scene()) == ["run", "slider"]


def test_a_run_is_not_drawn_again_soon_after_a_hand_has_drawn_it():
    async def scene():
        bridge, loop, drawn = Bridge(print), asyncio.get_running_loop(), []

        def draw():
            drawn.append(loop.time())

        bridge.post("run", draw)
        await asyncio.sleep(0.01)
        bridge.post("run", draw)  # waits, and is done with what the hand asks for
        bridge.post("slider", draw)
        while len(drawn) < 3:
            await asyncio.sleep(0.01)
            bridge.post("run", draw)
        await asyncio.sleep(UNHURRIED["run"] / 2)
        return drawn

    first, hand, *later = asyncio.run(scene())
    assert hand - first < UNHURRIED["run"] / 2
    assert len(later) == 1 and later[0] - hand >= 0.9 * UNHURRIED["run"]


def test_work_that_can_wait_makes_way_for_an_update():
    async def scene():
        bridge, order = Bridge(print), []
        begun = threading.Event()

        def update():
            begun.set()
            stop.wait(0.1)
            order.append("update")

        def work():
            begun.wait(5)
            bridge.rest(5)
            order.append("work")

        stop = threading.Event()
        thread = threading.Thread(target=work)
        thread.start()
        bridge.soon(update)
        await asyncio.to_thread(thread.join)
        bridge.rest(0)  # nothing is carried out: no wait
        return order

    assert asyncio.run(scene()) == ["update", "work"]


def test_of_many_previews_in_the_queue_only_the_last_is_computed():
    asked = []

    class Spy(pl.Session):
        def preview(self, quality=None, **more):
            asked.append(quality.quality)
            return super().preview(quality, **more)

    class Source(SessionOpener):
        def new(self, recipe):
            return Spy(recipe)

    runner = Runner(QUICK, Source(None, None, None), lambda state: None)
    runner.submit(Command("train", QUICK))
    for i in range(50):
        runner.submit(Command("preview", QUICK, Target(i / 50)))
    runner.start()
    assert runner.wait(60)
    assert asked[-1] == 49 / 50 and len(asked) < 10
    runner.end()


def test_a_training_makes_way_for_the_picture_that_a_hand_asked_for_but_not_for_ever(monkeypatch):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(runners, "time", clock)
    monkeypatch.setattr(runners, "COURTESY", 3600.0)
    lab = pl.Lab(LONG, measure=False)
    reached(lab, lambda r: r.snapshot is not None)

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


def test_words_for_every_state():
    for activity in ("starting", "ready", "training", "paused", "failed"):
        state = LabState(activity, QUICK)
        assert wording.status(state) and wording.attributes(state)["state"] == activity
        assert set(wording.reasons(state)) <= set(wording.TIPS) == set(links.BUTTONS)
    assert wording.status(LabState("training", QUICK, "training", 0.62, 8.2)) == "training 62 % · 8 s left"


# What is shown, and links


def test_panels_controls_and_buttons_can_be_hidden_and_locked():
    lab = pl.Lab(QUICK, hide=["mask", "regularizer", "reset"], lock=["data", "train"], start=False)
    assert lab.panels["mask"].layout.display == lab.controls["regularizer"].layout.display == "none"
    assert lab.buttons["reset"].layout.display == "none" and lab.panels["weights"].layout.display is None
    assert lab.controls["data"].disabled and not lab.controls["model"].disabled
    assert lab.buttons["train"].disabled and lab.buttons["train"].tooltip == "Locked on this page"
    lab.stop()
    with pytest.raises(pl.RecipeError, match="did you mean weights"):
        pl.Lab(QUICK, hide=["wieghts"], start=False)


def test_a_link_says_all_that_is_on_the_page_and_brings_it_back(lab):
    lab.controls["quality"].value = 0.9
    lab.choices["pixels"].value = False
    lab.choices["size"].value = False
    query = lab.link()
    assert "hide=pixels,size" in query and "quality=0.9" in query and "model=mlp-small" in query
    lab.choices["pixels"].value = True
    other = pl.Lab(start=False)
    other.follow(query)
    other.wait(60)
    assert other.recipe == lab.recipe and other.options.hide == ("pixels", "size")
    assert other.panels["pixels"].layout.display == "none" and not other.choices["pixels"].value
    assert other.session.recipe.quality == 0.9
    other.stop()


def test_a_hidden_panel_is_not_drawn_until_it_is_shown(lab):
    lab.choices["mask"].value = False
    before = lab.panels["mask"].plot.figure
    press(lab, "prune")
    assert lab.panels["mask"].plot.figure is before
    lab.choices["mask"].value = True
    assert lab.panels["mask"].plot.figure["layout"]["meta"]["revision"].startswith("pruned")


def test_a_run_that_nobody_watches_pauses_itself(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("prunelab.lab.app.time.monotonic", lambda: now[0])
    monkeypatch.setattr("prunelab.lab.page.status.time.monotonic", lambda: now[0])
    lab = pl.Lab(LONG)
    reached(lab, lambda r: r.snapshot is not None)
    lab.status._heard(None, {"kind": "here", "view": "a"}, None)
    lab.status._heard(None, {"kind": "gone", "view": "a"}, None)
    lab.status._heard(None, {"kind": ["nonsense"], "view": {}}, None)
    now[0] = 61.0
    assert lab.wait(30) and lab.state.activity == "paused" and "nobody was looking" in lab.status.trouble
    lab.status._heard(None, {"kind": "here", "view": "b"}, None)
    lab.buttons["pause"].click()
    reached(lab, lambda r: r.activity == "training")
    lab.stop()


def test_the_story_is_told_when_something_has_settled(lab):
    assert "At quality 1.50" in lab.status.story and "would be left" in lab.status.story
    press(lab, "prune")
    assert lab.status.story.startswith(f"{100 * lab.state.snapshot.density:.1f} % of the connections are left")


# The whole lab


def test_the_scrubber_shows_an_earlier_moment_in_every_view_and_goes_back_to_live(lab):
    press(lab, "run")
    history = lab.state.history
    at = next(i for i, s in enumerate(history) if s.phase == "pruned" and s.round == 1)
    lab.timeline.widget.position = at
    assert lab.status.attributes["phase"] == "pruned" and lab.status.attributes["round"] == "1"
    assert lab.panels["weights"].plot.figure["layout"]["meta"]["revision"].startswith("pruned:1:")
    assert lab.panels["accuracy"].plot.figure["data"][0]["x"][-1] == history[-1].clock, "the whole curve stays"
    assert lab.status.cards[1]["value"] == f"{100 * history[at].density:.1f} %"
    lab.timeline.widget.position = None
    assert lab.status.attributes["phase"] == "retrained" and lab.status.attributes["round"] == "2"
    lab.timeline.widget.position = 0
    press(lab, "prune")
    assert lab.timeline.widget.position is None, "what is done is shown"


def test_a_layer_can_have_a_quality_of_its_own_by_slider_or_by_its_line(lab):
    lab.layers.sliders["fc1"].value = 0.3
    lab.wait(10)
    kept = {layer.name: layer.kept for layer in lab.state.preview.layers}
    session = pl.Session(QUICK)
    for _ in session.train():
        pass
    expected = session.masks.plan(quality={"fc1": 0.3, "fc2": QUICK.quality, "fc3": QUICK.quality}).cuts
    assert kept == {name: cut.kept for name, cut in expected.items()}
    assert lab.layers.sliders["fc2"].value == QUICK.quality and "quality.fc1=0.3" in lab.link()
    lab.panels["weights"].plot.dragged = {"layer": "fc3.weight", "quality": 2.0, "final": True}
    lab.wait(10)
    assert lab.recipe.layer_quality == (("fc1", 0.3), ("fc3", 2.0)) and lab.layers.sliders["fc3"].value == 2.0
    lab.controls["quality"].value = 1.0
    lab.wait(10)
    assert lab.layers.sliders["fc2"].value == 1.0 and lab.layers.sliders["fc1"].value == 0.3
    lab.layers._links["fc1"].click()
    lab.wait(10)
    assert lab.layers.sliders["fc1"].value == 1.0 and lab.recipe.layer_quality == (("fc3", 2.0),)
    assert "These qualities would leave" in lab.panels["weights"].plot.figure["layout"]["title"]["text"]
    assert lab.status.story.startswith("At these qualities ")


def test_whole_neurons_can_be_cut_to_a_density_which_makes_the_compacted_network_smaller(lab):
    lab.controls["rule"].value = "density"
    assert lab.controls["quality"].layout.display == "none" and lab.controls["density"].layout.display is None
    lab.controls["unit"].value = "neuron"
    lab.controls["density"].value = 0.5
    lab.wait(10)
    would = lab.state.preview.kept
    press(lab, "prune")
    assert lab.state.snapshot.kept == would and lab.state.snapshot.dead == 48, "half of 64 and 32 neurons"
    compacted = pl.sparse.compact(lab.session.model, lab.session.data.test_x[:4])
    assert sum(p.numel() for p in compacted.parameters()) < 0.55 * sum(
        p.numel() for p in lab.session.model.parameters()
    )
    lab.controls["rule"].value = "quality"
    lab.wait(10)
    assert lab.recipe.unit == "weight" and lab.controls["unit"].layout.display == "none"


def test_a_preset_runs_both_and_keeps_them_by_name(lab):
    panel = lab.panels["compare"]
    lab.choices["compare"].value = True
    panel.preset.value = "L1 or L2"
    assert "?" in panel.point.value, "it asks before it has seen anything"
    panel.button.click()
    assert lab.wait(60)
    assert [run.label for run in lab.state.runs] == ["L2", "L1"]
    assert "L1" in panel.plot.summary and "L2" in panel.plot.summary
    names = [row.children[0].description for row in panel.rows.children]
    assert names == ["L2", "L1"]
    shares = [f"{100 * run.snapshots[-1].test_accuracy:.1f} %" for run in lab.state.runs]
    assert all(share in panel.point.value for share in shares), "then it says what was seen"
    panel.rows.children[0].children[0].value = False
    assert "L2" not in panel.plot.summary
    panel.rows.children[0].children[1].click()
    lab.wait(10)
    assert lab.state.runs[0].pinned
    panel.pair.value = "pair"
    assert "Two runs" in panel.plot.summary, "one of the two is hidden"
    panel.rows.children[0].children[0].value = True
    assert "L1" in panel.plot.summary and "L2" in panel.plot.summary
    panel.rows.children[0].children[2].click()
    lab.wait(10)
    assert [run.label for run in lab.state.runs] == ["L1"]
    assert "?" in panel.point.value, "one run answers nothing"


def test_without_retraining_is_a_run_too(lab):
    panel = lab.panels["compare"]
    panel.preset.value = "with and without retraining"
    panel.button.click()
    assert lab.wait(60)
    without, rounds = lab.state.runs
    assert (without.label, rounds.label) == ("no retraining", "five rounds")
    assert {s.phase for s in without.snapshots[1:]} == {"pruned"} and len(without.snapshots) > 6
    assert without.snapshots[-1].kept == rounds.snapshots[-1].kept, "both end as thin"
    assert [s.density for s in without.snapshots] == sorted((s.density for s in without.snapshots), reverse=True)


def test_a_network_of_ones_own_is_offered_the_presets_that_fit_it(lab):
    assert len(lab.panels["compare"].preset.options) == 6
    own = pl.Lab(
        pl.Recipe(epochs=1, retrain_epochs=1), model=torch.nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), measure=False
    )
    assert own.wait(60)
    panel = own.panels["compare"]
    own.choices["compare"].value = True
    assert len(panel.preset.options) == 4 and panel.preset.value == "L1 or L2"
    panel.preset.value = panel.preset.options[2]
    panel.button.click()
    assert own.wait(60)
    assert [run.label for run in own.state.runs] == ["one shot", "five rounds"]
    own.stop()


def test_runs_that_are_left_are_kept(lab):
    press(lab, "run")
    press(lab, "run")
    assert len(lab.state.runs) == 1
    lab.controls["rounds"].value = 1
    press(lab, "run")
    lab.controls["regularizer"].value = "l1"
    press(lab, "train")
    assert [run.recipe.rounds for run in lab.state.runs] == [2, 1], "the same run twice is kept once"


def test_axes_rest_under_a_slider_but_those_of_a_mask_are_its_own(lab):
    def ranges(name):
        return {key: part["range"] for key, part in lab.panels[name].plot.figure["layout"].items() if "axis" in key}

    weights = ranges("weights")
    for quality in (0.5, 2.5):
        lab.controls["quality"].value = quality
        lab.wait(10)
        assert ranges("weights") == weights
    mask = lab.panels["mask"]
    for layer in lab.state.snapshot.layers:
        mask.layer.value = layer.name
        assert ranges("mask") == {"xaxis": [0, layer.shape[1]], "yaxis": [layer.shape[0], 0]}


def test_a_drawing_is_read_by_both_networks(lab):
    lab.choices["draw"].value = True
    panel = lab.panels["draw"]
    assert tuple(panel.sheet.size) == (8, 8)
    panel.sheet._told(None, {"kind": "example"}, None)
    lab.wait(10)
    reading = lab.state.classification
    assert len(reading.dense) == len(reading.pruned) == 10 and abs(sum(reading.dense) - 1) < 1e-6
    assert reading.dense == reading.pruned, "nothing is cut yet"
    press(lab, "prune")
    panel.sheet._told(None, {"kind": "example"}, None)
    lab.wait(10)
    assert lab.state.classification.dense != lab.state.classification.pruned
    panel.sheet.clear()
    lab.wait(10)
    assert not any(lab.state.classification.dense) and "raw a digit" in panel.plot.summary


def test_layers_are_scanned_one_at_a_time_and_the_network_stays_as_it_is(lab):
    lab.choices["sensitivity"].value = True
    before = lab.state.snapshot.scalars()
    lab.panels["sensitivity"].button.click()
    assert lab.wait(60) and lab.state.sensitivity.complete and lab.state.activity == "ready"
    assert lab.state.snapshot.scalars() == before
    assert any(name in lab.panels["sensitivity"].plot.summary for name in ("fc1", "fc2", "fc3"))
    press(lab, "prune")
    assert lab.state.sensitivity is None, "that was another network"


def test_a_guess_comes_before_the_result(lab):
    lab.switches["guess"].value = True
    assert "?" in lab.status.cards[0]["more"] and "if cut now" not in lab.panels["accuracy"].plot.summary
    lab.buttons["prune"].click()
    assert lab.state.snapshot.phase == "trained" and lab.guess.action == "prune"
    lab.guess.slider.value = 50.0
    lab.guess.button.click()
    lab.wait(10)
    now = 100 * lab.state.snapshot.test_accuracy
    assert lab.state.snapshot.phase == "pruned"
    assert lab.guess.result.value.startswith(f"You guessed 50.0 %, it is {now:.1f} %")
    lab.buttons["retrain"].click()
    lab.guess.cancel.click()
    assert lab.state.snapshot.phase == "pruned" and lab.guess.action is None
    lab.switches["guess"].value = False
    press(lab, "retrain")
    assert "guess=true" not in lab.link()


@pytest.mark.parametrize("name", ["report", "figures", "data", "model", "python"])
def test_everything_can_be_taken_home(lab, name, tmp_path):
    press(lab, "run")
    made = downloads.make(name, lab.state, lab.session)
    assert len(made.content) > 200 and made.filename.startswith(f"prunelab-{lab.state.recipe.key}")
    if name == "model":
        (tmp_path / made.filename).write_bytes(made.content)
        back = pl.sparse.load(tmp_path / made.filename)
        assert all(torch.equal(back[key], value) for key, value in lab.session.model.state_dict().items())
    if name == "report":
        assert b"<script" in made.content and b"http://" not in made.content.split(b"<body", 1)[0]


def test_a_download_goes_to_the_page_that_asked_and_a_failure_is_told_there(lab, monkeypatch):
    sent = []
    monkeypatch.setattr(lab.downloads, "send_file", lambda *a: sent.append(a))
    monkeypatch.setattr(lab.downloads, "send_text", lambda *a: sent.append(a))
    monkeypatch.setattr(lab.downloads, "send_error", lambda *a: sent.append(a))
    lab._requested("python")
    lab._requested("link")
    lab.wait(20)
    assert {entry[0] for entry in sent} == {"python", "link"}
    assert next(entry for entry in sent if entry[0] == "link")[1].startswith("lab.follow('model=mlp-small")
    monkeypatch.setattr("prunelab.lab.page.downloads.make", lambda *a: 1 / 0)
    lab._requested("report")
    lab.wait(20)
    assert sent[-1] == ("report", "This could not be made: division by zero") and lab.state.activity == "ready"


def test_a_model_that_has_learned_already_can_be_pruned_at_once():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    before = model[0].weight.detach().clone()
    lab = pl.Lab(QUICK, model=model, data=(blobs(), blobs()), trained=True, measure=False)
    lab.wait(30)
    assert lab.state.snapshot.phase == "trained" and lab.state.snapshot.clock == 0
    assert torch.equal(lab.session.model[0].weight, before)
    press(lab, "prune")
    assert lab.state.snapshot.density < 1
    lab.stop()


def test_other_models_bring_the_rate_they_learn_at(lab):
    lab.controls["model"].value = "lenet-5"
    assert lab.controls["learning_rate"].value == pl.Recipe(model="lenet-5").learning_rate != 0.1


def test_each_run_of_a_network_is_kept_and_the_same_one_once(lab):
    for quality in (0.5, 0.9, 0.5):
        press(lab, "reset")
        lab.controls["quality"].value = quality
        press(lab, "run")
    press(lab, "reset")
    assert [run.recipe.quality for run in lab.state.runs] == [0.5, 0.9]
    press(lab, "prune")  # at 0.5, by hand: another run
    press(lab, "reset")
    assert [len(run.snapshots) for run in lab.state.runs] == [5, 5, 2]
    assert len({run.snapshots[-1].kept for run in lab.state.runs}) == 3


def test_what_is_set_after_a_run_belongs_to_the_next(lab):
    lab.controls["quality"].value = 0.8
    press(lab, "run")
    before = downloads.make("python", lab.state, lab.session).content
    lab.controls["quality"].value = 2.0
    lab.controls["rounds"].value = 7
    lab.controls["retrain_epochs"].value = 9
    assert lab.wait(60)
    assert downloads.make("python", lab.state, lab.session).content == before
    assert "quality=0.8" in before.decode() and b"rounds=7" not in before
    text = downloads.make("report", lab.state, lab.session).content.decode()
    assert "rising from 0.4 to 0.8" in text and "quality=2" not in text
    assert lab.state.preview.quality == 2.0 and lab.state.preview.recipe.rounds == 7
    press(lab, "reset")
    assert [run.recipe.rounds for run in lab.state.runs] == [2]
    press(lab, "run")
    assert lab.state.recipe.rounds == 7


def test_a_run_goes_by_what_it_began_with():
    lab = pl.Lab(LONG.changed(epochs=1, rounds=1), measure=False)
    assert lab.wait(60)
    lab.controls["retrain_epochs"].value = 10000
    lab.buttons["run"].click()
    reached(lab, lambda r: r.activity == "running" and r.snapshot.phase == "retraining")
    lab.controls["quality"].value = 0.3
    reached(lab, lambda r: r.preview is not None and r.preview.quality == 0.3)
    assert lab.state.recipe.quality == LONG.quality and lab.state.snapshot.recipe.quality == LONG.quality
    lab.stop()


def test_pictures_for_print_are_made_while_the_lab_goes_on(lab, monkeypatch):
    begun, go = threading.Event(), threading.Event()

    def slow(name, state, session=None):
        begun.set()
        assert go.wait(60)
        return downloads.Made("figures.zip", "application/zip", b"PK")

    monkeypatch.setattr(downloads, "make", slow)
    sent = []
    monkeypatch.setattr(lab.downloads, "send_file", lambda *args: sent.append(args))
    lab._requested("figures")
    assert begun.wait(60)
    lab.controls["quality"].value = 0.7
    reached(lab, lambda r: r.preview is not None and r.preview.quality == 0.7)  # answered meanwhile
    assert sent == [] and not lab.wait(0.01)
    go.set()
    assert lab.wait(60) and sent == [("figures", "figures.zip", "application/zip", b"PK")]


def test_a_drawing_is_read_anew_when_the_networks_change(lab):
    panel = lab.panels["draw"]
    lab.options = lab.options.toggled("draw", True)
    lab._arrange()
    picture = lab.state.data.test_x[0, 0]
    panel.sheet.value = (255 * picture).round().byte().numpy().tobytes()
    assert lab.wait(60)
    before = lab.state.classification
    assert before.dense == pytest.approx(before.pruned)
    lab.controls["quality"].value = 2.0
    press(lab, "prune")
    after = lab.state.classification
    assert after.dense == pytest.approx(before.dense) and after.pruned != pytest.approx(before.pruned)
    with torch.no_grad():
        scores = lab.session.model.eval()(torch.from_numpy(panel.sheet.prepared()).reshape(1, 1, 8, 8))
    assert after.pruned == pytest.approx(scores.double().softmax(1)[0].tolist(), abs=1e-6)
    assert [bar["x"] for bar in panel.plot.figure["data"]][1] == [round(100 * p, 2) for p in after.pruned]


def test_at_an_earlier_moment_everything_on_the_page_is_of_that_moment(lab):
    press(lab, "run")
    press(lab, "measure")
    marks = [i for i, s in enumerate(lab.state.history) if s.phase == "trained"]
    lab.timeline.widget.position = marks[0]
    cards = {card["name"]: card for card in lab.status.cards}
    assert cards["connections"]["value"] == "100.0 %"
    for name in ("file", "speed"):
        assert cards[name] == {"name": name, "value": "–", "more": "measured at the end only"}
    drawn = [trace for trace in lab.panels["dropout"].plot.figure["data"] if trace["mode"] == "markers"]
    assert drawn and all(trace["x"] == [100.0] for trace in drawn)
    lab.controls["quality"].value = 0.55  # asks about what is now
    assert lab.wait(60) and lab.timeline.widget.position is None
    assert lab.state.preview.quality == 0.55 and "preview" in lab.status.attributes
    lab.timeline.widget.position = marks[0]
    lab.panels["compare"].button.click()
    assert lab.timeline.widget.position is None
    press(lab, "reset")


def test_a_quality_that_is_locked_or_hidden_cannot_be_changed_by_its_lines_or_by_layer():
    for options in ({"lock": ["quality"]}, {"hide": ["quality"]}):
        lab = pl.Lab(QUICK, measure=False, **options)
        assert lab.wait(60)
        plot = lab.panels["weights"].plot
        assert not plot.draggable and all(slider.disabled for slider in lab.layers.sliders.values())
        plot.dragged = {"layer": "fc1.weight", "quality": 2.5, "final": True, "at": 1.0}
        assert lab.wait(60) and lab.layers.own == {} and lab.state.preview.quality == QUICK.quality
        assert ("pl-no-layers" in lab._dom_classes) == ("hide" in options)
        lab.stop()
    lab = pl.Lab(QUICK, measure=False)
    assert lab.wait(60)
    assert lab.panels["weights"].plot.draggable and not lab.layers.sliders["fc1"].disabled
    lab.controls["rule"].value = "density"  # in which no layer has a quality
    assert lab.wait(60) and "pl-no-layers" in lab._dom_classes and not lab.panels["weights"].plot.draggable
    lab.stop()


def test_nothing_tells_the_result_before_the_guess_is_answered():
    lab = pl.Lab(QUICK.changed(retrain_epochs=10000), measure=False)
    assert lab.wait(60)
    lab.options = replace(lab.options, guess=True, show=("digits",))
    lab._arrange()
    assert "before the guess" in lab.panels["digits"].plot.summary
    lab.buttons["run"].click()
    lab.guess.button.click()
    reached(lab, lambda r: r.activity == "running" and r.snapshot.phase == "retraining")
    press(lab, "pause")
    cards = {card["name"]: card["value"] for card in lab.status.cards}
    assert cards["accuracy"] == "?" and "No accuracy" in lab.panels["accuracy"].plot.summary
    press(lab, "reset")  # the result will not come
    cards = {card["name"]: card["value"] for card in lab.status.cards}
    assert cards["accuracy"].endswith("%") and not lab.guess.waits
    lab.stop()


def test_a_model_of_ones_own_brings_its_own_dropout_and_batch_norm():
    data = blobs()
    lab = pl.Lab(QUICK, model=nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), data=(data, data))
    assert lab.wait(60)
    assert lab.controls["dropout"].disabled and lab.controls["batch_norm"].disabled
    assert "1 Train" not in lab.panels["dropout"].plot.summary
    text = downloads.make("report", lab.state, lab.session).content.decode()
    assert "no dropout" in text and "Dropout was lowered" not in text
    lab.stop()


def test_a_visitors_link_is_read_over_the_servers_own(monkeypatch):
    monkeypatch.setenv("PRUNELAB_LINK", "model=mlp-small&epochs=2&guess=true&lock=data&quality.fc1=0.4&rounds=7")
    monkeypatch.setattr("prunelab.serve.visitor.query", lambda: "quality=1.2&lock=seed")
    lab = pl.Lab.for_page(measure=False)
    assert lab.wait(60)
    assert lab.recipe == pl.Recipe(model="mlp-small", epochs=2, quality=1.2, layer_quality={"fc1": 0.4}, rounds=7)
    assert lab.options.guess and lab.options.lock == ("data", "seed")
    lab.controls["rounds"].value = pl.Recipe().rounds  # what is usual elsewhere, but not here
    lab.layers.own = {}
    link, wanted = lab.link(), lab.recipe
    monkeypatch.setattr("prunelab.serve.visitor.query", lambda: link)
    other = pl.Lab.for_page(measure=False)
    assert other.wait(60)
    assert other.recipe.rounds == wanted.rounds and other.options == lab.options
    assert other.recipe.quality == 1.2 and dict(other.recipe.layer_quality) == {"fc1": 1.2}, "as the common one"
    lab.stop()
    other.stop()


def test_what_the_page_says_goes_with_its_cause(monkeypatch):
    lab = pl.Lab(LONG, measure=False)
    reached(lab, lambda r: r.snapshot is not None)
    lab._runner._handler._deserted = lambda: True
    reached(lab, lambda r: r.activity == "paused")
    assert "nobody was looking" in lab.status.trouble
    lab._runner._handler._deserted = lambda: False
    lab.buttons["pause"].click()
    reached(lab, lambda r: r.activity == "training" and r.notice is None)
    press(lab, "pause")
    assert lab.status.trouble == ""
    lab.controls["batch_norm"].value = True
    lab.controls["batch_size"].value = 1
    lab.buttons["train"].click()
    assert "single samples" in lab.status.trouble
    lab.controls["batch_size"].value = 32
    lab.controls["quality"].value = 0.35
    assert lab.wait(60) and lab.status.trouble == ""
    lab.stop()


def test_a_saved_session_can_go_back_to_its_dense_network(tmp_path):
    lab = pl.Lab(QUICK, directory=tmp_path / "s", measure=False)
    assert lab.wait(60)
    dense = lab.session.snapshot().test_loss
    press(lab, "run")
    lab.stop()
    again = pl.Lab(directory=tmp_path / "s", measure=False)
    assert again.wait(60)
    assert again.state.snapshot.phase == "retrained"
    press(again, "reset")
    assert again.state.snapshot.phase == "trained" and again.state.snapshot.test_loss == dense
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["s"]
    again.stop()


def test_a_session_that_was_saved_without_its_dense_network_says_so(tmp_path):
    session = pl.Session(QUICK, directory=tmp_path / "s")
    list(session)
    lab = pl.Lab(directory=tmp_path / "s", measure=False)
    assert lab.wait(60)
    lab.buttons["reset"].click()
    assert lab.wait(60) and "was not saved" in lab.status.trouble and lab.state.snapshot.phase == "retrained"
    lab.stop()


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [("density", 0.005, "0.005"), ("density", 0.08, "0.08"), ("density", 0.0123, "0.0123"), ("quality", 7.0, "7.00"),
     ("quality", 1.55, "1.55"), ("density", 1e-6, "0.000001")],
)  # fmt: skip
def test_a_value_that_no_slider_would_stop_at_is_kept_and_shown_as_it_is(name, value, shown):
    recipe = pl.Recipe(**{name: value})
    first = Controls(recipe, {}, lambda name: None)
    later = Controls(pl.Recipe(), {}, lambda name: None)
    later.set(recipe)
    for controls in (first, later):
        control = controls[name]
        assert getattr(controls.recipe, name) == control.value == value
        assert format(value, control.readout_format) == shown
        steps = (value - control.min) / control.step
        assert control.min <= value <= control.max and abs(steps - round(steps)) < 1e-6, "the slider stands on it"


def test_a_run_that_is_hidden_stays_hidden_when_it_is_kept_and_the_one_on_the_page_is_called_so(lab):
    lab.options = lab.options.toggled("compare", True)
    lab._arrange()
    panel = lab.panels["compare"]
    press(lab, "run")
    (row,) = panel.rows.children
    assert row.children[0].description == "run (on the page)" and len(row.children) == 1
    row.children[0].value = False
    assert "Nothing to compare" in panel.plot.summary
    press(lab, "reset")
    (row,) = panel.rows.children
    assert row.children[0].description == "run" and not row.children[0].value
    assert "Nothing to compare" in panel.plot.summary
    row.children[0].value = True
    assert "Nothing to compare" not in panel.plot.summary
    row.children[2].click()
    assert lab.wait(10) and panel.rows.children == () and lab.state.runs == ()
