"""After whatever was done: the page, its controls and all that can be taken home say the same of the same network."""

from __future__ import annotations

import csv
import io
import json
import runpy
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import prunelab as pl
from prunelab.exports.narrative import plain
from prunelab.lab.links import from_query
from prunelab.lab.page import downloads
from prunelab.results.snapshot import Snapshot
from prunelab.views import key_figures
from support.labs import press, reached
from support.messages import say


def retraining(lab: pl.Lab) -> None:
    lab.controls["retrain_epochs"].value = 300
    press(lab, "prune")
    lab.buttons["retrain"].click()
    reached(lab, lambda state: state.snapshot is not None and state.snapshot.phase == "retraining")


def paused(lab: pl.Lab) -> None:
    retraining(lab)
    press(lab, "pause")
    assert lab.state.activity == "paused"


def slider_moved_while_it_runs(lab: pl.Lab) -> None:
    retraining(lab)
    lab.controls["quality"].value = 2.1
    press(lab, "pause")


def cut_in_the_middle(lab: pl.Lab) -> None:
    paused(lab)
    press(lab, "prune")


def paused_and_gone_on(lab: pl.Lab) -> None:
    lab.controls["retrain_epochs"].value = 30
    press(lab, "prune")
    lab.buttons["retrain"].click()
    reached(lab, lambda state: state.snapshot is not None and state.snapshot.phase == "retraining")
    press(lab, "pause")
    press(lab, "pause")


def line_dragged(lab: pl.Lab) -> None:
    lab.panels["weights"].plot.dragged = {"layer": "fc1.weight", "quality": 1.9, "final": True, "number": 1}
    reached(lab, lambda state: state.preview is not None and state.preview.layers[0].quality == 1.9)


def line_dragged_and_cut(lab: pl.Lab) -> None:
    line_dragged(lab)
    press(lab, "prune")


def line_dragged_and_linked_again(lab: pl.Lab) -> None:
    line_dragged(lab)
    lab.layers.sign.click()
    assert lab.wait(60)


def earlier_moment(lab: pl.Lab) -> None:
    press(lab, "run")
    lab.timeline.widget.position = 1
    lab.wait(60)


def compared(lab: pl.Lab) -> None:
    press(lab, "prune")
    lab.presets.children[1].click()
    assert lab.wait(120)


def comparison_paused(lab: pl.Lab) -> None:
    press(lab, "prune")
    lab.presets.children[1].click()
    reached(lab, lambda state: state.activity == "comparing" and state.snapshot.phase == "training")
    lab.buttons["pause"].click()
    assert lab.wait(60) and lab.state.activity == "paused"


def link_followed(lab: pl.Lab) -> None:
    lab.follow("model=mlp-small&epochs=2&quality=1.1&rounds=3")
    assert lab.wait(60)


def live_run(lab: pl.Lab) -> None:
    lab.live.switch.value = True
    lab.controls["quality"].value = 0.9
    lab.hand.release("quality")
    assert lab.wait(60)


def settings_changed_after_the_run(lab: pl.Lab) -> None:
    press(lab, "run")
    lab.controls["rounds"].value = 7
    lab.controls["quality"].value = 2.4
    assert lab.wait(60)


ACTIONS: tuple[Callable[[pl.Lab], None], ...] = (
    lambda lab: None,
    lambda lab: press(lab, "prune"),
    lambda lab: (press(lab, "prune"), press(lab, "retrain")),
    lambda lab: press(lab, "run"),
    lambda lab: (press(lab, "run"), press(lab, "reset")),
    paused,
    slider_moved_while_it_runs,
    cut_in_the_middle,
    paused_and_gone_on,
    line_dragged,
    line_dragged_and_cut,
    line_dragged_and_linked_again,
    earlier_moment,
    compared,
    comparison_paused,
    link_followed,
    live_run,
    settings_changed_after_the_run,
)
NAMES = (
    "trained", "cut", "retrained", "run", "reset",
    *(action.__name__ for action in ACTIONS[5:]),
)  # fmt: skip


@pytest.fixture(params=ACTIONS, ids=NAMES)
def done(lab: pl.Lab, request: pytest.FixtureRequest) -> pl.Lab:
    request.param(lab)
    return lab


