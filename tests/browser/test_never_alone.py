"""A page whose kernel does not answer: it knows within seconds, says what is missing, and goes on where it was."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from support.jupyterlab import run_all
from support.lab_page import (
    DASHBOARD,
    button,
    expect_drawn,
    expect_root,
    number,
    reached,
    root,
    session_of,
    slider,
    turn,
)
from support.line import Line, line_to
from support.servers import Server, kernels

SMALL = "?model=mlp-small&epochs=3&retrain_epochs=2"
ENDLESS = "?model=mlp-small&epochs=10000"
KNOWS_WITHIN = 5_000  # milliseconds during which the page ran: a busy machine may keep it waiting for longer


@pytest.fixture
def lab(address: Callable[[Path], str], notebooks: Path) -> str:
    """Where the lab is served."""
    return address(notebooks / DASHBOARD.name)


@pytest.fixture
def line(lab: str) -> Iterator[Line]:
    with line_to(lab) as one:
        yield one


@pytest.fixture
def alone(unwatched: Callable[[], Page]) -> Page:
    return unwatched()


def opened(page: Page, url: str, query: str = SMALL, state: str = "ready") -> Page:
    page.goto(url + query)
    expect_root(page, state=state, link="alive")
    # The page notes when it knew, for whoever asks how long that took. Its clock stands still while the machine does
    # not let it run, as the watch's own does.
    page.evaluate("""() => {
        const root = document.querySelector(".prunelab");
        let looked = performance.now();
        window.ran = 0;
        setInterval(() => {
            const now = performance.now();
            window.ran += Math.min(now - looked, 500);
            looked = now;
        }, 250);
        new MutationObserver(() => {
            if (root.dataset.link === "lost") window.knewAt ??= window.ran;
        }).observe(root, { attributes: true });
    }""")
    return page


def lost(page: Page, cause: str, words: str, lose: Callable[[], object]) -> None:
    lose()
    begin = page.evaluate("window.ran")  # now nobody answers
    expect_root(page, link="lost")
    assert page.evaluate("window.knewAt") - begin < KNOWS_WITHIN
    expect_root(page, link_cause=cause)
    expect(root(page).get_by_role("alert").filter(has_text=words)).to_be_visible()


def picture(page: Page) -> list[str]:
    """What a page has drawn: where its panels lie, and the outlines of their traces."""
    shown: list[str] = page.evaluate("""() => [...document.querySelectorAll(".prunelab .pl-panel")].flatMap((panel) => [
        JSON.stringify(panel.getBoundingClientRect()),
        ...[...panel.querySelectorAll(".trace path")].map((path) => path.getAttribute("d")),
    ])""")
    return shown


def picture_at_rest(page: Page) -> list[str]:
    """The picture once nothing of it has moved for many frames: panels out of view are drawn when there is time."""
    page.wait_for_function("""() => {
        const now = [...document.querySelectorAll(".prunelab .trace path")].map((p) => p.getAttribute("d")).join();
        window.still = now === window.latest ? (window.still ?? 0) + 1 : 0;
        window.latest = now;
        return window.still > 60;
    }""")
    return picture(page)


def kernel_of(page: Page, server: Server) -> psutil.Process:
    """The process that is the kernel of a page."""
    name = page.evaluate("JSON.parse(document.getElementById('jupyter-config-data').textContent).kernelId")
    (process,) = (kernel for kernel in kernels(server) if name in " ".join(kernel.cmdline()))
    return process


@pytest.mark.parametrize("manner", ["cut", "hold"])
def test_a_line_that_is_cut_is_told_and_the_page_goes_on_where_it_was(line: Line, alone: Page, manner: str) -> None:
    page = opened(alone, line.url)
    turn(page, 2)
    expect_root(page, preview="1.60")
    expect_drawn(page, 1.6)
    before = picture_at_rest(page)
    lost(page, "unreachable", "The server does not answer", getattr(line, manner))
    after = picture(page)
    assert [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]] == []
    # Nothing can be pressed: neither by mouse nor by keyboard.
    box = button(page, "Prune").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    slider(page).evaluate("e => e.focus()")
    page.keyboard.press("ArrowRight")
    line.mend()
    expect_root(page, link="alive")
    expect(root(page).get_by_role("alert").filter(has_text="does not answer")).to_be_hidden()
    expect_root(page, phase="trained", preview="1.60")
    turn(page, 2)
    expect_root(page, preview="1.70", phase="trained")
    button(page, "Prune").click()
    expect_root(page, phase="pruned", round="1")


def test_a_page_whose_lab_was_taken_over_meanwhile_opens_a_copy(
    lab: str, line: Line, alone: Page, unwatched: Callable[[], Page]
) -> None:
    """A laptop sleeps; the address is opened on a phone; the laptop wakes up."""
    page = opened(alone, line.url)
    button(page, "Prune").click()
    expect_root(page, phase="pruned")
    session = session_of(page)
    line.hold()
    other = unwatched()
    other.goto(f"{lab}{SMALL}&session={session}")
    expect_root(other, phase="pruned", state="ready", link="alive")
    assert session_of(other) == session
    line.mend()
    expect(root(page).get_by_role("alert").filter(has_text="open in another tab")).to_be_visible()
    expect_root(page, phase="pruned", state="ready", link="alive")
    assert session_of(page) != session
    button(page, "Reset").click()
    expect_root(page, phase="trained")
    expect_root(other, phase="pruned")


@pytest.mark.parametrize("manner", ["cut", "hold", "stop"])
def test_what_is_pressed_before_anybody_can_know_is_not_carried_out_later_and_told(
    line: Line, alone: Page, shared_voila: Server, manner: str
) -> None:
    page = opened(alone, line.url)
    turn(page, 2)
    expect_root(page, preview="1.60")
    kernel = kernel_of(page, shared_voila)
    if manner == "stop":
        os.kill(kernel.pid, signal.SIGSTOP)
    else:
        getattr(line, manner)()
    button(page, "Prune").click()
    expect_root(page, link="lost")
    if manner == "stop":
        os.kill(kernel.pid, signal.SIGCONT)
    else:
        line.mend()
    expect_root(page, link="alive")
    told = root(page).get_by_role("alert").filter(has_text="was not carried out")
    expect(told).to_be_visible()
    turn(page, 1)
    expect_root(page, preview="1.65", phase="trained")
    expect(told).to_be_hidden()


def test_a_run_goes_on_behind_a_cut_line_and_is_seen_again(line: Line, alone: Page) -> None:
    page = opened(alone, line.url, ENDLESS, "training")
    reached(page, "clock", 50)
    lost(page, "unreachable", "The server does not answer", line.cut)
    at = number(page, "clock")
    line.mend()
    expect_root(page, link="alive", state="training")
    reached(page, "clock", at + 200)


def test_a_kernel_that_is_stopped_is_told_and_goes_on(lab: str, alone: Page, shared_voila: Server) -> None:
    page = opened(alone, lab)
    kernel = kernel_of(page, shared_voila)
    lost(page, "silent", "The kernel does not answer", lambda: os.kill(kernel.pid, signal.SIGSTOP))
    os.kill(kernel.pid, signal.SIGCONT)
    expect_root(page, link="alive", phase="trained")
    turn(page, 2)
    expect_root(page, preview="1.60")


def test_a_file_that_was_asked_for_in_vain_can_be_asked_for_again(lab: str, alone: Page, shared_voila: Server) -> None:
    page = opened(alone, lab)
    kernel = kernel_of(page, shared_voila)
    kernel.suspend()
    button(page, "Data").click()
    expect_root(page, link="lost")
    kernel.resume()
    expect_root(page, link="alive")
    expect(root(page).get_by_text("Data: the kernel was lost before it was made.")).to_be_visible()
    with page.expect_download():
        button(page, "Data").click()


def test_nothing_can_be_pressed_before_the_controls_show_what_the_kernel_knows(
    lab: str, alone: Page, shared_voila: Server
) -> None:
    """Its states would undo the press: a key was lost in one of some hundred returns."""
    page, holding, held = alone, [False], []

    def between(ours: WebSocketRoute) -> None:
        def hear(data: bytes | str) -> None:
            if holding[0] and b'"update_states"' in as_bytes(data):
                held.append((ours, data))
            else:
                ours.send(data)

        ours.connect_to_server().on_message(hear)

    page.route_web_socket("**/channels*", between)
    opened(page, lab)
    turn(page, 2)
    expect_root(page, preview="1.60")
    kernel = kernel_of(page, shared_voila)
    holding[0] = True
    os.kill(kernel.pid, signal.SIGSTOP)
    button(page, "Prune").click()
    expect_root(page, link="lost")
    os.kill(kernel.pid, signal.SIGCONT)
    while not held:  # the kernel's last answer has come before its states; Playwright hears only while it waits
        page.wait_for_timeout(50)
    expect_root(page, link="lost")
    assert page.evaluate("document.querySelector('.pl-deck').inert")
    holding[0] = False
    for ours, data in held:
        ours.send(data)
    expect_root(page, link="alive")
    turn(page, 1)
    expect_root(page, preview="1.65", phase="trained")


def hide_restarts(page: Page) -> None:
    """JupyterLab does not get to know that a kernel is restarted, as when it is busy just then."""

    def between(ours: WebSocketRoute) -> None:
        theirs = ours.connect_to_server()
        theirs.on_message(lambda data: None if b'"restarting"' in as_bytes(data) else ours.send(data))

    page.route_web_socket("**/channels*", between)


def as_bytes(data: bytes | str) -> bytes:
    return data if isinstance(data, bytes) else data.encode()


@pytest.mark.parametrize("noticed", [True, False])
def test_a_kernel_that_is_restarted_in_jupyterlab_is_told_with_what_to_do(
    alone: Page,
    notebook: Callable[..., Path],
    jupyterlab: Callable[[Page, Path], None],
    shared_jupyterlab: Server,
    noticed: bool,
) -> None:
    page = alone
    if not noticed:
        hide_restarts(page)
    jupyterlab(page, notebook("import prunelab as pl\npl.Lab(pl.Recipe(model='mlp-small', epochs=1), measure=False)"))
    run_all(page)
    expect_root(page, state="ready", phase="trained", link="alive")
    (session,) = page.request.get(f"{shared_jupyterlab.url}api/sessions").json()
    page.request.post(f"{shared_jupyterlab.url}api/kernels/{session['kernel']['id']}/restart")
    expect_root(page, link="lost", link_cause="ended")
    expect(root(page).get_by_role("alert").filter(has_text="run its cell")).to_be_visible()
    expect(root(page).get_by_role("button", name="Open again")).to_be_hidden()
    run_all(page)
    expect_root(page, state="ready", phase="trained", link="alive")
    button(page, "Prune").click()
    expect_root(page, phase="pruned", round="1")


def test_a_page_that_did_not_run_for_a_while_raises_no_alarm(lab: str, alone: Page) -> None:
    page = opened(alone, lab)
    # As when a machine sleeps: nothing of the page runs, and the time is over when it wakes up.
    page.evaluate("() => { const until = performance.now() + 8000; while (performance.now() < until); }")
    page.wait_for_function("performance.now() > (window.looked ??= performance.now()) + 4000")
    assert page.evaluate("window.knewAt") is None
    expect_root(page, link="alive")


def test_a_browser_without_a_network_says_so(line: Line, alone: Page) -> None:
    page = opened(alone, line.url)

    def unplug() -> None:
        page.context.set_offline(True)
        line.cut()

    lost(page, "offline", "This device has no network", unplug)
    line.mend()
    page.context.set_offline(False)
    expect_root(page, link="alive")
