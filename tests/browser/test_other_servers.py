"""The page under servers that are not ours, behind proxies that let no websocket through, and without any kernel."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from prunelab.serve.voila import SHARE
from support.lab_page import DASHBOARD, expect_root, leave, root
from support.servers import Server, expect_no_kernels, kernels

SCRIPT = SHARE / "voila" / "templates" / "prunelab" / "static" / "connection.js"


def test_under_jupyter_server_the_page_is_ours_long_links_are_read_and_closing_ends_the_kernel(
    page: Page, jupyter_server: Callable[[Path], Server], tmp_path: Path
) -> None:
    shutil.copy(DASHBOARD, tmp_path)
    server = jupyter_server(tmp_path)
    address = f"{server.url}voila/render/{DASHBOARD.name}"
    page.goto(f"{address}?model=mlp-small&epochs=2&quality=1.2&token=secret&utm_source={'x' * 90_000}")
    expect(root(page).get_by_role("alert").first).to_contain_text("characters long")
    page.goto(f"{address}?model=mlp-small&epochs=2&quality=1.2&token=secret&redirects=1")
    expect_root(page, state="ready", preview="1.20")
    assert page.locator("link[href*='prunelab.css']").count() == 1
    assert "secret" not in page.url and "redirects=1" in page.url
    assert kernels(server)
    leave(page.context)
    expect_no_kernels(server)


def test_a_refused_websocket_is_told_and_an_open_one_takes_the_words_away(unwatched: Callable[[], Page]) -> None:
    page = unwatched()
    page.clock.install()
    page.route(
        "http://localhost/",
        lambda route: route.fulfill(content_type="text/html", body="<main>Loading widget...</main>"),
    )
    page.route_web_socket("ws://localhost/works", lambda socket: None)
    page.goto("http://localhost/")
    page.add_script_tag(path=SCRIPT)
    page.evaluate("""() => new Promise((closed) => {
        new WebSocket("ws://127.0.0.1:1/").addEventListener("close", closed);
    })""")
    words = page.get_by_role("alert")
    expect(words).to_have_count(0)
    page.clock.run_for(10_001)
    expect(words).to_contain_text("lets no websocket through")
    page.evaluate("""() => new Promise((opened) => {
        new WebSocket("ws://localhost/works").addEventListener("open", opened);
    })""")
    expect(words).to_have_count(0)
