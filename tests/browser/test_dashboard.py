"""The lab in real pages, as a newcomer would use it: Voila for each part, JupyterLab for the way through."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from support.jupyterlab import run_all, save
from support.lab_page import (
    DASHBOARD,
    button,
    expect_drawn,
    expect_root,
    number,
    reached,
    root,
    turn,
)
from support.servers import CHECKOUT, Server, expect_preheated

ENDLESS = "?model=mlp-small&epochs=10000"


@pytest.fixture
def preheated(page: Page, voila_server: Callable[..., Server]) -> Callable[..., Server]:
    """``preheated(query)``: the lab as ``prunelab dashboard`` serves it, in a kernel that waited for its visitor."""

    def open_page(query: str = "") -> Server:
        server = voila_server(DASHBOARD)
        expect_preheated(server)
        page.goto(server.url + query)
        expect_root(page, state="ready")
        return server

    return open_page


def test_a_newcomer_drags_prunes_retrains_and_repeats(page: Page, preheated: Callable[..., Server]) -> None:
    preheated()
    expect_root(page, phase="trained", preview="1.50", step="prune", zeros="yes")
    expect_drawn(page, 1.5)
    dense = number(page, "accuracy")
    assert dense > 0.95
    expect(button(page, "Retrain")).to_be_disabled()

    turn(page, 10)
    expect_root(page, preview="2.00")
    expect_drawn(page, 2.0)
    fallen, left = number(page, "preview-accuracy"), number(page, "preview-kept")
    assert fallen < dense - 0.1 and left < 0.1 * number(page, "total")
    expect(root(page).locator("[data-card=accuracy]")).to_contain_text("if cut now")

    button(page, "Prune").click()
    expect_root(page, phase="pruned", round="1", kept=f"{left:.0f}", step="retrain")
    assert number(page, "accuracy") == fallen

    button(page, "Retrain").click()
    expect_root(page, phase="retrained", state="ready")
    assert number(page, "accuracy") > fallen + 0.1
    expect_root(page, kept=f"{left:.0f}", zeros="yes")

    turn(page, 4)
    button(page, "Prune").click()
    expect_root(page, phase="pruned", round="2")
    button(page, "Retrain").click()
    expect_root(page, phase="retrained", round="2", state="ready")

    button(page, "Reset").click()
    expect_root(page, phase="trained", round="0", kept=f"{number(page, 'total'):.0f}")
    assert number(page, "accuracy") == dense


def test_run_all_shows_progress_and_ends_with_pictures_for_the_eye(page: Page, dashboard: Callable[..., str]) -> None:
    """The pictures are kept as artefacts; what is asserted of them is that there is something to look at."""
    dashboard("?rounds=2&retrain_epochs=60")
    button(page, "Run all").click()
    expect(root(page).locator("progress")).to_be_visible()
    expect(root(page).get_by_role("status")).to_contain_text("left")
    expect(button(page, "Prune")).to_be_disabled()
    expect(button(page, "Prune")).to_have_attribute("title", "Pause the run first")
    expect_root(page, state="ready", phase="retrained", round="2", zeros="yes")
    expect(root(page).locator("progress")).to_be_hidden()
    folder = CHECKOUT / "artefacts"
    folder.mkdir(exist_ok=True)
    for width, height in ((1440, 900), (1280, 720), (390, 844)):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function("width => innerWidth === width", arg=width)
            root(page).locator(".pl-weights").scroll_into_view_if_needed()
            expect_drawn(page)
            picture = page.screenshot(path=folder / f"lab-{width}x{height}-{scheme}.png")
            assert len(picture) > 10_000


def test_pause_resume_train_and_reset_in_a_long_run(page: Page, dashboard: Callable[..., str]) -> None:
    dashboard(ENDLESS, state="training")
    reached(page, "clock", 50)
    turn(page, 2)
    expect_root(page, preview="1.60", state="training")
    button(page, "Pause").click()
    expect_root(page, state="paused")
    at = number(page, "clock")
    button(page, "Resume").click()
    reached(page, "clock", at + 50)
    button(page, "Pause").click()
    expect_root(page, state="paused")
    button(page, "Prune").click()
    expect_root(page, phase="pruned", state="ready")
    button(page, "Reset").click()
    expect_root(page, round="0", state="ready")
    button(page, "Train").click()
    expect_root(page, state="training")
    page.wait_for_function("+document.querySelector('.prunelab').dataset.clock < 500")


def test_new_training_settings_train_a_new_network(page: Page, dashboard: Callable[..., str]) -> None:
    dashboard()
    root(page).get_by_label("penalty", exact=True).select_option("l1")
    button(page, "Train with new settings").click()
    expect_root(page, state="training")
    expect_root(page, state="ready", phase="trained")
    expect(button(page, "Train")).to_be_visible()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?quality=nan", "quality = nan: must be a number from 0 to 10"),
        ("?rounds=1000", "rounds = 1000: must be a whole number from 1 to 100"),
        ("?model=<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
    ],
)
def test_a_bad_link_is_told_as_text_and_the_lab_is_usable(
    page: Page, dashboard: Callable[..., str], query: str, said: str
) -> None:
    dashboard(query)
    expect(root(page).get_by_role("alert").first).to_contain_text(said)
    turn(page, 2)
    expect_root(page, preview="1.60")
    button(page, "Prune").click()
    expect_root(page, phase="pruned")


@pytest.mark.parametrize("theme", ["", "theme=dark&"], ids=["preheated", "fresh kernel"])
def test_a_link_of_100_kb_is_answered_in_words(page: Page, preheated: Callable[..., Server], theme: str) -> None:
    query = f"{theme}quality=" + "9" * 102_400
    server = preheated(f"?{query}")
    expect(root(page).get_by_role("alert").first).to_contain_text(f"this link is {len(query)} characters long")
    button(page, "Prune").click()
    expect_root(page, phase="pruned")
    # What does not fit into a kernel's environment is answered by the server itself.
    answer = page.request.get(f"{server.url}?quality={'9' * 200_000}")
    assert answer.status == 414 and "200,010 characters long" in answer.text()


def test_a_good_link_is_followed_by_a_preheated_kernel(page: Page, preheated: Callable[..., Server]) -> None:
    preheated("?model=mlp-small&epochs=3&quality=0.8&seed=4&rounds=2")
    expect(root(page).locator(".pl-title")).to_have_text("digits · mlp-small · seed 4")
    expect_root(page, preview="0.80", phase="trained")


def test_a_layer_about_to_lose_everything_is_warned_of(page: Page, dashboard: Callable[..., str]) -> None:
    dashboard("?model=mlp-small&quality=9.5")
    expect(root(page).get_by_role("alert").first).to_contain_text("would lose every connection")


def test_two_tabs_are_two_labs(page: Page, context: BrowserContext, dashboard: Callable[..., str]) -> None:
    address = dashboard()
    second = context.new_page()
    second.goto(address)
    expect_root(second, state="ready")
    button(second, "Prune").click()
    expect_root(second, phase="pruned")
    expect_root(page, phase="trained")
    turn(page, 2)
    expect_root(page, preview="1.60")


def test_jupyterlab_the_way_through_with_a_reload_and_a_second_tab(
    page: Page, context: BrowserContext, notebook: Callable[..., Path], jupyterlab: Callable[[Page, Path], None]
) -> None:
    path = Path(shutil.copy(DASHBOARD, notebook().parent))
    jupyterlab(page, path)
    run_all(page)
    expect_root(page, state="ready", phase="trained", preview="1.50")
    expect_drawn(page, 1.5)
    save(page)
    turn(page, 10)
    expect_root(page, preview="2.00")
    button(page, "Prune").click()
    expect_root(page, phase="pruned")
    root(page).get_by_label("epochs", exact=True).last.fill("9000")
    root(page).get_by_label("epochs", exact=True).last.press("Enter")
    button(page, "Retrain").click()
    expect_root(page, state="retraining")
    reached(page, "clock", 1500)

    page.reload()
    expect_root(page, state="retraining")
    reached(page, "clock", 1600)

    second = context.new_page()
    jupyterlab(second, path)
    expect_root(second, state="retraining")
    button(second, "Pause").click()
    expect_root(page, state="paused")
    expect_root(second, state="paused")
    assert number(page, "clock") == number(second, "clock")
    button(page, "Reset").click()
    expect_root(second, phase="trained", state="ready")
