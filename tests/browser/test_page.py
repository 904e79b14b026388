"""The page that Voila serves with prunelab's template: start, failure, themes, links, and nothing from elsewhere."""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from support.servers import Server, expect_preheated, when

Notebook = Callable[..., Path]
Voila = Callable[..., str]
VoilaServer = Callable[..., Server]


def show(expression: str) -> str:
    """A cell that puts a value on the page, in a widget."""
    return f'import ipywidgets\nipywidgets.HTML(f"<p id=shown>{{{expression}}}</p>")'


def test_a_failed_cell_says_why_and_the_rest_of_the_notebook_is_left(
    page: Page, notebook: Notebook, voila: Voila
) -> None:
    path = notebook("1 + 1", "raise ValueError('the <data> ran away')", show("'never'"))
    voila(path)
    failure = page.get_by_role("alert")
    expect(failure).to_contain_text("This page could not be made")
    expect(failure).to_contain_text("ValueError: the <data> ran away")
    expect(page.locator("#loading")).to_have_count(0)
    expect(page.locator("#shown")).to_have_count(0)
    failure.locator("summary").click()
    expect(failure.locator("pre")).to_contain_text("Traceback")


def test_a_preheated_kernel_learns_the_query_string(page: Page, notebook: Notebook, voila_server: VoilaServer) -> None:
    path = notebook("from prunelab.serve import visitor", "query = visitor.query()", show("query"))
    server = voila_server(path)
    expect_preheated(server)
    page.goto(server.url + "?data=digits&quality=1.5")
    expect(page.locator("#shown")).to_have_text("data=digits&quality=1.5")


def test_a_fresh_kernel_learns_the_query_string(page: Page, notebook: Notebook, voila: Voila) -> None:
    path = notebook("from prunelab.serve import visitor", "query = visitor.query()", show("query"))
    voila(path, "?data=mnist")
    expect(page.locator("#shown")).to_have_text("data=mnist")


def test_the_kernel_is_the_interpreter_that_serves(page: Page, notebook: Notebook, voila: Voila) -> None:
    voila(notebook(show("__import__('sys').executable")))
    expect(page.locator("#shown")).to_have_text(sys.executable)


def test_a_page_that_is_left_ends_its_kernel(page: Page, notebook: Notebook, voila_server: VoilaServer) -> None:
    server = voila_server(notebook(show("1")), preheat=False)
    for visits in (1, 2, 3):
        page.goto(server.url)
        expect(page.locator("#shown")).to_be_visible()
        assert _count_when(server, "Kernel started", visits) == visits
        assert _count_when(server, "Kernel shutdown", visits - 1) == visits - 1
    page.goto("about:blank")
    assert _count_when(server, "Kernel shutdown", 3) == 3
    assert not re.search(r"\b403\b", server.log)  # a port may have these figures, too


def test_a_page_that_is_left_before_its_widgets_have_come_ends_its_kernel(
    page: Page, notebook: Notebook, voila_server: VoilaServer
) -> None:
    server = voila_server(notebook(show("1")), preheat=False)
    page.route("**/voila.js", lambda route: None)  # Voila's scripts are on their way, for ever
    page.goto(server.url, wait_until="commit")
    expect(page.locator("#jupyter-config-data")).to_have_count(1)
    page.goto("about:blank")
    assert _count_when(server, "Kernel shutdown", 1) == 1


def test_light_and_dark_follow_the_browser_unless_the_address_says_otherwise(
    page: Page, notebook: Notebook, voila_server: VoilaServer
) -> None:
    server = voila_server(notebook(show("1")))
    for scheme, query, dark in (
        ("light", "", False),
        ("dark", "", True),
        ("dark", "?theme=light", False),
        ("light", "?theme=dark", True),
    ):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(server.url + query)
        expect(page.locator("#shown")).to_be_visible()
        expect(page.locator("body")).to_have_attribute("data-jp-theme-light", str(not dark).lower())
        red = int(page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]"))
        assert (red < 64) is dark, (scheme, query)


def test_formulas_are_set_without_the_network(page: Page, notebook: Notebook, voila: Voila) -> None:
    voila(notebook("import ipywidgets\nipywidgets.HTMLMath('$x^2$')"))
    expect(page.locator("mjx-container")).to_be_visible()


def test_no_page_points_elsewhere(notebook: Notebook, voila_server: VoilaServer) -> None:
    # A folder, so that Voila also has its list of notebooks and its own page for errors. Read, not opened: in a browser
    # Voila 0.5's list starts its widget manager without a kernel and complains, sooner or later than a test is done.
    path = notebook("1")
    server = voila_server(path.parent, preheat=False)
    for address in ("", f"voila/render/{path.name}", "voila/render/missing.ipynb"):
        html = _get(server.url + address)
        links = re.findall(r"""(?:src|href|url)\s*[=(:]\s*["']?((?:https?:)?//[^"'\s)]+)""", html)
        assert not links, address
        assert "cdn" not in html.lower(), address
        assert 'name="viewport"' in html, address
    assert "404" in html


def _count_when(server: Server, words: str, least: int) -> int:
    """How often the server's log says something, once it has said it often enough; its farewells come in their time."""
    when(server, lambda: server.log.count(words) >= least)
    return server.log.count(words)


def _get(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=60) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:  # its page is a page too
        return error.read().decode()
