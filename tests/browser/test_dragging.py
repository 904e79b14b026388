"""Thresholds that move in the page itself: under the slider, under a pointer, before the kernel has said anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from servers import Server

# A kernel that answers when it is told to: what is on the screen until then, the page has done alone.
LATE = """
import ipywidgets
import prunelab as pl
from prunelab import views
from prunelab.lab.plots import Plot

session = pl.Session(pl.Recipe(model="mlp-small", epochs=2, layer_quality={"fc2": 1.0}))
for _ in session.ticks("train"):
    pass

slider = ipywidgets.FloatSlider(value=1.5, min=0, max=3, step=0.05, description="quality")
plot = Plot(name="weights", slider=slider)
told = ipywidgets.HTML()
told.add_class("told")
own = {"fc2.weight": 1.0}
asked = []

def answer(quality):
    session.change(pl.Recipe(**{**session.recipe.to_dict(), "layer_quality": dict(own)}))
    view = views.weights(session.preview(quality), before=session.snapshot(), own=own)
    view["layout"]["meta"]["revision"] = f"{quality:.2f} " + " ".join(f"{n}={q:.2f}" for n, q in own.items())
    plot.figure = view

def moved(drag):
    own[drag.layer] = drag.quality
    asked.append(drag)
    told.value = f"{drag.layer} {drag.quality:.2f} {drag.final}"

def press(name, action):
    button = ipywidgets.Button(description=name)
    button.on_click(lambda _: action())
    return button

def prune():
    session.prune(slider.value)
    plot.figure = views.weights(session.snapshot())

