"""The documentation as a visitor sees it, opened from the disk: accessible, whole at any width, and searchable."""

from __future__ import annotations

from importlib.resources import files

import pytest
from playwright.sync_api import Page, expect

from support.docs_site import Site

# One of each kind: text, formulas, code, tables, signatures, options, a notebook, and what Sphinx makes by itself.
PAGES = (
    "index", "explanation/method", "explanation/architecture", "how-to/export", "reference/masks", "reference/recipe",
    "reference/command-line", "how-to/gallery/own_models", "search", "genindex",
)  # fmt: skip


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_leaves_the_page(docs_site: Site, page: Page, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text()
    found = []
    for name in PAGES:
        page.goto((docs_site.pages / f"{name}.html").as_uri())
        page.evaluate(axe)
        # Style sheets are not fetched for it: from the disk that is refused.
        result = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")
        found += [(name, one["id"], node["html"]) for one in result["violations"] for node in one["nodes"]]
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    assert found == []


def test_code_that_scrolls_is_reached_by_keyboard_and_other_code_is_not(docs_site: Site, page: Page) -> None:
    page.goto((docs_site.pages / "how-to/from-torch-prune.html").as_uri())
    long, short = (page.locator(".highlight pre").filter(has_text=text) for text in ("l1_unstructured", "from_zeros"))
    expect(long).to_have_attribute("tabindex", "0")
    expect(short).not_to_have_attribute("tabindex", "0")
    page.set_viewport_size({"width": 240, "height": 900})
    expect(short).to_have_attribute("tabindex", "0")


def test_the_search_finds_pages_and_names_without_a_server(docs_site: Site, page: Page) -> None:
    page.goto((docs_site.pages / "index.html").as_uri())
    page.get_by_role("searchbox").or_(page.get_by_placeholder("Search")).first.fill("adjust_dropout")
    page.keyboard.press("Enter")
    results = page.locator("#search-results a")
    expect(results.filter(has_text="adjust_dropout").first).to_be_visible()
    results.filter(has_text="adjust_dropout").first.click()
    expect(page).to_have_url((docs_site.pages / "reference/masks.html").as_uri() + "#prunelab.adjust_dropout")
