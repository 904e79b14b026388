"""How the page looks, as far as numbers tell: sizes of type and targets, nothing cut off, high contrast."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from support.lab_page import DASHBOARD, expect_drawn, expect_root, leave, root, slider, turn

Lab = Callable[..., str]
EVERYTHING = "?model=mlp-small&epochs=3&show=graph,compare,digits,draw,sensitivity"

# Text that is cut off: in buttons, labels and what else hides what is too long, and in pictures.
CUT_OFF = """() => {
    const shown = (e) => e.checkVisibility({visibilityProperty: true});
    const unseen = ".pl-unseen, .prunelab-plot-words, .prunelab-draw-spoken, .prunelab-plot-canvas";
    const page = [...document.querySelectorAll(".prunelab *")].filter((e) =>
        e instanceof HTMLElement && shown(e) && !e.closest(unseen)
        && (e.tagName === "BUTTON" || [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()))
        && getComputedStyle(e).overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1);
    const pictures = [...document.querySelectorAll(".prunelab-plot-canvas svg text")].filter((e) => {
        const [text, box] = [e, e.closest(".prunelab-plot-canvas")].map((x) => x.getBoundingClientRect());
        return text.width && box.width && (text.left < box.left - 1 || text.right > box.right + 1);
    });
    return [...page, ...pictures].map((e) => `${e.className.baseVal ?? e.className}: ${e.textContent.trim()}`);
}"""

# What is pressed: its name and the height and width in which it can be hit.
TARGETS = """() => {
    const all = ".prunelab :is(button, select, input, [role=button], [role=slider])";
    return [...document.querySelectorAll(all)].filter((e) => e.checkVisibility({visibilityProperty: true})).map((e) => {
        const hit = e.querySelector(".noUi-touch-area") ?? (e.type === "checkbox" ? e.closest("label") : e);
        const {width, height} = hit.getBoundingClientRect();
        return [e.getAttribute("aria-label") || e.textContent.trim() || e.tagName, width, height];
    });
}"""


@pytest.fixture
def everything(dashboard: Callable[..., str]) -> Callable[..., str]:
    """``everything(more)``: the lab with all its panels, and a network that has learned."""
    return lambda more="": dashboard(EVERYTHING + more, phase="trained")


def resize(page: Page, width: int, height: int = 6000) -> None:
    """A window so high that all pictures are in view, and drawn."""
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("width => innerWidth === width", arg=width)
    expect_drawn(page)
    page.wait_for_function(
        """() => [...document.querySelectorAll(".prunelab-plot")].filter((p) => p.offsetParent).every((p) => {
            const drawn = p.querySelector(".main-svg"), place = p.querySelector(".prunelab-plot-canvas");
            return drawn && Math.abs(drawn.clientWidth - place.clientWidth) <= 1; })"""
    )


def unfold(page: Page) -> None:
    for header in root(page).locator(".jupyter-widget-Collapse-header").all():
        header.click()


@pytest.mark.parametrize(
    ("query", "widths"), [("", (360, 390, 768, 1280, 1440)), ("&big=true", (390, 1024, 1280, 2560))]
)
def test_no_text_is_cut_off(page: Page, everything: Lab, query: str, widths: tuple[int, ...]) -> None:
    everything(query)
    unfold(page)
    for width in widths:
        resize(page, width)
        assert page.evaluate(CUT_OFF) == [], f"{width} px wide"


def test_large_type_enlarges_all_type(page: Page, everything: Lab) -> None:
    everything()
    resize(page, 1280)
    parts = (
        *(".pl-name", ".pl-value", ".pl-label", ".pl-hint", ".pl-heading", ".widget-label", "select"),
        *(".pl-train .jupyter-widget-Collapse-header", ".prunelab-plot-title", ".prunelab-plot-says"),
        *(".prunelab-scrubber-name", ".prunelab-scrubber-label", ".prunelab-draw-hint", ".prunelab-draw-count"),
        *(".jupyter-button", ".annotation-text", ".xtick text"),
    )
    size = "e => parseFloat(getComputedStyle(e).fontSize)"
    before = {part: root(page).locator(part).first.evaluate(size) for part in parts}
    root(page).locator(".pl-page .jupyter-widget-Collapse-header").click()
    root(page).get_by_label("large type").check()
    page.wait_for_function("document.querySelector('.prunelab').classList.contains('pl-big')")
    page.wait_for_function(
        f"before => ({size})(document.querySelector('.prunelab .annotation-text')) > before",
        arg=before[".annotation-text"],
    )
    for part in parts:
        after = root(page).locator(part).first.evaluate(size)
        assert after >= 1.2 * before[part], f"{part}: {before[part]} px, large {after} px"
        assert after >= 14, f"{part}: {after} px are not to be read on a projector"


@pytest.mark.parametrize("coarse", [False, True])
def test_a_finger_finds_room_on_what_it_presses(
    browser: Browser, address: Callable[[Path], str], notebooks: Path, coarse: bool
) -> None:
    """On a phone's width, and on a wide screen that is touched."""
    size = {"width": 1280, "height": 900} if coarse else {"width": 390, "height": 844}
    context = browser.new_context(viewport=size, has_touch=coarse, is_mobile=coarse)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(address(notebooks / DASHBOARD.name) + EVERYTHING)
    expect_root(page, state="ready", phase="trained")
    unfold(page)
    expect(slider(page, "fc1")).to_be_visible()
    targets = page.evaluate(TARGETS)
    assert len(targets) > 30
    small = [(name, width, height) for name, width, height in targets if min(width, height) < 43.5]
    leave(context)
    context.close()
    assert not small


