"""Thresholds that move in the page itself: under the slider, under a pointer, before the kernel has said anything."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from prunelab.lab.widgets.plot import Drag, Plot

# A kernel that answers when it is told to: what is on the screen until then, the page has done alone.
LATE = """
import ipywidgets
import prunelab as pl
from prunelab import views
from prunelab.lab.page.controls import TRACKS
from prunelab.lab.widgets.number_field import NumberField
from prunelab.lab.widgets.plot import Plot

session = pl.Session(pl.Recipe(model="mlp-small", epochs=2, layer_quality={"fc2": 1.0}))
for _ in session.ticks("train"):
    pass

slider = NumberField(value=1.5, **TRACKS["quality"], low=0, high=10, description="quality")
plot = Plot(name="weights", slider=slider)
told = ipywidgets.HTML()
told.add_class("told")
known = ipywidgets.HTML("1.50")
known.add_class("known")
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

def heard(change):
    asked.append(change.new)
    known.value = f"{change.new:.2f}"

slider.observe(heard, "value")
plot.on_drag(moved)
answer(1.5)
buttons = [
    press("answer", lambda: answer(slider.value)),
    press("answer the first", lambda: answer(next(q for q in asked if isinstance(q, float)))),
    press("prune", prune),
    press("set", lambda: setattr(slider, "value", 0.5)),
]
ipywidgets.VBox([slider, plot, told, known, ipywidgets.HBox(buttons)])
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
def plot(page: Page, notebook: Callable[..., Path], voila: Callable[..., str]) -> Locator:
    voila(notebook(LATE))
    found = page.locator(".prunelab-plot[data-plot=weights]")
    # A kernel trains a network first.
    expect(found).to_have_attribute("data-revision", "1.50 fc2.weight=1.00", timeout=60_000)
    return found


def handle(page: Page) -> Locator:
    return page.get_by_role("slider")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def answer(page: Page) -> None:
    """Let the kernel answer, once it knows where the slider stands: moves go out one by one and wait for each other."""
    page.wait_for_function(
        """() => document.querySelector(".known").textContent.trim()
            === (+document.querySelector("[role=slider]").getAttribute("aria-valuetext")).toFixed(2)"""
    )
    press(page, "answer")


def turn(page: Page, steps: int) -> None:
    """Move the slider by keyboard, in steps of 0.05."""
    handle(page).focus()
    for _ in range(abs(steps)):
        page.keyboard.press("ArrowRight" if steps > 0 else "ArrowLeft")


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
        expect(plot).to_have_attribute(
            "data-threshold", f"{float(handle(page).get_attribute('aria-valuetext') or 0):g}"
        )
        expect_seen(page, "fc1.weight", float(handle(page).get_attribute("aria-valuetext") or "nan"))
        expect_seen(page, "fc2.weight", 1.0)  # has a quality of its own
    expect(plot).to_have_attribute("data-live", "")
    expect(plot).to_have_attribute("data-revision", "1.50 fc2.weight=1.00")
    page.mouse.up()

    quality = float(handle(page).get_attribute("aria-valuetext") or "nan")
    answer(page)
    expect(plot).to_have_attribute("data-revision", f"{quality:.2f} fc2.weight=1.00")
    expect(plot).not_to_have_attribute("data-live", "")
    expect_seen(page, "fc1.weight", quality)

    # An answer to an older question: its counts, since the hand rests, but the lines stay.
    turn(page, 2)
    expect(plot).to_have_attribute("data-threshold", f"{quality + 0.1:.2f}".rstrip("0").rstrip("."))
    press(page, "answer the first")
    expect(plot).to_have_attribute("data-paints", "3")
    expect(plot).to_have_attribute("data-live", "")
    expect_seen(page, "fc1.weight", quality + 0.1)
    answer(page)
    expect(plot).to_have_attribute("data-revision", f"{quality + 0.1:.2f} fc2.weight=1.00")
    expect_seen(page, "fc1.weight", quality + 0.1)

    # What the kernel does to the slider is left to the kernel to draw.
    press(page, "set")
    expect(handle(page)).to_have_attribute("aria-valuetext", "0.50")
    expect(plot).not_to_have_attribute("data-live", "")
    expect_seen(page, "fc1.weight", quality + 0.1)


def test_what_was_cut_stays_cut_while_a_later_round_is_tried(page: Page, plot: Locator) -> None:
    press(page, "prune")
    expect(plot).to_contain_text("none of them between the lines")
    turn(page, -20)
    expect(plot).to_have_attribute("data-threshold", "0.5")
    seen = page.evaluate(SEEN, "fc1.weight")
    assert seen["lines"] == pytest.approx([-0.5, 0.5], abs=0.03)
    assert max(seen["orange"]) == pytest.approx(1.5, abs=seen["bin"])
    answer(page)
    expect(plot).to_have_attribute("data-revision", "0.50 fc2.weight=1.00")

    # From a preview, which shows both kinds of cut as one, up and back again: what it would cut is taken back.
    turn(page, 40)
    expect(plot).to_have_attribute("data-threshold", "2.5")
    answer(page)
    expect(plot).to_have_attribute("data-revision", "2.50 fc2.weight=1.00")
    turn(page, -10)
    expect(plot).to_have_attribute("data-threshold", "2")
    expect_seen(page, "fc1.weight", 2)


