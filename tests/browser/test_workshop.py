"""A class in a workshop: places, the door, the host's page, and the way back for who was sent away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from prunelab.lab.worker.limits import Limits
from support.accessible import expect_accessible
from support.lab_page import button, expect_root, root
from support.servers import Server, kernels, stop, when
from support.workshop import HOST_TOKEN, TOKEN, Visitor, start_workshop


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_workshop(tmp_path_factory.mktemp("home"), limited=Limits(rounds=5))
    yield server
    stop(server)


def test_a_class_comes_in_one_waits_and_the_host_has_them_in_view(
    workshop: Server, unwatched: Callable[[], Page]
) -> None:
    invited, opened = f"{workshop.url}?token={TOKEN}", {"state": "ready", "phase": "trained"}
    ada, bob, eve, host = (unwatched() for _ in range(4))
    ada.goto(invited)
    expect_root(ada, **opened)
    assert TOKEN not in ada.url
    bob.goto(f"{invited}&guess=true")
    expect_root(bob, **opened)
    eve.goto(f"{invited}&quality=1.2")
    expect(eve.locator(".prunelab-door")).to_have_attribute("data-number", "1")
    expect_accessible(eve)

    host.goto(f"{workshop.url}host?token={HOST_TOKEN}")
    expect(host.locator("main")).to_have_attribute("data-labs", "2")
    expect(host.get_by_role("status")).to_contain_text("2 of 2 places are taken · 1 waits")
    assert HOST_TOKEN not in host.url
    expect_accessible(host)

    # What they do is seen, and what they guess.
    button(ada, "Prune").click()
    expect_root(ada, phase="pruned")
    first = host.locator("#rows tr").first
    expect(first).to_contain_text("mlp-small")
    expect(first.locator("td").nth(2)).to_have_text("1")
    button(bob, "Prune").click()
    expect(button(bob, "Reveal")).to_be_visible()
    button(bob, "Reveal").click()
    expect(host.locator("figcaption")).to_contain_text("1 guess, on average 90.0 %")

    # A word and a link reach everybody; a link that is wrong reaches nobody, and the host is told why.
    host.get_by_label("a word").fill("Compare with your neighbour.")
    host.get_by_role("button", name="Say", exact=True).click()
    for page in (ada, bob):
        expect(root(page).get_by_role("alert").first).to_contain_text("Compare with your neighbour.")
    host.get_by_label("a link").fill("?quality=2.5&rounds=4")
    host.get_by_role("button", name="Open in all labs").click()
    for page in (ada, bob):
        expect(root(page).get_by_role("slider", name="quality", exact=True)).to_have_attribute("aria-valuetext", "2.50")
    host.get_by_label("a link").fill("?quality=25")
    host.get_by_role("button", name="Open in all labs").click()
    expect(host.get_by_role("alert")).to_contain_text("quality = 25")

    # One is ended: told why, and the way back leads to the queue; who waited comes in with the host's link.
    host.get_by_role("button", name="End the lab of visitor 1").click()
    expect(ada.get_by_text("The host has ended this lab. What you did is saved.")).to_be_visible()
    expect_root(eve, preview="2.50", **opened)
    ada.get_by_role("link", name="Go on where I was").click()
    expect(ada.locator(".prunelab-door")).to_have_attribute("data-number", "1")
    bob.goto("about:blank")
    expect_root(ada, phase="pruned", round="1")

    # Nobody is left, and no kernel but the one that waits.
    host.on("dialog", lambda dialog: dialog.accept())
    host.get_by_role("button", name="End all labs").click()
    expect(host.locator("main")).to_have_attribute("data-labs", "0")
    for page in (ada, eve):
        page.goto("about:blank")
    assert when(workshop, lambda: len(kernels(workshop)) <= 1)


def test_a_link_that_asks_for_too_much_is_refused_and_the_lab_works(
    workshop: Server, unwatched: Callable[[], Page]
) -> None:
    page = unwatched()
    page.goto(f"{workshop.url}?token={TOKEN}&rounds=100")
    expect_root(page, state="ready")
    expect(root(page).get_by_role("alert").first).to_contain_text("rounds = 100")
    button(page, "Prune").click()
    expect_root(page, phase="pruned")
    page.goto("about:blank")


@pytest.mark.parametrize("token", [TOKEN, "another"])
def test_the_door_goes_on_by_itself_when_the_server_was_started_anew(
    tmp_path: Path, unwatched: Callable[[], Page], token: str
) -> None:
    """With another token it asks for that."""
    server = start_workshop(tmp_path, places=1, pool=0)
    port = urlsplit(server.url).port or 0
    try:
        inside, waits = Visitor(server), unwatched()
        assert inside.ask(f"place?token={TOKEN}")[0] == 200
        waits.goto(f"{server.url}?token={TOKEN}")
        expect(waits.locator(".prunelab-door")).to_have_attribute("data-number", "1")
    finally:
        stop(server)
    again = start_workshop(tmp_path, places=1, pool=0, port=port, token=token)
    try:
        if token == TOKEN:
            expect_root(waits, state="ready", phase="trained")
        else:
            expect(waits.get_by_text("type the token")).to_be_visible()
    finally:
        stop(again)
