"""JupyterLab by its commands, which keep their names where menus and buttons change."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def open_notebook(page: Page, url: str, path: str) -> None:
    """Opens a notebook in JupyterLab and waits until its kernel can take cells."""
    page.goto(f"{url}lab/tree/{path}")
    # "Run all" before the kernel has answered is lost without a word; "idle" is also said without a kernel.
    kernel = page.locator(".jp-Toolbar-kernelName")
    expect(kernel).to_be_visible(timeout=60_000)
    expect(kernel).not_to_have_text("No Kernel", timeout=60_000)
    expect(page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")).to_be_visible(timeout=60_000)


def run_all(page: Page) -> None:
    _command(page, "Run", "runmenu:run-all")


def save(page: Page) -> None:
    _command(page, "File", "docmanager:save")
    expect(page.locator(".lm-DockPanel-tabBar .jp-mod-current.jp-mod-dirty")).to_have_count(0)


def _command(page: Page, menu: str, command: str) -> None:
    page.get_by_role("menuitem", name=menu, exact=True).first.click()
    page.locator(f'.lm-Menu-item[data-command="{command}"]').first.click()
