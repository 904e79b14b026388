"""A JupyterHub as deploy/jupyterhub configures it: two users, each with a lab of their own that ends with its page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

import psutil
import pytest
from playwright.sync_api import Page

from prunelab.serve import voila
from support.hub import PASSWORD, START_WITHIN, expect_ready, start_hub
from support.lab_page import button, expect_root, root
from support.servers import Server, stop, when

LINK = "/hub/user-redirect/voila/render/dashboard.ipynb?model=mlp-small&epochs=3"


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_hub(tmp_path_factory.mktemp("hub"), JUPYTER_PATH=str(voila.SHARE), PRUNELAB_DENSE_CACHE="off")
    yield server
    stop(server)


def log_in(page: Page, hub: Server, user: str, link: str) -> Page:
    """Follow the link and log in, which makes the hub start a server of the user's own."""
    page.goto(f"{hub.url}hub/login?next={quote(link, safe='')}")
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", PASSWORD)
    page.click("#login_submit")
    return page


def expect_lab(page: Page, hub: Server, user: str, preview: str) -> None:
    """From the hub's page, which waits for the server, the browser goes on to the lab; its kernel starts and trains."""
    expect_ready(hub, user)
    page.wait_for_url(f"{hub.url}user/{user}/voila/render/dashboard.ipynb?**", wait_until="commit")
    page.wait_for_load_state(timeout=START_WITHIN * 1000)  # the page is sent bit by bit while its notebook runs
    expect_root(page, state="ready", phase="trained", preview=preview)


def lab_kernels(hub: Server, user: str) -> list[psutil.Process]:
    """Kernels in this user's folder that have not ended."""
    found = []
    for process in psutil.Process(hub.process.pid).children(recursive=True):
        try:
            is_kernel = "ipykernel_launcher" in " ".join(process.cmdline())
            if is_kernel and process.cwd().endswith(f"/users/{user}"):
                found.append(process)
        except psutil.Error:  # ended while we looked
            continue
    return found


@pytest.mark.timeout(900)
def test_two_users_follow_a_link_work_apart_and_leave_no_kernel(hub: Server, unwatched: Callable[[], Page]) -> None:
    ada = log_in(unwatched(), hub, "ada", f"{LINK}&quality=1.2")
    bob = log_in(unwatched(), hub, "bob", LINK)  # both servers start at once
    expect_lab(ada, hub, "ada", preview="1.20")
    expect_lab(bob, hub, "bob", preview="1.50")
    assert ada.locator("link[href*='prunelab.css']").count()

    button(ada, "Prune").click()
    expect_root(ada, phase="pruned")
    assert root(bob).get_attribute("data-phase") == "trained"
    theirs = bob.request.get(f"{hub.url}user/ada/voila/render/dashboard.ipynb")
    assert theirs.status >= 400 or "/user/ada/" not in theirs.url

    assert lab_kernels(hub, "ada") and lab_kernels(hub, "bob")
    ada.goto("about:blank")
    assert when(hub, lambda: not lab_kernels(hub, "ada"))
    expect_root(bob, state="ready")
    assert lab_kernels(hub, "bob")
    assert PASSWORD not in hub.log
