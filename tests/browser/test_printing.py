"""On paper: all panels, drawn for its width, black on white; and on the screen no axes before there is a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.lab_page import expect_drawn, expect_root, root

SHOWN = "[...document.querySelectorAll('.prunelab .pl-panel .prunelab-plot')].filter((p) => p.offsetParent)"
WIDTHS = f"() => {SHOWN}.map((p) => [p.dataset.plot, p.querySelector('.main-svg')?.clientWidth])"
ON_PAPER = {name: 660 for name in ("weights", "accuracy", "size", "speed")} | {
    name: 322 for name in ("connections", "mask", "pixels", "dropout")
}


def expect_all_drawn(page: Page) -> None:
    page.wait_for_function(f"{SHOWN}.every((p) => p.dataset.state === 'ready' && p.dataset.revision)")


def test_panels_that_nobody_scrolls_to_are_drawn_when_the_page_is_at_rest(
    page: Page, dashboard: Callable[..., str]
) -> None:
    page.set_viewport_size({"width": 1280, "height": 400})
    dashboard("?model=mlp-small&epochs=3")
    expect_drawn(page, 1.5)
    below = root(page).locator(".pl-speed .prunelab-plot").bounding_box()
    assert below and below["y"] > 400 + 200, "it is far below the window"
    expect_all_drawn(page)


def test_the_browser_finds_all_panels_drawn_for_paper_as_soon_as_it_prints(
    page: Page, dashboard: Callable[..., str]
) -> None:
    dashboard("?model=mlp-small&epochs=3")
    expect_all_drawn(page)
    screen = dict(page.evaluate(WIDTHS))
    # All within one task, as when the browser prints: it waits for no frame and no message.
    printed = page.evaluate(
        f"""() => {{
            dispatchEvent(new Event("beforeprint"));
            const widths = ({WIDTHS})();
            const inks = {SHOWN}.map((p) => p.querySelector(".xtitle, .annotation-text")?.style.fill);
            dispatchEvent(new Event("afterprint"));
            return [widths, inks];
        }}"""
    )
    assert dict(printed[0]) == ON_PAPER
    assert set(filter(None, printed[1])) <= {"rgb(0, 0, 0)", "rgb(136, 136, 136)"}
    assert dict(page.evaluate(WIDTHS)) == screen


@pytest.mark.parametrize(("scheme", "query"), [("light", ""), ("dark", ""), ("light", "&stage")])
def test_what_is_printed_are_words_and_pictures_black_on_white(
    page: Page, dashboard: Callable[..., str], scheme: str, query: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    dashboard(f"?model=mlp-small&epochs=3{query}")
    expect_root(page, preview="1.50")
    page.emulate_media(media="print")
    expect_all_drawn(page)
    page.wait_for_function(
        f"wanted => {{ const found = Object.fromEntries(({WIDTHS})());"
        " return Object.entries(wanted).every(([name, width]) => found[name] === width); }",
        arg=ON_PAPER,
    )
    pressed = (".pl-side", ".pl-foot", ".pl-deck", ".pl-offers", ".pl-tools", ".prunelab-download", ".prunelab-term")
    for hidden in pressed:
        expect(root(page).locator(hidden).first).to_be_hidden()
    expect(root(page).locator("[data-card=accuracy]")).to_be_visible()
    colours = (
        root(page)
        .locator(".prunelab-plot")
        .first.evaluate("e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]")
    )
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="null")
    page.wait_for_function("document.querySelector('.pl-deck').offsetParent !== null")


BLANK = """
import ipywidgets
from prunelab.lab.widgets.plot import Plot
plot, other = Plot(name="blank"), Plot(name="other", figure={"data": [{"y": [1]}], "layout": {"meta": {"revision": 1}}})
button = ipywidgets.Button(description="draw")
button.on_click(lambda _: setattr(plot, "figure", {"data": [{"y": [1, 2]}], "layout": {"meta": {"revision": 7}}}))
ipywidgets.VBox([button, plot, other])
"""


def test_a_plot_without_a_picture_has_no_axes(
    page: Page, notebook: Callable[..., Path], voila: Callable[..., str]
) -> None:
    voila(notebook(BLANK))
    expect(page.locator("[data-plot=other]")).to_have_attribute("data-state", "ready")
    blank = page.locator("[data-plot=blank]")
    expect(blank).to_have_attribute("data-state", "loading")
    expect(blank.locator("svg")).to_have_count(0)
    page.get_by_role("button", name="draw").click()
    expect(blank).to_have_attribute("data-revision", "7")
    assert blank.locator(".main-svg").count() > 0
