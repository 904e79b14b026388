"""No reload, way back, crash or restart costs a run: what was saved is taken up by the next kernel."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable

import psutil
import pytest
from playwright.sync_api import Page, Route, expect

from support.lab_page import DASHBOARD, button, expect_root, number, reached, root, session_of, turn
from support.servers import Server, expect_preheated, kernels, restart, stop, when

SMALL = "?model=mlp-small&epochs=3&retrain_epochs=2&rounds=2"
ENDLESS = "?model=mlp-small&epochs=10000"


def pruned_with_settings(page: Page) -> dict[str, float]:
    """A run to lose: cut, retrained, one kept for comparison, a slider that was moved."""
    button(page, "Run all").click()
    expect_root(page, state="ready", phase="retrained", round="2")
    button(page, "Reset").click()
    expect_root(page, phase="trained", state="ready")
    turn(page, 4)
    expect_root(page, preview="1.70")
    button(page, "Prune").click()
    expect_root(page, phase="pruned", round="1", state="ready")
    turn(page, -2)
    expect_root(page, preview="1.60")
    return {name: number(page, name) for name in ("kept", "accuracy", "preview-kept")}


def expect_all_back(page: Page, before: dict[str, float]) -> None:
    expect_root(page, phase="pruned", round="1", state="ready", preview="1.60")
    assert {name: number(page, name) for name in before} == before
    button(page, "Reset").click()
    expect_root(page, phase="trained", state="ready")


def test_a_reload_brings_back_the_run_its_settings_and_its_dense_network(
    page: Page, voila_server: Callable[..., Server]
) -> None:
    server = voila_server(DASHBOARD)
    expect_preheated(server)
    page.goto(server.url + SMALL)
    expect_root(page, state="ready", phase="trained")
    before = pruned_with_settings(page)
    name = session_of(page)
    page.reload()
    expect_root(page, phase="pruned")
    assert session_of(page) == name
    expect_all_back(page, before)


def test_a_reload_in_the_middle_of_a_run_goes_on_with_it_and_ends_the_old_kernel(
    page: Page, dashboard: Callable[..., str], shared_voila: Server
) -> None:
    dashboard(ENDLESS, state="training")
    reached(page, "clock", 300)
    at, old = number(page, "clock"), kernels(shared_voila)
    page.reload()
    expect_root(page, state="training")
    assert number(page, "clock") >= at, "it goes on where it was"
    reached(page, "clock", at + 100)
    gone, _ = psutil.wait_procs(old, timeout=30)
    assert gone, f"the run whose page is gone goes on: {old}"


def test_the_way_back_brings_back_the_run(page: Page, dashboard: Callable[..., str]) -> None:
    dashboard(SMALL, phase="trained")
    button(page, "Prune").click()
    expect_root(page, phase="pruned")
    kept = number(page, "kept")
    page.goto("about:blank")
    page.go_back()
    expect_root(page, phase="pruned", state="ready")
    assert number(page, "kept") == kept


def test_a_killed_kernel_is_told_and_the_page_opens_again_with_its_run(
    unwatched: Callable[[], Page], voila_server: Callable[..., Server]
) -> None:
    server = voila_server(DASHBOARD, preheat=False)
    page = unwatched()
    page.goto(server.url + SMALL)
    expect_root(page, state="ready", phase="trained", link="alive")
    before = pruned_with_settings(page)
    saved = server.log_file.parent / "cache" / "prunelab" / "visits" / session_of(page) / "page.json"
    assert when(server, lambda: json.loads(saved.read_text())["recipe"]["quality"] == 1.6)
    (kernel,) = kernels(server)
    root(page).locator(".pl-connections").scroll_into_view_if_needed()
    os.kill(kernel.pid, signal.SIGKILL)
    expect_root(page, link="lost", link_cause="ended")
    torn = """[...document.querySelectorAll(".prunelab *")].filter((e) =>
        getComputedStyle(e, "::before").backgroundImage !== "none" && e.matches(".jupyter-widgets-disconnected")
        && getComputedStyle(e, "::before").display !== "none").length"""
    assert page.evaluate(torn) == 0, "marks of the widgets' library would tear the layout apart"
    expect(root(page).get_by_role("alert").filter(has_text="The kernel has ended")).to_be_in_viewport()
    expect_root(page, link="alive")
    expect_all_back(page, before)


# What a browser says to a page that would remember something.
FORBIDDEN = "Object.defineProperty(window, 'sessionStorage', {get() { throw new DOMException('', 'SecurityError'); }})"
FULL = "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }"


@pytest.mark.parametrize("script", [FORBIDDEN, FULL], ids=["forbidden", "full"])
def test_where_a_page_can_remember_nothing_a_press_opens_it_again(
    script: str, unwatched: Callable[[], Page], voila_server: Callable[..., Server]
) -> None:
    """It could not know how often it has opened itself: one whose kernels all die would do so for ever."""
    server = voila_server(DASHBOARD, preheat=False)
    page = unwatched()
    page.add_init_script(script)
    page.goto(server.url + SMALL)
    expect_root(page, state="ready", phase="trained", link="alive")
    button(page, "Prune").click()
    expect_root(page, phase="pruned")
    kept = number(page, "kept")
    (kernel,) = kernels(server)
    os.kill(kernel.pid, signal.SIGKILL)
    expect_root(page, link="lost", link_cause="ended")
    root(page).get_by_role("button", name="Open again").click()
    expect_root(page, link="alive", phase="pruned")
    assert number(page, "kept") == kept


def test_a_server_that_was_started_anew_is_told_and_has_the_run(
    unwatched: Callable[[], Page], voila_server: Callable[..., Server]
) -> None:
    server = voila_server(DASHBOARD, preheat=False)
    page = unwatched()
    page.goto(server.url + ENDLESS)
    expect_root(page, state="training", link="alive")
    reached(page, "clock", 300)
    at = number(page, "clock")
    stop(server)
    expect_root(page, link="lost", link_cause="unreachable")
    anew = restart(server)
    try:
        expect_root(page, state="training", link="alive")
        assert number(page, "clock") >= at
        reached(page, "clock", at + 100)
    finally:
        stop(anew)


def test_a_discarded_tab_finds_its_run_although_the_old_kernel_had_no_farewell(
    unwatched: Callable[[], Page], voila_server: Callable[..., Server]
) -> None:
    server = voila_server(DASHBOARD, preheat=False)
    page = unwatched()
    page.goto(server.url + ENDLESS)
    expect_root(page, state="training", link="alive")
    reached(page, "clock", 300)
    at, address = number(page, "clock"), page.url
    page.context.close()  # as when a phone throws a tab away: no event, no farewell
    page = unwatched()
    page.goto(address)
    expect_root(page, state="training", link="alive")
    assert page.url == address and number(page, "clock") >= at
    expect(root(page).get_by_role("alert").filter(has_text="copy")).to_have_count(0)


def test_a_second_tab_on_the_same_address_is_a_copy_and_says_so(page: Page, dashboard: Callable[..., str]) -> None:
    dashboard(SMALL, phase="trained")
    button(page, "Prune").click()
    expect_root(page, phase="pruned")
    second = page.context.new_page()
    second.goto(page.url)
    expect_root(second, phase="pruned", state="ready")
    expect(root(second).get_by_role("alert").first).to_contain_text("open in another tab")
    assert session_of(second) != session_of(page)
    button(second, "Reset").click()
    expect_root(second, phase="trained")
    expect_root(page, phase="pruned")


@pytest.mark.parametrize("moment", ["before its visitor came", "while its visitor waits for his page"])
def test_a_preheated_kernel_that_died_costs_its_visitor_nothing(
    moment: str, unwatched: Callable[[], Page], voila_server: Callable[..., Server]
) -> None:
    server = voila_server(DASHBOARD)
    expect_preheated(server)
    (waiting,) = kernels(server)
    page = unwatched()
    if moment == "before its visitor came":
        waiting.kill()
        waiting.wait()
        page.goto(server.url + SMALL)
    else:
        waiting.suspend()
        page.goto(server.url + SMALL, wait_until="commit")
        expect(page.get_by_text("prunelab is starting")).to_be_visible()
        waiting.kill()
    expect_root(page, state="ready", phase="trained")
    assert "restarting kernel" not in server.log, "it would answer nobody"


def test_a_page_that_the_server_ended_too_early_is_loaded_again_and_then_says_so(
    unwatched: Callable[[], Page], voila_server: Callable[..., Server]
) -> None:
    """As when a kernel dies before it has said its first word: the head of the page has been sent already."""
    server = voila_server(DASHBOARD, preheat=False)

    def open_cut_off(times: int, script: str = "") -> Page:
        page, cut = unwatched(), []
        page.add_init_script(script)

        def answer(route: Route) -> None:
            if len(cut) == times:
                route.continue_()
                return
            whole = route.fetch()
            cut.append(whole.text().partition('<div id="rendered_cells"')[0])
            route.fulfill(response=whole, body=cut[-1])

        page.route(re.compile(r"/\?model="), answer)
        page.goto(server.url + SMALL)
        return page

    expect_root(open_cut_off(1), state="ready", phase="trained")
    for page in (open_cut_off(2), open_cut_off(1, FORBIDDEN), open_cut_off(1, FULL)):
        expect(page.get_by_role("alert")).to_contain_text("This page could not be made")
        expect(page.get_by_text("is starting")).to_have_count(0)


def test_a_kernel_whose_page_vanished_ends_and_one_that_waits_stays(
    unwatched: Callable[[], Page], voila_server: Callable[..., Server]
) -> None:
    server = voila_server(DASHBOARD, cull=(4, 1))
    expect_preheated(server)
    page = unwatched()
    page.goto(server.url + SMALL)
    expect_root(page, state="ready", phase="trained")
    expect_preheated(server, 2)
    page.wait_for_function("performance.now() > (window.since ??= performance.now()) + 8000")
    expect_root(page, link="alive")  # a page that is looked at keeps its kernel
    page.context.close()
    assert when(server, lambda: len(kernels(server)) == 1)
    page = unwatched()
    page.goto(server.url + SMALL)
    expect_root(page, state="ready", phase="trained")
