"""The lab's page as its tests see it: its root with ``data-*`` attributes, its controls, and what is drawn."""

from __future__ import annotations

import re
import time

from playwright.sync_api import BrowserContext, Locator, Page, expect

from support.servers import CHECKOUT

DASHBOARD = CHECKOUT / "notebooks" / "dashboard.ipynb"
EVERYTHING = "?model=mlp-small&epochs=3&show=graph,compare,digits,draw,sensitivity,tradeoff,distribution,bands"


def root(page: Page) -> Locator:
    return page.locator(".prunelab").first


def expect_root(page: Page, **attributes: str) -> None:
    for name, value in attributes.items():
        expect(root(page)).to_have_attribute(f"data-{name.replace('_', '-')}", value, timeout=60_000)


# Panels of a moment that are laid out within the window: the others are not drawn until somebody scrolls there.
IN_VIEW = """[...document.querySelectorAll(".prunelab .pl-panel:not(.pl-timeless) .prunelab-plot")].filter((p) => {
    const box = p.getBoundingClientRect();
    return box.width > 0 && box.bottom > 0 && box.top < innerHeight;
})"""


def expect_drawn(page: Page, quality: float | None = None) -> None:
    """All panels in view are drawn, and show a cut with this quality if one is given."""
    page.wait_for_function(
        f"""(quality) => {{
            const plots = {IN_VIEW};
            return plots.length && plots.every((p) => p.dataset.state === "ready"
                && (quality === null || JSON.parse(p.dataset.revision).quality === quality));
        }}""",
        arg=quality,
    )


def expect_all_at_the_slider(page: Page) -> None:
    """The preview and all panels in view show the quality at which the slider's handle stands."""
    page.wait_for_function(
        f"""() => {{
            const handle = document.querySelector(".prunelab [role=slider][aria-label=quality]");
            const quality = (+handle.getAttribute("aria-valuetext")).toFixed(2);
            const plots = {IN_VIEW};
            return document.querySelector(".prunelab").dataset.preview === quality && plots.length
                && plots.every((p) => p.dataset.state === "ready"
                    && JSON.parse(p.dataset.revision).quality === +quality);
        }}"""
    )


def number(page: Page, name: str) -> float:
    return float(root(page).get_attribute(f"data-{name}") or "nan")


def reached(page: Page, name: str, least: float) -> None:
    page.wait_for_function(
        "([name, least]) => +document.querySelector('.prunelab').getAttribute(`data-${name}`) >= least",
        arg=[name, least],
    )


def button(page: Page, name: str) -> Locator:
    return root(page).get_by_role("button", name=name, exact=True)


def slider(page: Page, name: str = "quality") -> Locator:
    return root(page).get_by_role("slider", name=name, exact=True)


def turn(page: Page, steps: int) -> None:
    """Move the quality slider by keyboard, in steps of 0.05."""
    slider(page).focus()
    for _ in range(abs(steps)):
        page.keyboard.press("ArrowRight" if steps > 0 else "ArrowLeft")


FOLDED = ".jupyter-widget-Collapse:not(.jupyter-widget-Collapse-open) > .jupyter-widget-Collapse-header"
UNFOLDED = ".jupyter-widget-Collapse-open > .jupyter-widget-Collapse-header"


def unfold(page: Page) -> None:
    for header in root(page).locator(FOLDED).element_handles():
        if header.is_visible():
            header.click()


def as_at_first(page: Page) -> None:
    """Back to the size, colours, type, folds and quality with which a page of the lab opens; Python knows it too."""
    page.emulate_media(color_scheme="null", forced_colors="null")
    page.set_viewport_size({"width": 1280, "height": 900})
    if root(page).evaluate("e => e.classList.contains('pl-big')"):
        root(page).get_by_label("large type").uncheck()
        page.wait_for_function("!document.querySelector('.prunelab').classList.contains('pl-big')")
    for header in root(page).locator(UNFOLDED).element_handles():
        if header.is_visible():
            header.click()
    page.evaluate("document.activeElement.blur(); document.querySelectorAll('*').forEach((e) => e.scrollTo(0, 0))")
    expect_all_at_the_slider(page)  # a move that is still on its way would be the last
    turn(page, round((1.5 - float(slider(page).get_attribute("aria-valuetext") or "nan")) / 0.05))
    expect_root(page, preview="1.50")
    expect_drawn(page, 1.5)
    # The events that tell of a resized and scrolled window come with the next frames, and belong to no other test.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


FAREWELL_WITHIN = 30  # seconds from leaving a page to the end of its kernel


def leave(context: BrowserContext) -> None:
    """Go elsewhere with all of Voila's pages: they say farewell, which ends their kernels; returns when it has.

    A context that closes says none, and one that closes too soon does not send it. JupyterLab's pages would ask whether
    to leave what is not saved.
    """
    for page in context.pages:
        if "/voila/render/" not in page.url:
            continue
        kernel = page.evaluate(
            """() => {
                const config = JSON.parse(document.getElementById("jupyter-config-data")?.textContent ?? "{}");
                const path = `${config.baseUrl}api/kernels/${config.kernelId}`;
                return config.kernelId ? new URL(path, location).href : null;
            }"""
        )
        page.goto("about:blank")
        deadline = time.monotonic() + FAREWELL_WITHIN
        while kernel and context.request.get(kernel).status != 404 and time.monotonic() < deadline:
            page.wait_for_timeout(50)


def session_of(page: Page) -> str:
    """The id under which a page is saved, as its address says."""
    found = re.search(r"[?&]session=([\w-]+)", page.url)
    assert found, page.url
    return found[1]
