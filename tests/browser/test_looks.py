"""How the page looks, as far as numbers tell: sizes of type and targets, nothing cut off, high contrast."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from playwright.sync_api import Page, expect

from support.lab_page import expect_all_at_the_slider, expect_drawn, expect_root, root, slider, turn, unfold

# What axe-core finds serious in markup that is not ours, with the reason why it stays.
UPSTREAM = {
    "scrollable-region-focusable": "the pane that JupyterLab scrolls takes no focus; keys scroll it all the same",
}

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

# Titles of axes that run into each other.
RUN_INTO = """() => [...document.querySelectorAll(".prunelab .prunelab-plot")].flatMap((plot) => {
    const titles = [...plot.querySelectorAll("[class^='g-'] :is(.xtitle, .ytitle, .y2title, .y3title)")];
    const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
    return titles.flatMap((one, i) => titles.slice(i + 1)
        .filter((other) => !apart(one.getBoundingClientRect(), other.getBoundingClientRect()))
        .map((other) => `${one.textContent} and ${other.textContent}`));
})"""


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


def enlarge(page: Page) -> None:
    root(page).get_by_label("large type").check()
    page.wait_for_function("document.querySelector('.prunelab').classList.contains('pl-big')")


@pytest.mark.parametrize(("large", "widths"), [(False, (360, 390, 768, 1280, 1440)), (True, (390, 1024, 1280, 2560))])
def test_no_text_is_cut_off(everything: Page, large: bool, widths: tuple[int, ...]) -> None:
    page = everything
    unfold(page)
    if large:
        enlarge(page)
    for width in widths:
        resize(page, width)
        assert page.evaluate(CUT_OFF) == [], f"{width} px wide"
        assert page.evaluate(RUN_INTO) == [], f"{width} px wide"


def test_large_type_enlarges_all_type(everything: Page) -> None:
    page = everything
    resize(page, 1280)
    parts = (
        *(".pl-name", ".pl-value", ".pl-label", ".pl-hint", ".pl-heading", ".widget-label", "select"),
        *(".pl-group .jupyter-widget-Collapse-header", ".prunelab-plot-title", ".prunelab-plot-says"),
        *(".prunelab-scrubber-name", ".prunelab-scrubber-label", ".prunelab-draw-hint", ".prunelab-draw-count"),
        *(".jupyter-button", ".annotation-text", ".xtick text"),
    )
    # All in one step of the page: while a plot is drawn anew, what was found in it may be gone in the next.
    sizes = """parts => Object.fromEntries(parts.map((part) =>
        [part, parseFloat(getComputedStyle(document.querySelector(`.prunelab ${part}`)).fontSize)]))"""
    before = page.evaluate(sizes, parts)
    unfold(page)
    enlarge(page)
    page.wait_for_function(
        f"before => Object.entries(({sizes})(Object.keys(before))).every(([part, size]) => size > before[part])",
        arg=before,
    )
    for part, after in page.evaluate(sizes, parts).items():
        assert after >= 1.2 * before[part], f"{part}: {before[part]} px, large {after} px"
        assert after >= 14, f"{part}: {after} px are not to be read on a projector"


def test_a_mouse_finds_room_on_a_handle(everything: Page) -> None:
    page = everything
    box = slider(page).bounding_box()
    assert box
    page.mouse.move(box["x"] - 3, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 30, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    page.wait_for_function("+document.querySelector('.prunelab').dataset.preview > 1.5")


def test_high_contrast_shows_tracks_and_hides_what_is_below_the_scrubber(everything: Page) -> None:
    page = everything
    page.emulate_media(forced_colors="active")
    page.set_viewport_size({"width": 1280, "height": 720})
    tracks = root(page).locator(".prunelab-number-track:visible")
    assert tracks.count() >= 3
    for track in tracks.all():
        assert track.evaluate("e => parseFloat(getComputedStyle(e, '::before').borderTopWidth)") >= 1
    foot = root(page).locator(".pl-foot").bounding_box()
    assert foot and foot["y"] + foot["height"] == pytest.approx(720, abs=1), "the page shows through below it"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_labels_in_pictures_have_a_rim_of_the_grounds_colour(everything: Page, scheme: str) -> None:
    page = everything
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    expect_drawn(page, 1.5)
    # In one step of the page: other colours draw the picture anew.
    page.wait_for_function(
        """() => {
            const panel = document.querySelector(".prunelab .pl-weights");
            const ground = getComputedStyle(panel).backgroundColor;
            const { fill, paintOrder, stroke, strokeWidth } = getComputedStyle(panel.querySelector(".annotation-text"));
            return paintOrder.startsWith("stroke") && strokeWidth === "3px" && stroke === ground && fill !== ground;
        }"""
    )


def test_a_place_too_narrow_for_a_picture_is_left_until_it_is_wider(everything: Page) -> None:
    """plotly.js would report errors, which fail the test at its end."""
    page = everything
    expect_drawn(page, 1.5)
    plot = root(page).locator(".pl-weights .prunelab-plot")
    plot.evaluate("e => { e.style.width = '12px'; }")
    turn(page, 2)
    expect_root(page, preview="1.60")
    expect(plot).to_have_attribute("data-revision", re.compile('"quality":1.5}$'))
    plot.evaluate("e => { e.style.width = ''; }")
    expect(plot).to_have_attribute("data-revision", re.compile('"quality":1.6}$'))


def test_no_width_scrolls_sideways_and_nothing_is_cut_off(everything: Page) -> None:
    page = everything
    expect_drawn(page, 1.5)
    for width in (360, 390, 768, 1280, 1920, 2560):
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_function("width => innerWidth === width", arg=width)
        page.wait_for_function("document.scrollingElement.scrollWidth <= innerWidth")
        page.wait_for_function(
            """() => {
                const within = (e) => {
                    const { left, right } = e.getBoundingClientRect();
                    return left >= 0 && right <= innerWidth + 1;
                };
                const row = (e) => {  // one that a finger moves sideways
                    for (let at = e.parentElement; at; at = at.parentElement)
                        if (getComputedStyle(at).overflowX === "auto" && at.scrollWidth > at.clientWidth) return at;
                    return null;
                };
                return [...document.querySelectorAll(".prunelab button, .prunelab select, .prunelab .prunelab-plot")]
                    .filter((e) => e.offsetParent).every((e) => within(row(e) ?? e));
            }""",
        )


def test_the_slider_follows_the_mouse_while_it_is_dragged(everything: Page) -> None:
    page = everything
    box = slider(page).bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 20, box["y"] + 5, steps=4)
    page.wait_for_function("+document.querySelector('.prunelab').dataset.preview < 1.5")
    page.mouse.move(box["x"] + 60, box["y"] + 5, steps=8)
    page.wait_for_function("+document.querySelector('.prunelab').dataset.preview > 1.5")
    page.mouse.up()
    expect_all_at_the_slider(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_lab(everything: Page, scheme: str) -> None:
    page = everything
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 1280, "height": 2600})
    expect_drawn(page)
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    found = page.evaluate("axe.run('.prunelab', {resultTypes: ['violations']})")
    serious = [
        f"{v['id']}: {v['help']}: " + "; ".join(node["html"][:160] for node in v["nodes"][:4])
        for v in found["violations"]
        if v["impact"] in ("serious", "critical") and v["id"] not in UPSTREAM
    ]
    assert not serious, "\n".join(serious)


def test_every_control_can_be_reached_by_keyboard_and_the_focus_is_seen(everything: Page) -> None:
    page = everything
    root(page).locator("input").first.focus()
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                """() => { const e = document.activeElement, s = getComputedStyle(e);
                const name = e.getAttribute("aria-label") || e.textContent.trim().slice(0, 30) || e.tagName;
                return e.closest(".prunelab") && [name,
                    s.outlineStyle !== "none" || s.boxShadow !== "none" || s.borderStyle !== "none"]; }"""
            )
        )
    reached = [found for found in reached if found]
    names = [name for name, _ in reached]
    for wanted in ("quality", "Prune", "Run all", "Reset"):
        assert wanted in names, names
    unseen = [name for name, seen in reached if not seen]
    assert not unseen, unseen
