"""The whole lab in a real page: scrubber, comparisons, guesses, drawings, links, downloads; for every reader."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from support.lab_page import button, expect_drawn, expect_root, number, root, slider, turn

SMALL = "?model=mlp-small&rounds=2&retrain_epochs=5"
EVERYTHING = "&show=graph,compare,digits,draw,sensitivity"


@pytest.fixture
def trained(dashboard: Callable[..., str]) -> Callable[..., str]:
    """``trained(query)``: the lab with a network that has learned; returns its address."""
    return lambda query="": dashboard(query, phase="trained")


def test_a_run_is_measured_scrubbed_back_and_played(page: Page, trained: Callable[..., str]) -> None:
    trained(SMALL)
    button(page, "Run all").click()
    expect_root(page, state="ready", phase="retrained", round="2")
    expect(root(page).locator("[data-card=file] .pl-value")).to_contain_text("KB")
    expect(root(page).locator("[data-card=speed] .pl-more")).to_contain_text("batch 64")
    expect(root(page).locator("[data-card=effective] .pl-more")).to_contain_text("dead neurons")
    last = number(page, "kept")
    scrubber = root(page).get_by_role("slider", name="moment of the run")
    scrubber.focus()
    page.keyboard.press("Home")
    expect_root(page, round="0")
    page.keyboard.press("PageDown")
    expect_root(page, phase="trained", round="0")
    page.keyboard.press("PageDown")
    expect_root(page, phase="pruned", round="1")
    expect_drawn(page, 0.75)
    assert number(page, "kept") > last
    root(page).get_by_role("button", name="Play").click()
    expect_root(page, phase="retrained", round="2")
    root(page).get_by_role("button", name="Back to live").click(trial=False, force=True)
    expect_root(page, kept=f"{last:.0f}")


def test_two_runs_are_compared_by_a_preset(page: Page, trained: Callable[..., str]) -> None:
    trained("?model=mlp-small&epochs=3&retrain_epochs=2&show=compare")
    panel = root(page).locator(".pl-compare")
    panel.scroll_into_view_if_needed()
    panel.get_by_role("combobox", name="compare").select_option("one shot or five rounds")
    expect(panel).to_contain_text("does cutting little by little lose less than cutting all at once?")
    kept = number(page, "kept")
    panel.get_by_role("button", name="Compare").click()
    expect_root(page, state="comparing")
    expect_root(page, state="ready", phase="trained", round="0", kept=f"{kept:.0f}")  # one's own network is back
    for name in ("one shot", "five rounds"):
        expect(panel.get_by_label(name, exact=True)).to_be_checked()
        expect(panel.locator(".prunelab-plot-words")).to_contain_text(name)
    expect(panel).to_contain_text(re.compile(r"five rounds [0-9.]+ % right, one shot [0-9.]+ %, with [0-9.]+ %"))
    panel.get_by_label("one shot", exact=True).uncheck()
    expect(panel.locator(".prunelab-plot-words")).not_to_contain_text("one shot")


def test_a_guess_is_asked_for_and_then_answered(page: Page, trained: Callable[..., str]) -> None:
    trained("?model=mlp-small&guess=true")
    expect(root(page).locator("[data-card=accuracy] .pl-more")).to_contain_text("? if cut now")
    button(page, "Prune").click()
    expect(root(page).get_by_text("What will the accuracy be after this cut?")).to_be_visible()
    expect_root(page, phase="trained")
    button(page, "Reveal").click()
    expect_root(page, phase="pruned")
    expect(root(page).get_by_text("You guessed 90.0 %")).to_be_visible()


def test_a_drawn_digit_is_read_by_both_networks(page: Page, trained: Callable[..., str]) -> None:
    trained("?model=mlp-small&show=draw")
    panel = root(page).locator(".pl-draw")
    panel.scroll_into_view_if_needed()
    panel.get_by_role("button", name="An example").click()
    expect(panel.locator(".prunelab-plot-words")).to_contain_text("dense")
    before = panel.locator(".prunelab-plot-words").text_content()
    sheet = panel.locator("canvas").first.bounding_box()
    assert sheet
    panel.get_by_role("button", name="Clear").click()
    expect(panel.locator(".prunelab-plot-words")).to_contain_text("raw a digit")
    page.mouse.move(sheet["x"] + sheet["width"] / 2, sheet["y"] + 20)
    page.mouse.down()
    page.mouse.move(sheet["x"] + sheet["width"] / 2, sheet["y"] + sheet["height"] - 20, steps=6)
    page.mouse.up()
    expect(panel.locator(".prunelab-plot-words")).to_contain_text("dense")
    assert before


def test_a_layer_gets_its_own_quality_from_its_slider(page: Page, trained: Callable[..., str]) -> None:
    trained("?model=mlp-small")
    kept = number(page, "preview-kept")
    root(page).get_by_role("button", name="per layer").click()
    slider(page, "fc1").focus()
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function("kept => +document.querySelector('.prunelab').dataset.previewKept > kept", arg=kept)
    turn(page, 2)
    expect_root(page, preview="1.60")
    expect(slider(page, "fc1")).to_have_attribute("aria-valuenow", "1.2")
    expect(slider(page, "fc2")).to_have_attribute("aria-valuenow", "1.6")


def test_a_link_hides_locks_and_shows_and_is_copied_as_the_page_stands(
    page: Page, context: BrowserContext, trained: Callable[..., str]
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    address = trained("?v=2&model=mlp-small&hide=regularizer,mask&lock=data&show=graph&big=true")
    expect(root(page).get_by_label("penalty", exact=True)).to_be_hidden()
    expect(root(page).get_by_label("data", exact=True)).to_be_disabled()
    expect(root(page).locator(".pl-mask")).to_be_hidden()
    expect(root(page).locator(".pl-graph")).to_be_visible()
    turn(page, -6)
    expect_root(page, preview="1.20")
    button(page, "Copy link").click()
    expect(root(page).locator(".prunelab-download")).to_have_attribute("data-state", "copied")
    link = page.evaluate("navigator.clipboard.readText()")
    wanted = "?v=2&model=mlp-small&quality=1.2&show=graph&hide=regularizer,mask&lock=data&big=true"
    assert link.endswith(wanted) and link.startswith(address)
    second = context.new_page()
    second.goto(link)
    expect_root(second, state="ready", preview="1.20")
    expect(root(second).locator(".pl-mask")).to_be_hidden()


def test_what_was_done_can_be_taken_home(page: Page, trained: Callable[..., str]) -> None:
    trained(SMALL)
    button(page, "Prune").click()
    expect_root(page, phase="pruned")
    for label, ending, magic in (("Report", ".html", b"<!"), ("Data", ".zip", b"PK"), ("Model", ".prune", b"")):
        with page.expect_download() as download:
            button(page, label).click()
        assert download.value.suggested_filename.endswith(ending)
        content = download.value.path().read_bytes()
        assert content.startswith(magic) and len(content) > 1000, label
    turn(page, 2)
    expect_root(page, preview="1.60")


@pytest.mark.skipif(not os.environ.get("PRUNELAB_DATA"), reason="PRUNELAB_DATA names no MNIST")
def test_mnist_is_pruned_and_recovers_like_the_digits(page: Page, trained: Callable[..., str]) -> None:
    trained("?data=mnist&model=mlp-small&epochs=1&retrain_epochs=1&quality=1.0&show=graph")
    dense = number(page, "accuracy")
    assert dense > 0.9
    expect_drawn(page, 1.0)
    button(page, "Prune").click()
    expect_root(page, phase="pruned")
    fallen = number(page, "accuracy")
    button(page, "Retrain").click()
    expect_root(page, phase="retrained", zeros="yes")
    assert number(page, "accuracy") > max(fallen, 0.85)
    expect(root(page).locator(".pl-pixels .prunelab-plot-words")).to_contain_text("of 784 pixels are read by nobody")
