"""All three small widgets in JupyterLab, after a reload and in a second tab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from support.jupyterlab import run_all, save
from support.small_widgets import DOWNLOAD, DRAW, SCRUBBER, SHOWN, at, expect_there, press, root


def test_jupyterlab_shows_all_three_again_and_only_the_tab_that_asks_gets_a_file(
    page: Page, context: BrowserContext, notebook: Callable[..., Path], jupyterlab: Callable[[Page, Path], None]
) -> None:
    path = notebook(SHOWN, SCRUBBER, DRAW, DOWNLOAD)
    jupyterlab(page, path)
    run_all(page)
    expect_there(page, "scrubber", "draw", "download")
    at(page, "live", "live")
    page.get_by_role("slider").press("Home")
    at(page, "0", "scrubbed")
    # The notebook would take these keys for itself: select the next cell, or scroll.
    sheet = page.get_by_role("application")
    for key in ("ArrowUp", "Space", "ArrowDown", "Space"):
        sheet.press(key)
    expect(root(page, "draw")).to_have_attribute("data-state", "drawn")
    expect(root(page, "draw")).to_have_attribute("data-cursor", "4,4")
    expect(sheet).to_be_focused()
    inked = root(page, "draw").get_attribute("data-inked") or ""
    save(page)

    page.reload()
    expect_there(page, "scrubber", "draw")
    at(page, "0", "scrubbed")
    expect(root(page, "draw")).to_have_attribute("data-inked", inked)

    second = context.new_page()
    jupyterlab(second, path)
    expect_there(second, "scrubber", "draw", "download")
    at(second, "0", "scrubbed")
    expect(root(second, "draw")).to_have_attribute("data-inked", inked)
    second.get_by_role("slider").press("PageDown")
    at(page, "9", "scrubbed")
    with second.expect_download():
        press(second, "Data")
    expect(root(second, "download")).to_have_attribute("data-state", "done")
    expect(root(page, "download")).to_have_attribute("data-state", "idle")
