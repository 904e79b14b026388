"""Whether axe-core finds a page usable for everybody."""

from __future__ import annotations

from importlib.resources import files

from playwright.sync_api import Page


def expect_accessible(page: Page) -> None:
    """axe-core finds nothing wrong on the whole page."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert not found, [(each["id"], each["nodes"][0]["html"]) for each in found]