slider.observe(lambda change: asked.append(change.new), "value")
plot.on_drag(moved)
answer(1.5)
buttons = [
    press("answer", lambda: answer(slider.value)),
    press("answer the first", lambda: answer(next(q for q in asked if isinstance(q, float)))),
    press("prune", prune),
    press("set", lambda: setattr(slider, "value", 0.5)),
]
ipywidgets.VBox([slider, plot, told, ipywidgets.HBox(buttons)])
"""

# What the eye sees of a layer: where its lines stand, and which of its bars are orange, which blue; in quality.
SEEN = """
layer => {
    const root = document.querySelector(".prunelab-plot[data-plot=weights]");
    const canvas = root.querySelector(".js-plotly-plot");
    const cut = canvas.layout.meta.cuts.find((each) => each.layer === layer);
    const plot = root.querySelector(`.subplot.x${cut.axis}y${cut.axis}`);
    const x = canvas._fullLayout[`xaxis${cut.axis}`];
    const zero = canvas.getBoundingClientRect().left + x._offset + x.c2p(0);
    const scale = (x.c2p(1) - x.c2p(0)) * cut.deviation;
    const toQuality = (box) => ((box.left + box.right) / 2 - zero) / scale;
    const shown = (element) => getComputedStyle(element).visibility === "visible";
    const live = [...root.querySelectorAll(`.prunelab-plot-line[data-layer="${layer}"]`)]
        .filter((line) => getComputedStyle(line, "::after").visibility === "visible");
    const drawn = [...canvas.querySelectorAll(".shapelayer path")]
        .filter((line, i) => canvas.layout.shapes[i].xref === `x${cut.axis}` && shown(line));
    const heights = [...plot.querySelectorAll(".barlayer .trace")].map((trace) =>
        [...trace.querySelectorAll(".point > path")].map((bar) => bar.getBoundingClientRect().height));
    const centres = canvas.data[cut.traces[0]].x.map((centre) => centre / cut.deviation);
    return {
        lines: [...live, ...drawn].map((line) => toQuality(line.getBoundingClientRect())).sort((a, b) => a - b),
        orange: centres.filter((_, i) => heights[0][i] > 0),
        blue: centres.filter((_, i) => heights[1][i] > 0),
        label: canvas.querySelector(`.annotation[data-index="${cut.note}"]`).textContent,
        deviation: cut.deviation,
        bin: centres[1] - centres[0],
    };
}
"""


@pytest.fixture
def plot(page: Page, notebook: Callable[..., Path], voila_server: Callable[..., Server]) -> Locator:
    page.goto(voila_server(notebook(LATE)).url)
    found = page.locator(".prunelab-plot[data-plot=weights]")
    expect(found).to_have_attribute("data-revision", "1.50 fc2.weight=1.00")
    return found


def handle(page: Page) -> Locator:
    return page.get_by_role("slider")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def expect_seen(page: Page, layer: str, quality: float) -> None:
    """Two lines at +-quality, only orange between them, only blue outside, and the label says the threshold.

    A line may run through a bin: in the kernel's picture that bin has both colours.
    """
    seen = page.evaluate(SEEN, layer)
    assert seen["lines"] == pytest.approx([-quality, quality], abs=0.03)
    assert seen["orange"] and seen["blue"]
    edge = seen["bin"] / 2 + 1e-6
    assert max(map(abs, seen["orange"])) < quality + edge
    assert min(map(abs, seen["blue"])) > quality - edge
    assert f"threshold {quality * seen['deviation']:#.3g}" in seen["label"]


def test_lines_and_colours_follow_the_slider_before_the_kernel_answers(page: Page, plot: Locator) -> None:
    expect_seen(page, "fc1.weight", 1.5)
    box = handle(page).bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for across in (40, -40, 20):
        page.mouse.move(box["x"] + across, box["y"] + 5, steps=6)
        expect(plot).to_have_attribute("data-threshold", handle(page).get_attribute("aria-valuetext") or "")
        expect_seen(page, "fc1.weight", float(handle(page).get_attribute("aria-valuetext") or "nan"))
        expect_seen(page, "fc2.weight", 1.0)  # has a quality of its own
    expect(plot).to_have_attribute("data-live", "")
    expect(plot).to_have_attribute("data-revision", "1.50 fc2.weight=1.00")
    page.mouse.up()

    quality = float(handle(page).get_attribute("aria-valuetext") or "nan")
    press(page, "answer")
    expect(plot).to_have_attribute("data-revision", f"{quality:.2f} fc2.weight=1.00")
    expect(plot).not_to_have_attribute("data-live", "")
    expect_seen(page, "fc1.weight", quality)


def test_an_answer_to_an_older_question_does_not_move_the_lines_back(page: Page, plot: Locator) -> None:
    handle(page).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(plot).to_have_attribute("data-threshold", "1.6")
    press(page, "answer the first")
    expect(plot).to_have_attribute("data-revision", "1.55 fc2.weight=1.00")  # its counts, since the hand rests
    expect(plot).to_have_attribute("data-live", "")
    expect_seen(page, "fc1.weight", 1.6)
    press(page, "answer")
    expect(plot).to_have_attribute("data-revision", "1.60 fc2.weight=1.00")
    expect_seen(page, "fc1.weight", 1.6)


def test_what_the_kernel_does_to_the_slider_is_left_to_the_kernel_to_draw(page: Page, plot: Locator) -> None:
    press(page, "set")
    expect(handle(page)).to_have_attribute("aria-valuetext", "0.5")
    expect(plot).not_to_have_attribute("data-live", "")
    expect_seen(page, "fc1.weight", 1.5)


def test_what_was_cut_stays_cut_while_a_later_round_is_tried(page: Page, plot: Locator) -> None:
    press(page, "prune")
    expect(plot).to_contain_text("is cut")
    handle(page).focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    expect(plot).to_have_attribute("data-threshold", "0.5")
    for _ in range(2):  # as the page draws it alone; then over a preview, which shows both kinds of cut as one
        seen = page.evaluate(SEEN, "fc1.weight")
        assert seen["lines"] == pytest.approx([-0.5, 0.5], abs=0.03)
        assert max(seen["orange"]) == pytest.approx(1.5, abs=seen["bin"])
        press(page, "answer")
        expect(plot).to_have_attribute("data-revision", "0.50 fc2.weight=1.00")
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    expect(plot).to_have_attribute("data-threshold", "2.5")
