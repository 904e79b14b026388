"""Pictures that are changed in place: they look as if plotly.js had drawn them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

# Each picture twice: one is changed, the other was never anything else. Revisions are told apart by what is shown.
PAIRS = """
import ipywidgets
import prunelab as pl
from prunelab import views
from prunelab.lab.widgets.plot import Plot

session = pl.Session(pl.Recipe(epochs=6))
new = session.snapshot(), session.preview(1.0)
# By counts, not by the clock: on a slow machine too the later pictures show more of the run than the earlier ones.
history = [session.snapshot() for number, _ in enumerate(session.ticks("train")) if number % 12 == 0]
now = session.snapshot()
cut = {quality: session.preview(quality) for quality in (1.0, 1.5)}
names = ["weights", "accuracy", "connections", "mask", "pixels", "dropout", "probabilities", "numbers"]

def early(snapshots):
    return snapshots[: len(snapshots) // 2 + 1]

def draw(name, quality):
    snapshot, first = cut[quality], quality == 1.0
    shown = early(history) if first else history[:-1]
    dense, pruned = ([0.1] * 10, [0.0] * 10) if first else ([0.0] * 9 + [1.0], [0.05] * 8 + [0.6, 0.0])
    return {
        "weights": lambda: views.weights(snapshot, before=now),
        "accuracy": lambda: views.accuracy(shown, snapshot),
        "connections": lambda: views.connections(snapshot),
        "mask": lambda: views.mask(snapshot),
        "pixels": lambda: views.pixels(snapshot),
        "dropout": lambda: views.dropout([*history, snapshot]),
        "probabilities": lambda: views.probabilities(dense, pruned),
        "numbers": lambda: views.weights(new[1], before=new[0]) if first else views.weights(snapshot, before=now),
    }[name]()

def named(view, revision):
    view["layout"]["meta"] = {**view["layout"].get("meta", {}), "revision": revision}
    return view

def on_axes_of(other, view):
    axes = {name: part for name, part in other["layout"].items() if "axis" in name}
    return {**view, "layout": view["layout"] | axes}

# The axes are those of the later picture from the start. Only those of "numbers" get other numbers.
after = {name: named(draw(name, 1.5), "after") for name in names}
before = {name: draw(name, 1.0) for name in names}
before |= {name: on_axes_of(after[name], view) for name, view in before.items() if name != "numbers"}
before = {name: named(view, "before") for name, view in before.items()}
changed = {name: Plot(name=name, figure=before[name]) for name in names}
oracle = {name: Plot(name=f"{name}-oracle", figure=after[name]) for name in names}

def change(_):
    for name in names:
        changed[name].figure = after[name]

def again(_):
    for name in names:
        changed[name].figure = before[name]

def add(_):
    view = after["connections"]
    more = {"type": "bar", "orientation": "h", "x": [1, 1, 1], "y": view["data"][0]["y"]}
    changed["connections"].figure = named({"data": [*view["data"], more], "layout": dict(view["layout"])}, "more")

buttons = [ipywidgets.Button(description=text) for text in ("change", "again", "add")]
for button, action in zip(buttons, (change, again, add)):
    button.on_click(action)
rows = [plot for name in names for plot in (changed[name], oracle[name])]
grid = ipywidgets.GridBox(rows, layout={"grid_template_columns": "repeat(2, 560px)"})
ipywidgets.VBox([ipywidgets.HBox(buttons), grid])
"""
NAMES = ["weights", "accuracy", "connections", "mask", "pixels", "dropout", "probabilities", "numbers"]

# What can be seen of a picture, in pixels from the corner of its canvas.
SEEN = """
async name => {
    const canvas = document.querySelector(`.prunelab-plot[data-plot="${name}"] .prunelab-plot-canvas`);
    const origin = canvas.getBoundingClientRect();
    const all = (selector) => [...canvas.querySelectorAll(selector)];
    const box = (element) => {
        const { left, top, width, height } = element.getBoundingClientRect();
        return [left - origin.left, top - origin.top, width, height];
    };
    const along = (path) => {
        const length = path.getTotalLength();
        return [...Array(21).keys()].flatMap((i) => {
            const { x, y } = path.getPointAtLength((length * i) / 20);
            return [x, y];
        });
    };
    const cells = async (image) => {
        const picture = new Image();
        const loaded = new Promise((resolve, reject) => Object.assign(picture, { onload: resolve, onerror: reject }));
        picture.src = image.href.baseVal;
        await loaded;
        const sheet = document.createElement("canvas");
        const rows = canvas._fullData[0].z.length, columns = canvas._fullData[0].z[0].length;
        [sheet.width, sheet.height] = [columns * 9, rows * 9];
        const pen = sheet.getContext("2d");
        pen.imageSmoothingEnabled = false;
        pen.drawImage(picture, 0, 0, sheet.width, sheet.height);
        const found = [];
        for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++)
            found.push(...pen.getImageData(9 * j + 4, 9 * i + 4, 1, 1).data);
        return found;
    };
    return {
        title: document.querySelector(`.prunelab-plot[data-plot="${name}"] .prunelab-plot-title`).textContent,
        bars: all(".barlayer .point > path").map(box).filter(([, , width, height]) => width > 0 && height > 0).flat(),
        markers: all(".scatterlayer .points > path").flatMap(box),
        curves: all(".scatterlayer .lines > path").flatMap(along),
        shapes: all(".shapelayer path").flatMap(box),
        words: all(".annotation text, [class$=tick] > text").map((text) => text.textContent),
        places: all(".annotation text, [class$=tick] > text").flatMap(box),
        images: all(".imagelayer image").map((image) => image.href.baseVal),
        cells: (await Promise.all(all(".heatmaplayer image").map(cells))).flat(),
    };
}
"""

# How a picture got its first "after", and why. Noted at once: what was changed in place is soon drawn again.
NOTE = """
() => {
    globalThis.drawnAs = {};
    new MutationObserver((records) => records.forEach(({ target: { dataset } }) => {
        if (dataset.revision === "after") drawnAs[dataset.plot] ??= [dataset.drawn, dataset.distrust ?? ""];
    })).observe(document.body, { subtree: true, attributeFilter: ["data-state", "data-paints", "data-drawn"] });
}
"""


@pytest.fixture
def pictures(page: Page, notebook: Callable[..., Path], voila: Callable[..., str]) -> Page:
    voila(notebook(PAIRS))
    for name in NAMES:
        expect(plot(page, name)).to_have_attribute("data-revision", "before", timeout=60_000)
        expect(plot(page, f"{name}-oracle")).to_have_attribute("data-revision", "after", timeout=60_000)
    return page


def plot(page: Page, name: str):
    return page.locator(f'.prunelab-plot[data-plot="{name}"]')


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def far(one: list[float], other: list[float]) -> float:
    assert len(one) == len(other)
    return max((abs(a - b) for a, b in zip(one, other, strict=True)), default=0.0)


def test_changes_in_place_look_like_plotlys_own_pictures(pictures: Page) -> None:
    start = {name: pictures.evaluate(SEEN, name) for name in NAMES}
    pictures.evaluate(NOTE)
    ranges = """name => ["xaxis", "yaxis"].map((axis) => document.querySelector(
        `.prunelab-plot[data-plot="${name}"] .prunelab-plot-canvas`).layout[axis].range[1])"""
    old, new = (pictures.evaluate(ranges, name) for name in ("numbers", "numbers-oracle"))
    assert old[0] != new[0] and old[1] != new[1]
    press(pictures, "change")
    for name in NAMES:
        expect(plot(pictures, name)).to_have_attribute("data-revision", "after")
    seen: dict[str, dict[str, Any]] = {name: pictures.evaluate(SEEN, name) for name in NAMES}
    wanted = {name: pictures.evaluate(SEEN, f"{name}-oracle") for name in NAMES}
    for name in NAMES:
        expect(plot(pictures, name)).to_have_attribute("data-drawn", "whole")
        settled = pictures.evaluate(SEEN, name)
        assert seen[name] != start[name], f"{name} did not change"
        for part in ("title", "words", "images"):
            assert seen[name][part] == wanted[name][part] == settled[part], f"{part} of {name}"
        for part in ("bars", "markers", "curves", "shapes", "places", "cells"):
            # A pixel: plotly.js rounds some of its numbers, and leaves out points of a curve that nobody could see.
            assert far(seen[name][part], wanted[name][part]) <= 1.1, f"{part} of {name}"
            assert far(settled[part], wanted[name][part]) <= 0.1, f"{part} of {name}, drawn as a whole"
    assert pictures.evaluate("drawnAs") == {name: ["patched", ""] for name in NAMES}


def test_what_cannot_be_changed_in_place_is_drawn_as_a_whole(pictures: Page) -> None:
    press(pictures, "add")
    expect(plot(pictures, "connections")).to_have_attribute("data-revision", "more")
    expect(plot(pictures, "connections")).to_have_attribute("data-drawn", "whole")
    expect(plot(pictures, "connections").locator(".barlayer > .trace")).to_have_count(3)


# What may be otherwise in another version of plotly.js, each in its own picture: elements of other names, elements that
# are missing or elsewhere, fields that are gone, a shortcut that stumbles on its way.
DAMAGES = """
() => {
    const canvas = (name) => document.querySelector(`.prunelab-plot[data-plot="${name}"] .prunelab-plot-canvas`);
    const one = (name, selector) => canvas(name).querySelector(selector);
    const all = (name, selector) => canvas(name).querySelectorAll(selector);
    const stumble = () => { throw new Error("stumbled on purpose"); };
    one("weights", ".barlayer .trace").setAttribute("class", "series bars");
    for (const line of all("accuracy", ".lines > path")) line.setAttribute("d", "M1,1L2,2");
    one("connections", ".barlayer .point").remove();
    one("mask", ".imagelayer:has(image)").setAttribute("class", "pictures");
    delete one("pixels", ".heatmaplayer .hm").__data__;
    for (const part of all("dropout", ".annotation, .lines > path")) part.setAttribute = stumble;
    delete canvas("probabilities")._fullLayout;
    delete canvas("numbers")._fullLayout.xaxis.c2p;
}
"""

ELEMENTS = """
name => document.querySelectorAll(`.prunelab-plot[data-plot="${name}"] .prunelab-plot-canvas *`).length
"""


def expect_pictures_of_plotlys_own(page: Page) -> dict[str, list[str]]:
    """All pictures show what they should and hold nothing else. Gives how each was drawn, and why."""
    press(page, "change")
    for name in NAMES:
        expect(plot(page, name)).to_have_attribute("data-revision", "after")
        expect(plot(page, name)).to_have_attribute("data-state", "ready")
    for name in NAMES:
        seen, wanted = page.evaluate(SEEN, name), page.evaluate(SEEN, f"{name}-oracle")
        for part in ("title", "words", "images"):
            assert seen[part] == wanted[part], f"{part} of {name}"
        for part in ("bars", "markers", "curves", "shapes", "places", "cells"):
            assert far(seen[part], wanted[part]) <= 0.1, f"{part} of {name}"
        assert page.evaluate(ELEMENTS, name) == page.evaluate(ELEMENTS, f"{name}-oracle"), (
            f"something is left in {name}"
        )
    return page.evaluate("drawnAs")


def test_a_drawing_that_is_not_as_expected_is_drawn_anew_as_a_whole(pictures: Page) -> None:
    pictures.evaluate(NOTE)
    pictures.evaluate(DAMAGES)
    drawn = expect_pictures_of_plotlys_own(pictures)
    assert {name: how for name, (how, _) in drawn.items()} == dict.fromkeys(NAMES, "whole")
    assert all(why for _, why in drawn.values()), drawn
    assert drawn["dropout"][1] == "stumbled on purpose"
    # What plotly.js has drawn anew can be changed in place again.
    press(pictures, "again")
    for name in NAMES:
        expect(plot(pictures, name)).not_to_have_attribute("data-distrust", re.compile(""))


def test_a_plotly_js_of_an_unknown_version_draws_all_pictures_itself(pictures: Page) -> None:
    pictures.evaluate(NOTE)
    pictures.evaluate("""async () => {
        const loaded = [...globalThis[Symbol.for("prunelab.loaded")]].filter(([key]) => key.startsWith("plotly "));
        for (const [, library] of loaded) (await library).version = "99.0.0";
    }""")
    drawn = expect_pictures_of_plotlys_own(pictures)
    assert drawn == {name: ["whole", "plotly.js 99.0.0 is of a version that was not checked"] for name in NAMES}
