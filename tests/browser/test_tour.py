"""The tour of a first visit: five steps over the real page, skipped with one key, remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from support.lab_page import DASHBOARD, expect_root, leave, root, turn


@pytest.fixture
def stranger(browser: Browser, address: Callable[[Path], str], notebooks: Path) -> Iterator[Page]:
    """The lab in a browser that was never here."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.goto(address(notebooks / DASHBOARD.name) + "?model=mlp-small&epochs=3")
    expect_root(page, state="ready", phase="trained")
    yield page
    leave(context)
    context.close()


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


def test_a_browser_that_knows_it_is_left_alone(page: Page, dashboard: Callable[..., str]) -> None:
    dashboard("?model=mlp-small&epochs=3", phase="trained")
    expect(root(page).locator(".pl-tour")).to_have_count(0)
