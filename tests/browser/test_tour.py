"""The tour of a first visit: five steps over the real page, skipped with one key, remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from support.lab_page import DASHBOARD, expect_root, leave, root, turn


@pytest.fixture
def first_visit(browser: Browser, address: Callable[[Path], str], notebooks: Path) -> Iterator[Callable[..., Page]]:
    """The lab in a browser that was never here; a script may run first."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})

    def visit(script: str = "", width: int = 1280, height: int = 720, query: str = "") -> Page:
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.add_init_script(script)
        page.goto(address(notebooks / DASHBOARD.name) + f"?v=2&model=mlp-small&epochs=3{query}")
        expect_root(page, state="ready", phase="trained")
        return page

    yield visit
    leave(context)
    context.close()


@pytest.fixture
def stranger(first_visit: Callable[[], Page]) -> Page:
    return first_visit()


# Sliders appear two seconds after the rest of the page.
LATE_SLIDERS = """
class Late extends Map {
    set(key, loading) {
        const late = new Promise((resolve) => setTimeout(resolve, 2000)).then(() => loading);
        return super.set(key, key.includes("prunelab-number-handle") ? late : loading);
    }
}
globalThis[Symbol.for("prunelab.loaded")] = new Late();
"""


def test_it_waits_for_the_slider_that_it_begins_with(first_visit: Callable[[str], Page]) -> None:
    page = first_visit(LATE_SLIDERS)
    expect(page.get_by_role("region", name="a short tour of this page")).to_contain_text("1 of 5")
    expect(root(page).locator(".pl-prune .prunelab-number.pl-toured")).to_be_visible()


@pytest.mark.parametrize("query", ["", "&rule=density", "&hide=weights", "&rule=density&hide=weights,prune"])
def test_it_speaks_of_what_is_there_and_of_nothing_else(first_visit: Callable[..., Page], query: str) -> None:
    page = first_visit(query=query)
    tour = page.get_by_role("region", name="a short tour of this page")
    steps = 5 - ("weights" in query) - ("prune" in query)
    said = []
    for number in range(1, steps + 1):
        expect(tour).to_contain_text(f"{number} of {steps}")
        expect(root(page).locator(".pl-toured")).to_be_visible()
        said.append(tour.locator(".pl-tour-words").inner_text())
        tour.get_by_role("button", name="Done" if number == steps else "Next").click()
    expect(tour).to_have_count(0)
    assert ("quality" in " ".join(said)) is False, "it may be the density that is there to be dragged"
    assert any("Orange" in words for words in said) is ("weights" not in query)
    assert any("Prune cuts" in words for words in said) is ("prune" not in query)


def test_it_leads_over_the_page_which_can_be_used_meanwhile_and_is_remembered(stranger: Page) -> None:
    tour = stranger.get_by_role("region", name="a short tour of this page")
    expect(tour).to_contain_text("1 of 5")
    expect(root(stranger).locator(".pl-prune .prunelab-number.pl-toured")).to_be_visible()
    turn(stranger, 2)
    expect_root(stranger, preview="1.60")
    for number in (2, 3, 4, 5):
        tour.get_by_role("button", name="Next").click()
        expect(tour).to_contain_text(f"{number} of 5")
        expect(root(stranger).locator(".pl-toured")).to_have_count(1)
    tour.get_by_role("button", name="Done").click()
    expect(tour).to_have_count(0)
    expect(root(stranger).locator(".pl-toured")).to_have_count(0)
    assert stranger.evaluate("localStorage.getItem('prunelab.tour')") == "seen"
    stranger.get_by_role("button", name="Tour").click()
    expect(tour).to_contain_text("1 of 5")
    stranger.keyboard.press("Escape")
    expect(tour).to_have_count(0)


COVERED = """() => {
    const card = document.querySelector(".pl-tour").getBoundingClientRect();
    const part = document.querySelector(".pl-toured").getBoundingClientRect();
    const x = part.left + part.width / 2;
    const top = document.elementFromPoint(x, Math.max(part.top, 0) + Math.min(part.height, innerHeight) / 8);
    return [card.top >= 0 && card.bottom <= innerHeight, Boolean(top?.closest(".pl-toured"))];
}"""


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844)])
def test_it_stays_in_view_and_so_does_what_it_speaks_of(
    first_visit: Callable[..., Page], width: int, height: int
) -> None:
    page = first_visit(width=width, height=height)
    tour = page.get_by_role("region", name="a short tour of this page")
    for number in (1, 2, 3, 4, 5):
        expect(tour).to_contain_text(f"{number} of 5")
        page.wait_for_function(f"() => ({COVERED})().every(Boolean)")
        if number < 5:
            tour.get_by_role("button", name="Next").click()
    root(page).locator(".pl-speed").evaluate("e => e.scrollIntoView()")
    assert page.evaluate(COVERED)[0]


def test_what_it_speaks_of_stays_in_view_while_the_page_grows(first_visit: Callable[..., Page]) -> None:
    """Pictures and notices that come in later push down what lies below them."""
    page = first_visit(width=390, height=844)
    expect(page.get_by_role("region", name="a short tour of this page")).to_contain_text("1 of 5")
    root(page).locator(".pl-prune").evaluate(
        "e => e.insertAdjacentHTML('beforebegin', '<div style=\"flex: none; height: 700px\"></div>')"
    )
    page.wait_for_function(f"() => ({COVERED})().every(Boolean)")


def test_a_browser_that_knows_it_is_left_alone(page: Page, dashboard: Callable[..., str]) -> None:
    dashboard("?model=mlp-small&epochs=3", phase="trained")
    expect(root(page).locator(".pl-tour")).to_have_count(0)


def test_it_counts_anew_when_the_page_hides_a_part_after_it_began(first_visit: Callable[..., Page]) -> None:
    page = first_visit(query="")
    tour = page.get_by_role("region", name="a short tour of this page")
    expect(tour).to_contain_text("1 of 5")
    page.evaluate("document.querySelector('.prunelab .pl-weights').classList.add('prunelab-hidden')")
    expect(tour).to_contain_text("1 of 4")