def test_page_controls_and_exports_say_the_same(done: pl.Lab, tmp_path: Path) -> None:
    lab, state, session = done, done.state, done.session
    assert session is not None and state.snapshot is not None
    # The network as it is, by torch and not by our own counts.
    survivors = {name: int(mask.sum()) for name, mask in session.masks.items()}
    kept, total = sum(survivors.values()), sum(mask.numel() for mask in session.masks.values())
    now = state.snapshot
    assert (now.kept, now.total, now.clock) == (kept, total, session.clock)
    assert state.history[-1] is now or same(state.history[-1], now)

    # Controls and link.
    recipe, options = from_query(lab.link(), lab._link.start) if lab.link() else lab._link.start
    assert (recipe, options) == (lab.recipe, lab.options)

    # The page.
    viewed = lab.timeline.shown(state)
    shown = viewed or now
    cards = {card["name"]: card["value"] for card in lab.status.cards}
    assert cards["connections"] == key_figures.connections(shown)[0]
    assert cards[shown.objective.metric] == key_figures.accuracy(shown)[0]
    assert lab.status.attributes["kept"] == str(shown.kept)

    # Tables: the whole run, up to now.
    recipe_json, rows = data(lab)
    assert pl.Recipe.from_json(json.dumps(recipe_json)) == state.recipe == session.recipe
    whole = [row for row in rows if row["layer"] == "whole network"][-1]
    assert (int(whole["kept"]), int(whole["total"])) == (kept, total)
    assert {row["layer"]: int(row["kept"]) for row in rows[-len(survivors) - 1 : -1]} == {
        name: number for name, number in survivors.items()
    }

    # The report tells the result of now, and that it is not finished where it is not.
    report = downloads.make("report", state).content.decode()
    assert key_figures.connections(now)[0] in report
    assert ("This run is not finished" in report) == (not now.settled)

    # Python does the same again.
    code = downloads.make("python", state).content.decode()
    again = repeated(code, tmp_path)
    assert list(again) == list(session.model.state_dict())
    for name, value in session.model.state_dict().items():
        assert torch.equal(again[name], value), name

    # The network itself: never that of another moment than the page's.
    if viewed is None:
        packed = tmp_path / "m.prune"
        packed.write_bytes(downloads.make("model", state, session).content)
        for name, value in pl.sparse.load(packed).items():
            assert torch.equal(value, session.model.state_dict()[name]), name
        assert "model" not in lab.downloads.disabled
    else:
        assert "go back to live" in lab.downloads.disabled["model"]


@pytest.mark.parametrize("position", [None, 1])
def test_pictures_for_print_show_the_moment_that_the_page_shows(lab: pl.Lab, position: int | None, monkeypatch) -> None:
    press(lab, "run")
    lab.timeline.widget.position = position
    lab.wait(60)
    made = []
    monkeypatch.setattr(lab.downloads, "send_file", lambda *args: made.append(args))
    say(lab.downloads, {"kind": "request", "name": "figures", "view": "a"})
    assert lab.wait(60)
    figures = zipfile.ZipFile(io.BytesIO(made[0][3]))
    drawn = lab.panels["connections"].plot.figure["layout"]["title"]["text"]
    assert f">{plain(drawn)}<" in figures.read("page/connections.svg").decode()


def same(one: Snapshot, other: Snapshot) -> bool:
    return (one.phase, one.clock, one.kept, one.test_accuracy) == (
        other.phase,
        other.clock,
        other.kept,
        other.test_accuracy,
    )


def data(lab: pl.Lab) -> tuple[dict[str, object], list[dict[str, str]]]:
    files = zipfile.ZipFile(io.BytesIO(downloads.make("data", lab.state).content))
    rows = list(csv.DictReader(io.StringIO(files.read("snapshots.csv").decode())))
    return json.loads(files.read("recipe.json")), rows


def repeated(code: str, folder: Path) -> dict[str, torch.Tensor]:
    """The weights that the lines lead to."""
    (folder / "again.py").write_text(code)
    session: pl.Session = runpy.run_path(str(folder / "again.py"))["session"]
    return session.model.state_dict()
