"""Pictures that are changed in place: they look as if plotly.js had drawn them."""

from __future__ import annotations

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
history = [s for s in session.ticks("train") if s is not None]
now = session.snapshot()
cut = {quality: session.preview(quality) for quality in (1.0, 1.5)}
names = ["weights", "accuracy", "connections", "mask", "pixels", "dropout", "probabilities", "numbers"]

def early(moments):
    return moments[: len(moments) // 2 + 1]

def draw(name, quality):
    snapshot, first = cut[quality], quality == 1.0
    moments = early(history) if first else history[:-1]
    dense, pruned = ([0.1] * 10, [0.0] * 10) if first else ([0.0] * 9 + [1.0], [0.05] * 8 + [0.6, 0.0])
    return {
        "weights": lambda: views.weights(snapshot, before=now),
        "accuracy": lambda: views.accuracy(moments, snapshot),
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

# How many moments there are is a matter of time: the axes are those of the later picture from the start. Only those of
# "numbers" get other numbers.
after = {name: named(draw(name, 1.5), "after") for name in names}
before = {name: draw(name, 1.0) for name in names}
before |= {name: on_axes_of(after[name], view) for name, view in before.items() if name != "numbers"}
before = {name: named(view, "before") for name, view in before.items()}
changed = {name: Plot(name=name, figure=before[name]) for name in names}
oracle = {name: Plot(name=f"{name}-oracle", figure=after[name]) for name in names}

def change(_):
    for name in names:
        changed[name].figure = after[name]

def add(_):
    view = after["connections"]
    more = {"type": "bar", "orientation": "h", "x": [1, 1, 1], "y": view["data"][0]["y"]}
    changed["connections"].figure = named({"data": [*view["data"], more], "layout": dict(view["layout"])}, "more")

buttons = [ipywidgets.Button(description=text) for text in ("change", "add")]
for button, action in zip(buttons, (change, add)):
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
    # Whether it was changed in place is only to be seen until plotly.js draws it again: noted the moment it is told.
    pictures.evaluate("""names => {
        globalThis.drawnAs = {};
        new MutationObserver((records) => records.forEach(({ target }) => {
            if (target.dataset.revision === "after") drawnAs[target.dataset.plot] ??= target.dataset.drawn;
        })).observe(document.body, { subtree: true, attributeFilter: ["data-state", "data-paints", "data-drawn"] });
    }""")
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
    assert pictures.evaluate("drawnAs") == dict.fromkeys(NAMES, "patched")


def test_what_cannot_be_changed_in_place_is_drawn_as_a_whole(pictures: Page) -> None:
    press(pictures, "add")
    expect(plot(pictures, "connections")).to_have_attribute("data-revision", "more")
    expect(plot(pictures, "connections")).to_have_attribute("data-drawn", "whole")
    expect(plot(pictures, "connections").locator(".barlayer > .trace")).to_have_count(3)
