"""The lab behind a school's web server at a sub-path, and in a frame of a learning platform."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from prunelab.serve import voila
from support.lab_page import DASHBOARD, expect_root, leave, turn
from support.reverse_proxy import reverse_proxy
from support.servers import CHECKOUT, Server, expect_no_kernels, kernels, start_voila, stop

SHIPPED = CHECKOUT / "deploy" / "frame" / "voila.py"
PLATFORM = "https://learn.school.example"  # in what is shipped
SMALL = "model=mlp-small&epochs=2"


def test_behind_a_reverse_proxy_at_a_sub_path_the_lab_is_whole(
    page: Page, jupyter_server: Callable[..., Server], tmp_path: Path
) -> None:
    shutil.copy(DASHBOARD, tmp_path)
    server = jupyter_server(tmp_path, base_url="/school/lab/")
    with reverse_proxy(server.url) as proxy:
        page.goto(f"{proxy.url}voila/render/{DASHBOARD.name}?{SMALL}")
        expect_root(page, state="ready", phase="trained", preview="1.50")
        turn(page, 2)
        expect_root(page, preview="1.60")
        assert kernels(server)
        leave(page.context)
        expect_no_kernels(server)
        assert not proxy.elsewhere


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def pages(folder: Path) -> Iterator[str]:
    """Where another server serves a folder. One site with the lab, as learn. and lab.school.example are."""
    with ThreadingHTTPServer((voila.HOST, 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://{voila.HOST}:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def courses(tmp_path: Path) -> Path:
    """What a platform and a stranger show: ``lab.html``, with the lab in a frame."""
    folder = tmp_path / "courses"
    folder.mkdir()
    return folder


@pytest.fixture
def platform(courses: Path) -> Iterator[str]:
    with pages(courses) as address:
        yield address


@pytest.fixture
def stranger(courses: Path) -> Iterator[str]:
    with pages(courses) as address:
        yield address


@pytest.fixture
def server(platform: str, courses: Path, tmp_path: Path) -> Iterator[Server]:
    """The lab, as ``deploy/frame`` lets ``platform`` frame it."""
    config = tmp_path / "jupyter-config" / "voila.py"
    config.parent.mkdir()
    config.write_text(SHIPPED.read_text().replace(PLATFORM, platform))
    started = start_voila(DASHBOARD, tmp_path, preheat=False)
    frame = f'<iframe src="{started.url}?{SMALL}" width="1200" height="800"></iframe>'
    (courses / "lab.html").write_text(f"<!DOCTYPE html><title>Course</title>{frame}")
    yield started
    stop(started)


def test_a_platform_that_may_frames_the_lab_and_the_kernel_ends_with_the_frame(
    server: Server, platform: str, stranger: str, unwatched: Callable[[], Page]
) -> None:
    page = unwatched()
    page.goto(f"{platform}/lab.html")
    lab = page.frame_locator("iframe").locator(".prunelab").first
    expect(lab).to_have_attribute("data-phase", "trained")
    handle = lab.get_by_role("slider", name="quality", exact=True)
    handle.focus()
    page.keyboard.press("ArrowRight")
    expect(lab).to_have_attribute("data-preview", "1.55")
    assert kernels(server)
    page.evaluate("document.querySelector('iframe').remove()")
    expect_no_kernels(server)

    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        page.goto(f"{stranger}/lab.html")
    expect(page.frame_locator("iframe").locator(".prunelab")).to_have_count(0)
