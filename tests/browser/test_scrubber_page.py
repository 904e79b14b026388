"""The scrubber in a real page: by mouse, by keyboard, playing, and after the kernel's word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.small_widgets import SCRUBBER, SHARES, SHOWN, at, expect_there, fits, press, root, shown

Notebook = Callable[..., Path]
Voila = Callable[..., str]


def test_dragging_back_reaches_python_and_back_to_live(page: Page, notebook: Notebook, voila: Voila) -> None:
    voila(notebook(SHOWN, SCRUBBER))
    expect_there(page, "scrubber")
    at(page, "live", "live")
    slider = page.get_by_role("slider", name="moment of the run")
    live = page.get_by_role("button", name="Back to live")
    expect(slider).to_have_attribute("aria-valuetext", "live: round 3: retrained")
    expect(live).to_be_disabled()
    expect(live).to_have_attribute("title", "This is live already: the newest moment")
    box = slider.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] - 10, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 10 + 9 / 39 * (box["width"] - 20), middle, steps=12)
    at(page, "9", "scrubbed")
    expect(shown(page, "position")).to_contain_text("9 False")
    page.mouse.up()
    expect(slider).to_have_attribute("aria-valuetext", "dense trained (10 of 40)")
    expect(root(page, "scrubber")).to_contain_text("dense trained (10 of 40)")
    live.click()
    at(page, "live", "live")
    expect(shown(page, "position")).to_contain_text("None False")
    expect(live).to_be_focused()


def test_the_scrubber_by_keyboard(page: Page, notebook: Notebook, voila: Voila) -> None:
    voila(notebook(SHOWN, SCRUBBER))
    expect_there(page, "scrubber")
    at(page, "live", "live")
    page.get_by_role("slider").focus()
    for key, position in (
        ("ArrowLeft", "38"),
        ("Home", "0"),
        ("ArrowRight", "1"),
        ("PageDown", "9"),
        ("PageDown", "10"),
        ("PageDown", "19"),
        ("ArrowDown", "18"),
        ("PageUp", "10"),
        ("End", "live"),
        ("PageUp", "30"),
        ("PageUp", "29"),
        ("PageDown", "30"),
        ("PageDown", "live"),
    ):
        page.keyboard.press(key)
        at(page, position, "live" if position == "live" else "scrubbed")
    expect(shown(page, "position")).to_contain_text("None False")


def test_playing_shows_the_run_and_ends_live(page: Page, notebook: Notebook, voila: Voila) -> None:
    voila(notebook(SHOWN, SCRUBBER))
    expect_there(page, "scrubber")
    at(page, "live", "live")
    play = page.get_by_role("button", name="Play")
    play.focus()
    page.keyboard.press("Space")
    expect(root(page, "scrubber")).to_have_attribute("data-state", "playing")
    page.wait_for_function("Number(document.querySelector('.prunelab-scrubber').dataset.position) >= 5")
    page.keyboard.press("Space")
    expect(root(page, "scrubber")).to_have_attribute("data-state", "scrubbed")
    stopped = root(page, "scrubber").get_attribute("data-position") or ""
    expect(shown(page, "position")).to_contain_text(f"{stopped} ")
    press(page, "faster")
    press(page, "Play")
    at(page, "live", "live")
    expect(shown(page, "position")).to_contain_text("None False")
    expect(play).to_be_visible()
    # Moment by moment, as far as the kernel kept up: more than the two ends.
    assert int(shown(page, "position").inner_text().split()[-1]) > 6


def test_with_reduced_motion_playing_goes_from_settled_to_settled(page: Page, notebook: Notebook, voila: Voila) -> None:
    voila(notebook(SHOWN, SCRUBBER))
    expect_there(page, "scrubber")
    page.emulate_media(reduced_motion="reduce")
    press(page, "Play")
    for position in ("0", "9", "10"):
        at(page, position, "playing")
    page.get_by_role("slider").press("ArrowRight")  # taking hold of it stops it
    at(page, "11", "scrubbed")


def test_a_growing_run_keeps_the_moment(page: Page, notebook: Notebook, voila: Voila) -> None:
    voila(notebook(SHOWN, SCRUBBER))
    expect_there(page, "scrubber")
    at(page, "live", "live")
    slider = page.get_by_role("slider")
    press(page, "grow")
    expect(slider).to_have_attribute("aria-valuetext", "live: round 4: pruned")
    slider.press("Home")
    slider.press("PageDown")
    at(page, "9", "scrubbed")
    press(page, "grow")
    expect(slider).to_have_attribute("aria-valuetext", "dense trained (10 of 42)")
    at(page, "9", "scrubbed")
    press(page, "thin")
    expect(slider).to_have_attribute("aria-valuetext", "dense trained (4 of 14)")
    at(page, "3", "scrubbed")
    press(page, "none")
    at(page, "live", "empty")
    expect(slider).to_be_disabled()
    expect(page.get_by_role("button", name="Play")).to_be_disabled()


def test_each_round_has_its_share_of_the_track_for_hand_and_keyboard(
    page: Page, notebook: Notebook, voila: Voila
) -> None:
    voila(notebook(SHOWN, SHARES))
    expect_there(page, "scrubber")
    at(page, "live", "live")
    slider = page.get_by_role("slider")
    # Ticks stand at the ends of the thirds, and the thumb stands over them.
    lefts = "marks => marks.map((mark) => mark.offsetLeft / mark.parentElement.clientWidth)"
    found = root(page, "scrubber").locator(".prunelab-scrubber-tick").evaluate_all(lefts)
    assert [round(left, 2) for left in found] == [0.33, 0.67, 1.0]
    box = slider.bounding_box()
    assert box
    width, middle = box["width"] - 20, box["y"] + box["height"] / 2

    def grasp(part: float) -> None:
        page.mouse.move(box["x"] + 10 + part * width, middle, steps=3)

    grasp(1)
    page.mouse.down()
    for part, label in (
        (0.5, "round 1: 1 (21 of 27)"),
        (0.72, "round 2: 1 (23 of 27)"),
        (0.33, "dense: trained (20 of 27)"),
    ):
        grasp(part)
        expect(slider).to_have_attribute("aria-valuetext", label)
    page.mouse.up()
    assert float(slider.input_value()) == pytest.approx(1 / 3), "the thumb comes to rest at its snapshot"
    for key, position in (
        ("ArrowRight", "20"),
        ("ArrowRight", "21"),
        ("ArrowLeft", "20"),
        ("Home", "0"),
        ("ArrowUp", "1"),
    ):
        page.keyboard.press(key)
        at(page, position, "scrubbed")
    for key, position in (("PageDown", "19"), ("PageDown", "21"), ("End", "live"), ("ArrowDown", "25")):
        page.keyboard.press(key)
        at(page, position, "live" if position == "live" else "scrubbed")


def test_a_run_that_is_thinned_or_goes_on_under_the_hand_stays_at_the_same_snapshot(
    page: Page, notebook: Notebook, voila: Voila
) -> None:
    voila(notebook(SHOWN, SHARES))
    expect_there(page, "scrubber")
    at(page, "live", "live")
    slider = page.get_by_role("slider")
    box = slider.bounding_box()
    assert box
    width, middle = box["width"] - 20, box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 10 + 0.6 * width, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 10 + 0.5 * width, middle, steps=3)
    expect(slider).to_have_attribute("aria-valuetext", "round 1: 1 (21 of 27)")
    for name, count in (("thin", "9 of 15"), ("begin", "21 of 28")):  # by script: the mouse holds the slider
        page.get_by_role("button", name=name, exact=True).evaluate("button => button.click()")
        expect(slider).to_have_attribute("aria-valuetext", f"round 1: 1 ({count})")
    page.mouse.move(box["x"] + 10 + 0.505 * width, middle)  # the scale is the one that the hand took hold of
    expect(slider).to_have_attribute("aria-valuetext", "round 1: 1 (21 of 28)")
    page.mouse.up()
    page.wait_for_function("Number(document.querySelector('.prunelab-scrubber-range').value) < 0.4")
    assert float(slider.input_value()) == pytest.approx((1 + 1 / 2) / 4)


def test_ticks_stand_under_settled_moments_and_labels_never_overlap(
    page: Page, notebook: Notebook, voila: Voila
) -> None:
    voila(notebook(SHOWN, SCRUBBER))
    expect_there(page, "scrubber")
    at(page, "live", "live")
    assert root(page, "scrubber").locator(".prunelab-scrubber-tick").count() == 7
    for width in (1280, 390, 360):
        assert fits(page, width)
        # The observer of sizes moves the labels one frame later.
        page.wait_for_function(
            """() => {
                const ticks = document.querySelector(".prunelab-scrubber-ticks").getBoundingClientRect();
                const labels = [...document.querySelectorAll(".prunelab-scrubber-label")];
                const boxes = labels.filter((label) => label.style.visibility === "visible")
                    .map((label) => label.getBoundingClientRect());
                return boxes.length > 0 && boxes.every((box, i) =>
                    box.right <= ticks.right + 1 && box.left >= (i ? boxes[i - 1].right + 5 : ticks.left - 1));
            }"""
        )