def test_a_line_follows_the_pointer_and_its_layer_gets_that_quality(page: Page, plot: Locator) -> None:
    told = page.locator(".told")
    line = plot.locator(".prunelab-plot-line[data-layer='fc2.weight'][data-side='1']")
    box = line.bounding_box()
    assert box and box["width"] >= 24
    assert line.evaluate("line => getComputedStyle(line).cursor") == "ew-resize"
    left = 11  # beside the line, within reach
    page.mouse.move(box["x"] + box["width"] / 2 - left, box["y"] + 40)
    page.mouse.down()
    page.mouse.up()
    expect(told).to_have_text("")  # a click moves nothing
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - left + 9, box["y"] + 50, steps=3)
    expect(told).to_contain_text("False")
    page.wait_for_function(
        "() => document.querySelector('.told').textContent.includes("
        "` ${(+document.querySelector('[data-plot=weights]').dataset.threshold).toFixed(2)} `)"
    )
    quality = float((told.text_content() or "").split()[1])
    assert quality > 1.1
    moved = line.bounding_box()
    assert moved and moved["x"] == pytest.approx(box["x"] + 9, abs=0.5)
    expect_seen(page, "fc2.weight", quality)
    expect_seen(page, "fc1.weight", 1.5)
    page.mouse.up()
    expect(told).to_contain_text(f"fc2.weight {quality:.2f} True")
    expect(plot).to_have_attribute("data-live", "")
    answer(page)
    expect(plot).to_have_attribute("data-revision", f"1.50 fc2.weight={quality:.2f}")
    expect(plot).not_to_have_attribute("data-live", "")
    expect_seen(page, "fc2.weight", quality)
    expect_seen(page, "fc1.weight", 1.5)

    # A finger does the same.
    finger = page.context.new_cdp_session(page)
    x, y = moved["x"] + box["width"] / 2, box["y"] + 40
    for kind, points in (("Start", [x]), ("Move", [x + 2]), ("Move", [x + 7]), ("End", [])):
        touches = [{"x": at, "y": y} for at in points]
        finger.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": touches})
    expect(told).to_contain_text("True")
    expect(told).not_to_contain_text(f"{quality:.2f}")
    touched = line.bounding_box()
    assert touched and touched["x"] == pytest.approx(moved["x"] + 7, abs=0.5)

    # Across zero there is nothing: a quality is not negative.
    page.mouse.move(moved["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(moved["x"] - 60, box["y"] + 40, steps=3)
    expect(told).to_contain_text("fc2.weight 0.00 False")
    page.mouse.up()
    expect(told).to_contain_text("fc2.weight 0.00 True")


def test_pictures_have_contrast_where_readers_ask_for_it(page: Page, plot: Locator) -> None:
    fills = """plot => [...plot.querySelectorAll(".subplot.xy .barlayer .trace")]
        .map((trace) => getComputedStyle(trace.querySelector(".point > path")).fill)"""
    assert plot.evaluate(fills) == ["rgb(230, 159, 0)", "rgb(0, 114, 178)"]
    paints = int(plot.get_attribute("data-paints") or 0)
    dark_page = {"color_scheme": "dark"}  # there for everybody
    for media in ({"contrast": "more"}, {"contrast": "more", **dark_page}, {"forced_colors": "active"}, dark_page):
        page.emulate_media(**{"contrast": "no-preference", "forced_colors": "none", "color_scheme": "light", **media})
        page.wait_for_function(
            "paints => +document.querySelector('[data-plot=weights]').dataset.paints > paints", arg=paints
        )
        paints = int(plot.get_attribute("data-paints") or 0)
        dark = media.get("color_scheme") == "dark"
        for fill in plot.evaluate(fills):
            assert contrast(fill, "rgb(17, 17, 17)" if dark else "rgb(255, 255, 255)") >= 3, (media, fill)
        grid = plot.evaluate("plot => getComputedStyle(plot.querySelector('.ygrid')).strokeOpacity")
        assert (float(grid) > 0.5) == (media is not dark_page), "faint lines get stronger for those who asked"


MANY = """
import ipywidgets
import prunelab as pl
from prunelab import views
from prunelab.lab.page.controls import TRACKS
from prunelab.lab.widgets.number_field import NumberField
from prunelab.lab.widgets.plot import Plot

session = pl.Session(pl.Recipe(model="mlp-small", epochs=1))
for _ in session.ticks("train"):
    pass
slider = NumberField(value=1.5, **TRACKS["quality"], low=0, high=10, description="quality")
plots = {"weights": Plot(name="weights", slider=slider), "connections": Plot(name="connections")}

def draw(_=None):
    snapshot = session.preview(slider.value)
    for name, plot in plots.items():
        view = getattr(views, name)(snapshot)
        view["layout"]["meta"] = {**view["layout"].get("meta", {}), "revision": f"{slider.value:.2f}"}
        plot.figure = view

slider.observe(draw, "value")
draw()
ipywidgets.VBox([slider, *plots.values()])
"""


def test_all_plots_show_the_slider_when_the_hand_rests(
    page: Page, notebook: Callable[..., Path], voila: Callable[..., str]
) -> None:
    voila(notebook(MANY))
    plots = page.locator(".prunelab-plot")
    for plot in plots.all():
        expect(plot).to_have_attribute("data-revision", "1.50")
    box = handle(page).bounding_box()
    assert box
    # Pictures that were drawn as a whole, while the hand moves.
    page.evaluate("""() => {
        globalThis.wholes = 0;
        new MutationObserver((records) => records.forEach(({ target }) => {
            wholes += target.dataset.drawn === "whole";
        })).observe(document.body, { subtree: true, attributeFilter: ["data-paints"] });
    }""")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for number in range(60):  # the button stays down
        page.mouse.move(box["x"] + (number % 20), box["y"] + 5)
    quality = float(handle(page).get_attribute("aria-valuetext") or "nan")
    expect(plots).to_have_count(2)
    for plot in plots.all():
        expect(plot).to_have_attribute("data-revision", f"{quality:.2f}")
    # Of 120 pictures: the last of each, and those in which the survivors of a deep cut get a scale of their own.
    assert page.evaluate("wholes") <= 8, "what takes long to draw waits for the hand"
    for plot in plots.all():
        expect(plot).to_have_attribute("data-drawn", "whole")
    expect(plots.first).not_to_have_attribute("data-live", "")
    expect_seen(page, "fc1.weight", quality)
    page.mouse.up()


def test_thresholds_move_on_in_a_picture_that_had_to_be_drawn_anew(page: Page, plot: Locator) -> None:
    page.evaluate("""() => {
        const canvas = document.querySelector(".prunelab-plot[data-plot=weights] .js-plotly-plot");
        canvas.querySelector(".barlayer .point > path").setAttribute("d", "M0 0h9v9z");
        canvas.querySelectorAll(".barlayer")[1].querySelector(".trace").setAttribute("class", "series bars");
    }""")
    turn(page, -4)
    expect(plot).to_have_attribute("data-distrust", re.compile("not as expected"))
    expect(plot).to_have_attribute("data-threshold", "1.3")
    expect_seen(page, "fc1.weight", 1.3)
    answer(page)
    expect(plot).to_have_attribute("data-revision", "1.30 fc2.weight=1.00")
    expect_seen(page, "fc1.weight", 1.3)
    turn(page, 2)
    expect(plot).to_have_attribute("data-threshold", "1.4")
    expect_seen(page, "fc1.weight", 1.4)


def test_thresholds_of_an_unknown_plotly_js_move_with_the_kernel(page: Page, plot: Locator) -> None:
    page.evaluate("""async () => {
        const loaded = [...globalThis[Symbol.for("prunelab.loaded")]].filter(([key]) => key.startsWith("plotly "));
        for (const [, library] of loaded) (await library).version = "99.0.0";
    }""")
    press(page, "set")
    answer(page)
    expect(plot).to_have_attribute("data-revision", "0.50 fc2.weight=1.00")
    turn(page, 4)
    answer(page)
    expect(plot).to_have_attribute("data-revision", "0.70 fc2.weight=1.00")
    expect(plot).to_have_attribute("data-drawn", "whole")
    expect(plot).not_to_have_attribute("data-threshold", re.compile(""))
    expect(plot.locator(".prunelab-plot-line")).to_have_count(0)
    expect_seen(page, "fc1.weight", 0.7)


def test_what_no_page_of_ours_would_tell_is_refused() -> None:
    plot = Plot()
    heard: list[Drag] = []
    plot.on_drag(heard.append)
    plot.dragged = {"layer": "fc1.weight", "quality": 1, "final": True, "at": 1.0}
    plot.dragged = {"layer": "fc1.weight", "quality": 1, "final": True, "at": 2.0}  # to the same place again
    assert heard == 2 * [Drag("fc1.weight", 1.0, True)]
    for bad in (math.nan, math.inf, -0.1, "1", None, True):
        with pytest.raises(ValueError, match="quality"):
            Drag.of({"layer": "fc1.weight", "quality": bad, "final": True})
    with pytest.raises(ValueError, match="needs layer"):
        Drag.of({"quality": 1.0})


def contrast(one: str, other: str) -> float:
    """Ratio of two opaque "rgb(r, g, b)", by WCAG 2.2."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
