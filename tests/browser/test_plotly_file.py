"""plotly.js as a file that browsers keep: where it is served, and what happens where it is not, or cannot be used."""

from __future__ import annotations

import gzip
import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Response, WebSocket, expect

from prunelab.resources import plotly_module
from support.lab_page import DASHBOARD, expect_drawn, expect_root
from support.servers import Server

ONE_PLOT = """
from prunelab.lab.widgets.plot import Plot
Plot(figure={"data": [{"y": [1, 3, 2]}], "layout": {"meta": {"revision": 1}}}, name="line")
"""
NAME = f"plotly-{hashlib.sha256(plotly_module()).hexdigest()[:16]}.min.js"


def listen(page: Page) -> tuple[list[Response], list[int]]:
    """Answers with plotly.js, and the sizes of what comes through websockets, from now on."""
    answers: list[Response] = []
    frames: list[int] = []

    def opened(socket: WebSocket) -> None:
        socket.on("framereceived", lambda payload: frames.append(len(payload)))

    page.on("response", lambda answer: answers.append(answer) if "plotly" in answer.url else None)
    page.on("websocket", opened)
    return answers, frames


def expect_plot(page: Page) -> None:
    expect(page.locator(".prunelab-plot[data-plot=line]")).to_have_attribute("data-revision", "1", timeout=60_000)
    assert page.locator(".prunelab-plot .main-svg").count() > 0


def test_the_lab_comes_in_few_bytes_through_the_websocket(page: Page, voila_server: Callable[..., Server]) -> None:
    answers, frames = listen(page)
    page.goto(voila_server(DASHBOARD).url)
    expect_root(page, state="ready", phase="trained")
    expect_drawn(page, 1.5)
    assert max(frames) <= 600_000  # the state of all widgets; what a run sends while nobody waits is small
    assert [answer.url.rsplit("/", 1)[1] for answer in answers] == [NAME]


def test_a_second_visit_takes_it_from_the_browsers_cache(
    page: Page, notebook: Callable[..., Path], address: Callable[[Path], str]
) -> None:
    path = notebook(ONE_PLOT)
    answers, frames = listen(page)
    page.goto(address(path))
    expect_plot(page)
    page.goto(address(path))
    expect_plot(page)
    first, second = answers
    assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert first.headers["content-encoding"] == "gzip"
    page.wait_for_load_state()
    sizes = page.evaluate(
        """() => performance.getEntriesByType("resource").filter((e) => e.name.includes("plotly-"))
            .map((e) => e.transferSize)"""
    )
    assert sizes == [0] and second.url == first.url, "fetched again although it is kept"
    assert max(frames) < 400_000


def test_it_is_found_below_another_base_url(
    page: Page, notebook: Callable[..., Path], voila_server: Callable[..., Server]
) -> None:
    server = voila_server(notebook(ONE_PLOT), preheat=False, base_url="/deep/below/")
    answers, _ = listen(page)
    page.goto(server.url)
    expect_plot(page)
    assert [answer.url for answer in answers] == [f"{server.url}prunelab/static/{NAME}"]


@pytest.mark.parametrize("answer", [{"status": 404}, {"body": "throw new Error('not plotly')"}])
def test_where_the_file_cannot_be_used_the_kernel_sends_plotly(
    browser: Browser, notebook: Callable[..., Path], address: Callable[[Path], str], answer: dict[str, Any]
) -> None:
    context = browser.new_context()  # not one that is watched: what the server does here is an error in the console
    page = context.new_page()
    answers, frames = listen(page)
    page.route("**/prunelab/static/*", lambda route: route.fulfill(content_type="text/javascript", **answer))
    page.goto(address(notebook(ONE_PLOT)))
    expect_plot(page)
    assert answers and max(frames) > 400_000
    page.unroute_all()
    page.goto("about:blank")
    context.close()


def test_a_page_of_another_version_of_plotly_asks_the_kernel(
    page: Page, notebook: Callable[..., Path], address: Callable[[Path], str]
) -> None:
    _, frames = listen(page)
    other = "from prunelab.lab.widgets import plot\nplot.PLOTLY_VERSION = '0.0.0'\n"
    page.goto(address(notebook(other + ONE_PLOT)))
    expect_plot(page)
    assert max(frames) > 400_000


def test_the_server_answers_for_this_file_only(shared_voila: Server) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = f"{shared_voila.url}prunelab/static/{NAME}"
    with opener.open(urllib.request.Request(url, headers={"Accept-Encoding": "gzip"}), timeout=60) as answer:
        assert gzip.decompress(answer.read()) == plotly_module()
    with opener.open(url, timeout=60) as answer:
        assert answer.read() == plotly_module()
    for wrong in (f"prunelab/static/{NAME}x", "prunelab/static/plotly-0.min.js", "prunelab/static/../index.html.j2"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            opener.open(shared_voila.url + wrong, timeout=60)
