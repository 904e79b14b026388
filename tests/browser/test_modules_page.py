"""The list of modules in a real page: folded, opened by keyboard, readable in every width; gone where all is pruned."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import pytest
from playwright.sync_api import Page, expect

from support.lab_page import root


def test_modules_that_are_not_pruned_are_listed_with_the_reason(page: Page, dashboard: Callable[..., str]) -> None:
    dashboard("?model=mlp-small&epochs=2&batch_norm=true", phase="trained")
    modules = root(page).locator(".pl-modules")
    header = modules.get_by_role("button", name="2 of 5 modules are not pruned, and why")
    expect(header).to_have_attribute("aria-expanded", "false")
    # By hand: two values for each of the 64 + 32 normalised neurons.
    expect(root(page).locator("[data-card=compression] .pl-more")).to_contain_text("192 not counted")
    header.focus()
    page.keyboard.press("Enter")
    table = modules.get_by_role("table")
    expect(table.get_by_role("row")).to_have_count(6)
    row = table.get_by_role("row").filter(has_text="BatchNorm1d").first
    expect(row).to_contain_text("only weights of Linear and Conv layers are pruned")
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        expect(table).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    found = page.evaluate("axe.run('.pl-modules', {resultTypes: ['violations']})")
    assert [each["id"] for each in found["violations"] if each["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("query", ["?model=mlp-small&epochs=2", "?model=mlp-small&epochs=2&batch_norm=true&stage=true"])
def test_there_is_no_list_where_all_is_pruned_and_none_on_the_stage(
    page: Page, dashboard: Callable[..., str], query: str
) -> None:
    dashboard(query, phase="trained")
    expect(root(page).locator(".pl-modules")).to_be_hidden()
