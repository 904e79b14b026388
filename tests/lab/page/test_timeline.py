"""Earlier moments of a run, shown in every view."""

from dataclasses import replace

import pytest

import prunelab as pl
from prunelab.lab.page.timeline import Timeline, described
from prunelab.results.tradeoff import LINES, Point
from support.labs import QUICK, press


def test_the_scrubber_shows_an_earlier_moment_in_every_view_and_goes_back_to_live(lab):
    press(lab, "run")
    history = lab.state.history
    at = next(i for i, s in enumerate(history) if s.phase == "pruned" and s.round == 1)
    lab.timeline.widget.position = at
    assert lab.status.attributes["phase"] == "pruned" and lab.status.attributes["round"] == "1"
    revision = lab.panels["weights"].plot.figure["layout"]["meta"]["revision"]
    assert (revision["phase"], revision["round"]) == ("pruned", 1)
    assert lab.panels["accuracy"].plot.figure["data"][0]["x"][-1] == history[-1].clock, "the whole curve stays"
    assert lab.status.cards[1]["value"] == f"{100 * history[at].density:.1f} %"
    lab.timeline.widget.position = None
    assert lab.status.attributes["phase"] == "retrained" and lab.status.attributes["round"] == "2"
    lab.timeline.widget.position = 0
    press(lab, "prune")
    assert lab.timeline.widget.position is None, "what is done is shown"


def test_the_live_moment_is_said_at_once_also_while_the_list_of_a_run_waits(lab):
    timeline = Timeline(lambda: None)
    press(lab, "run")
    history = lab.state.history
    busy = replace(lab.state, activity="running")
    for i in range(1, len(history)):
        timeline.update(replace(busy, snapshot=history[i], history=history[: i + 1]))
        assert timeline.widget.newest == described(history[i])["label"]
    assert len(timeline.widget.moments) < len(history), "the list waits"
    timeline.update(lab.state)
    assert timeline.widget.newest == timeline.widget.moments[-1]["label"] == "round 2: retrained"


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


@pytest.mark.parametrize("act", ["a link", "a run of the curve", "qualities by the scan"])
def test_what_comes_onto_the_page_is_shown_and_no_earlier_moment(lab, act):
    if act == "qualities by the scan":
        lab.panels["sensitivity"].button.click()
        assert lab.wait(60)
    else:
        press(lab, "run")
    lab.timeline.widget.position = 0
    assert lab.timeline.shown(lab.state) is not None
    if act == "a link":
        lab.follow("v=2&model=mlp-small&epochs=2&seed=5")
    elif act == "a run of the curve":
        lab.hand.submit("load", about=Point(
            line=LINES[0], recipe=QUICK.changed(seed=5), cuts=(0.5,), kept=1, total=2, effective=None, gaussian=None,
            accuracy=0.9, dense=0.9,
        ))  # fmt: skip
    else:
        lab.panels["sensitivity"].use.click()
    assert lab.wait(60) and lab.timeline.widget.position is None
    assert lab.status.attributes["clock"] == str(lab.state.snapshot.clock)
    assert lab.state.preview is None or "if cut now" in lab.status.cards[1]["more"]


def test_each_round_has_an_equal_share_of_the_scrubber(lab):
    press(lab, "run")
    moments = lab.timeline.widget.moments
    assert [moment["id"].split(":")[1] for moment in moments] == [str(s.round) for s in lab.state.history]
    ends = {moment["label"]: moment["place"] for moment in moments if moment["mark"]}
    assert [ends[where] for where in ("dense: trained", "round 1: retrained", "round 2: retrained")] == (
        pytest.approx([1 / 3, 2 / 3, 1], abs=1e-6)
    )
    cuts = [i for i, moment in enumerate(moments) if moment["label"].endswith("pruned")]
    assert [i for i in cuts if not moments[i - 1]["place"] < moments[i]["place"]] == []


def test_the_moments_of_another_run_are_there_at_once_and_those_of_the_same_run_in_their_time(lab):
    """Comparisons put other runs on the page while they go on."""
    assert lab.wait(60)
    session = pl.Session(QUICK)
    history = tuple(session)
    scrubber, state = Timeline(lambda: None), replace(lab.state, activity="comparing")

    def offered(history):
        scrubber.update(replace(state, history=history))
        return [moment["id"] for moment in scrubber.widget.moments]

    own = offered(lab.state.history)
    theirs = offered(history[:3])
    assert own and len(theirs) == 3 and theirs != own
    assert offered(history) == theirs, "a list as long as that is not sent with every batch"
