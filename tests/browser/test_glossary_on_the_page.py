"""The question marks: each opens what the glossary says, by keyboard, mouse and finger, and is never cut off."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from prunelab import lesson_catalogue
from prunelab.lab.wording import CARD_TERMS
from prunelab.views import glossary
from prunelab.views.registry import REGISTRY
from support.lab_page import expect_drawn, leave, root

BUBBLES = ".prunelab-term-text:popover-open"


def opener(place: Locator, term: str) -> Locator:
    return place.get_by_role("button", name=f"What is {term}?", exact=True)


def expect_told(page: Page, term: str, panel: str | None = None) -> None:
    """panel: whose term it is; then a link leads to the lesson about it."""
    bubble = page.locator(BUBBLES)
    expect(bubble).to_have_count(1)
    lesson = None if panel is None else REGISTRY[panel].lesson
    more = "" if lesson is None else f"Try it as in lesson {lesson}, {lesson_catalogue.title(lesson)}"
    expect(bubble).to_have_text(f"{term[0].upper()}{term[1:]}. {glossary.about(term)}{more}")
    if lesson is not None:
        expect(bubble.get_by_role("link")).to_have_attribute("href", f"?lesson={lesson}")
    box, size = bubble.bounding_box(), page.viewport_size
    assert box and size
    assert box["x"] >= 0 and box["y"] >= 0, box
    assert box["x"] + box["width"] <= size["width"] and box["y"] + box["height"] <= size["height"], box


def test_every_card_and_every_panel_explains_its_term(everything: Page) -> None:
    page = everything
    page.set_viewport_size({"width": 1280, "height": 4000})
    expect_drawn(page)
    for card, term in CARD_TERMS.items():
        opener(root(page).locator(f"[data-card='{card}']"), term).click()
        expect_told(page, term)
    for name, entry in REGISTRY.items():
        opener(root(page).locator(f".pl-{name} .prunelab-plot-header"), entry.term).click()
        expect_told(page, entry.term, name)
    page.keyboard.press("Escape")
    expect(page.locator(BUBBLES)).to_have_count(0)


def test_by_keyboard_it_opens_and_closes_and_the_focus_stays(everything: Page) -> None:
    page = everything
    button = opener(root(page).locator("[data-card=compression]"), "compression")
    button.focus()
    for key in ("Enter", " "):
        page.keyboard.press(key)
        expect_told(page, "compression")
        expect(button).to_have_attribute("aria-expanded", "true")
        page.keyboard.press("Escape")
        expect(page.locator(BUBBLES)).to_have_count(0)
        expect(button).to_have_attribute("aria-expanded", "false")
        expect(button).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator(BUBBLES)).to_have_count(0)


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_at_the_edges_of_a_window_nothing_is_cut_off(everything: Page, width: int) -> None:
    page = everything
    page.set_viewport_size({"width": width, "height": 700})
    page.wait_for_function("width => innerWidth === width", arg=width)
    for place, term, panel in ((".pl-cards", "accuracy", None), (".pl-cards", "zeros still zero", None),
                               (".pl-accuracy", "accuracy", "accuracy")):  # fmt: skip
        button = opener(root(page).locator(place), term)
        button.scroll_into_view_if_needed()
        button.click()
        expect_told(page, term, panel)
        page.keyboard.press("Escape")


def test_a_press_elsewhere_and_scrolling_close_it(everything: Page) -> None:
    page = everything
    button = opener(root(page).locator("[data-card=accuracy]"), "accuracy")
    button.click()
    expect_told(page, "accuracy")
    page.locator(".pl-name").click()
    expect(page.locator(BUBBLES)).to_have_count(0)
    button.click()
    expect_told(page, "accuracy")
    page.mouse.wheel(0, 200)
    expect(page.locator(BUBBLES)).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_while_it_is_open(everything: Page, scheme: str) -> None:
    page = everything
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    expect_drawn(page, 1.5)
    opener(root(page).locator(".pl-weights"), "threshold").click()
    expect_told(page, "threshold", "weights")
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    found = page.evaluate(
        "axe.run({include: ['.prunelab-term', '.prunelab-plot-legend']}, {resultTypes: ['violations']})"
    )
    assert [v["id"] for v in found["violations"]] == []
    page.keyboard.press("Escape")


def test_a_finger_opens_it(
    browser: Browser,
    browser_context_args: dict[str, object],
    notebook: Callable[..., Path],
    address: Callable[[Path], str],
) -> None:
    path = notebook("import prunelab as pl\npl.Lab(pl.Recipe(model='mlp-small', epochs=1), measure=False)")
    phone = {**browser_context_args, "has_touch": True, "viewport": {"width": 390, "height": 844}}
    context = browser.new_context(**phone)  # type: ignore[arg-type]
    context.add_init_script("if (location.protocol.startsWith('http')) localStorage.setItem('prunelab.tour', 'seen')")
    page = context.new_page()
    page.goto(address(path))
    expect(root(page)).to_have_attribute("data-state", "ready", timeout=60_000)
    button = opener(root(page).locator("[data-card=accuracy]"), "accuracy")
    box = button.bounding_box()
    assert box
    page.touchscreen.tap(box["x"] + box["width"] + 3, box["y"] + box["height"] / 2)  # beside the sign, which is small
    expect_told(page, "accuracy")
    leave(context)
    context.close()


def test_the_legend_has_the_colours_of_the_bars(everything: Page) -> None:
    page = everything
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        expect_drawn(page, 1.5)
        legend = root(page).locator(".pl-weights .prunelab-plot-legend li")
        expect(legend).to_have_text([re.compile("kept"), re.compile("cut"), "threshold"])
        page.wait_for_function(
            """() => {
                const panel = document.querySelector(".pl-weights");
                const signs = [...panel.querySelectorAll(".prunelab-plot-sign")].map((e) => getComputedStyle(e).color);
                const bars = [...panel.querySelectorAll(".barlayer .trace")].slice(0, 2)
                    .map((trace) => getComputedStyle(trace.querySelector("path")).fill);
                return signs[0] === bars[1] && signs[1] === bars[0];
            }"""
        )


@pytest.mark.parametrize("width", [1280, 390])
def test_the_settings_of_a_step_are_explained_within_the_window(everything: Page, width: int) -> None:
    page = everything
    page.set_viewport_size({"width": width, "height": 720})
    button = root(page).get_by_role("button", name="What are the settings of Retraining?")
    button.focus()
    page.keyboard.press("Enter")
    bubble = page.locator(BUBBLES)
    expect(bubble).to_contain_text("rewind to epoch")
    box = bubble.bounding_box()
    assert box and box["x"] >= 0 and box["y"] >= 0, box
    assert box["x"] + box["width"] <= width and box["y"] + box["height"] <= 720, box
    page.keyboard.press("Escape")
    expect(page.locator(BUBBLES)).to_have_count(0)
    expect(button).to_be_focused()