def test_a_mouse_finds_room_on_a_handle(page: Page, everything: Lab) -> None:
    everything()
    box = slider(page).bounding_box()
    assert box
    page.mouse.move(box["x"] - 3, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 30, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    page.wait_for_function("+document.querySelector('.prunelab').dataset.preview > 1.5")


def test_high_contrast_shows_tracks_and_hides_what_is_below_the_scrubber(page: Page, everything: Lab) -> None:
    page.emulate_media(forced_colors="active")
    page.set_viewport_size({"width": 1280, "height": 720})
    everything()
    tracks = root(page).locator(".noUi-target")
    for track in tracks.all():
        assert track.evaluate("e => parseFloat(getComputedStyle(e).borderTopWidth)") >= 1
    foot = root(page).locator(".pl-foot").bounding_box()
    assert foot and foot["y"] + foot["height"] == pytest.approx(720, abs=1), "the page shows through below it"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_labels_in_pictures_have_a_rim_of_the_grounds_colour(page: Page, everything: Lab, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    everything()
    expect_drawn(page, 1.5)
    label = root(page).locator(".pl-weights .annotation-text").first
    ground = root(page).locator(".pl-weights").evaluate("e => getComputedStyle(e).backgroundColor")
    assert label.evaluate(
        "e => { const s = getComputedStyle(e); return [s.paintOrder.split(' ')[0], s.strokeWidth, s.stroke]; }"
    ) == ["stroke", "3px", ground]
    assert label.evaluate("e => getComputedStyle(e).fill") != ground


def test_a_place_too_narrow_for_a_picture_is_left_until_it_is_wider(page: Page, everything: Lab) -> None:
    """plotly.js would report errors, which fail the test at its end."""
    everything()
    expect_drawn(page, 1.5)
    plot = root(page).locator(".pl-weights .prunelab-plot")
    plot.evaluate("e => { e.style.width = '12px'; }")
    turn(page, 2)
    expect_root(page, preview="1.60")
    expect(plot).to_have_attribute("data-revision", re.compile('"quality":1.5}$'))
    plot.evaluate("e => { e.style.width = ''; }")
    expect(plot).to_have_attribute("data-revision", re.compile('"quality":1.6}$'))


ALONE = """
import ipywidgets as w, prunelab as pl
lab = pl.Lab(pl.Recipe(model="mlp-small", epochs=3))
w.HBox([lab.controls["quality"], lab.panels["weights"]])
"""


def test_a_slider_beside_a_picture_has_a_name_and_can_be_dragged(
    page: Page, notebook: Callable[..., Path], voila: Callable[..., str]
) -> None:
    voila(notebook(ALONE))
    handle = page.get_by_role("slider", name="quality", exact=True)
    track = page.locator(".noUi-target").bounding_box()
    assert track and track["width"] >= 100
    plot = page.locator(".prunelab-plot")
    expect(plot).to_have_attribute("data-state", "ready")
    page.wait_for_function("JSON.parse(document.querySelector('.prunelab-plot').dataset.revision).quality === 1.5")
    box, picture = handle.bounding_box(), plot.bounding_box()
    assert box and picture and picture["width"] > 600
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + track["width"] / 6, box["y"] + 5, steps=4)
    page.mouse.up()
    page.wait_for_function("JSON.parse(document.querySelector('.prunelab-plot').dataset.revision).quality > 1.8")
