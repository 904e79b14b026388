"""The number field in a real page: typed, dragged, by keyboard, under a finger; on straight and logarithmic tracks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from support.lab_page import leave

FIELDS = """
import ipywidgets
from prunelab.lab.widgets.number_field import NumberField

fields = [
    NumberField(description="quality", value=1.5, low=0, high=10, min=0, max=3, step=0.05, decimals=2),
    NumberField(description="density", value=0.08, low=0, high=1, above=True, min=0.005, max=1, logarithmic=True),
    NumberField(description="rounds", value=3, low=1, high=100, integer=True, min=1, max=10, step=1),
    NumberField(description="seed", value=7, low=0, high=1000, integer=True, track=False),
]
heard = ipywidgets.HTML("<p id=heard></p>")
told = []

def hear(_=None):
    values = " ".join(f"{field.value:g}" for field in fields)
    heard.value = f"<p id=heard>{values} released {len(told)}</p>"

for field in fields:
    field.observe(hear, "value")
    field.on_release(lambda: (told.append(1), hear()))
hear()
shut = ipywidgets.Button(description="shut")
shut.on_click(lambda _: setattr(fields[0], "disabled", True))
ipywidgets.VBox([*fields, heard, shut], layout={"width": "min(600px, 100%)"})
"""


@pytest.fixture
def fields(page: Page, notebook: Callable[..., Path], voila: Callable[..., str]) -> Page:
    voila(notebook(FIELDS))
    expect_heard(page, "1.5 0.08 3 7 released 0")
    return page


def handle(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=name, exact=True)


def typed(page: Page, name: str) -> Locator:
    return page.get_by_role("textbox", name=name, exact=True)


def expect_heard(page: Page, text: str) -> None:
    expect(page.locator("#heard")).to_have_text(text)


def test_a_value_is_typed_with_a_point_or_a_comma_and_shown_as_it_is(fields: Page) -> None:
    box = typed(fields, "quality, typed")
    expect(box).to_have_value("1.50")
    for number, (text, value, shown) in enumerate(
        (("2,25", 2.25, "2.25"), (" 1.2345 ", 1.2345, "1.2345"), ("7", 7, "7.00")), 1
    ):
        box.fill(text)
        box.press("Enter")
        expect_heard(fields, f"{value:g} 0.08 3 7 released {number}")
        expect(box).to_have_value(shown)
        expect(handle(fields, "quality")).to_have_attribute("aria-valuetext", shown)
    expect(handle(fields, "quality")).to_have_attribute("aria-valuemax", "7")
    box = typed(fields, "seed")
    box.fill("12")
    box.blur()
    expect_heard(fields, "7 0.08 3 12 released 4")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("quality, typed", "11", "“11”: must be a number from 0 to 10. It is still 1.50."),
        ("quality, typed", "1.234,5", "“1.234,5”: must be a number from 0 to 10. It is still 1.50."),
        ("quality, typed", "", "“”: must be a number from 0 to 10. It is still 1.50."),
        ("density, typed", "0", "“0”: must be a number above 0 to 1. It is still 0.08."),
        ("rounds, typed", "2.5", "“2.5”: must be a whole number from 1 to 100. It is still 3."),
        ("seed", "<b>1</b>", "“<b>1</b>”: must be a whole number from 0 to 1000. It is still 7."),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_nothing_is_changed(
    fields: Page, name: str, text: str, reason: str
) -> None:
    box = typed(fields, name)
    box.fill(text)
    box.press("Enter")
    expect(fields.get_by_role("alert").filter(has_text="still")).to_have_text(reason)
    expect(box).to_have_value(text)
    expect(box).to_have_attribute("aria-invalid", "true")
    box.press("Escape")
    expect(fields.get_by_role("alert").filter(has_text="still")).to_be_hidden()
    expect_heard(fields, "1.5 0.08 3 7 released 0")


def test_keys_move_it_by_steps_and_the_last_key_lets_go(fields: Page) -> None:
    for name, key, values in (
        ("quality", "ArrowRight", "1.55 0.08 3 7 released 1"),
        ("quality", "PageDown", "1.05 0.08 3 7 released 2"),
        ("quality", "End", "3 0.08 3 7 released 3"),
        ("quality", "ArrowUp", "3 0.08 3 7 released 4"),
        ("density", "ArrowLeft", "3 0.076 3 7 released 5"),
        ("density", "ArrowRight", "3 0.08 3 7 released 6"),
        ("density", "Home", "3 0.005 3 7 released 7"),
        ("rounds", "ArrowLeft", "3 0.005 2 7 released 8"),
    ):
        handle(fields, name).press(key)
        expect_heard(fields, values)
    fields.get_by_role("button", name="shut").click()
    expect(handle(fields, "quality")).to_have_attribute("aria-disabled", "true")
    expect(typed(fields, "quality, typed")).to_be_disabled()


@pytest.mark.parametrize("held", ["Alt", "Control", "Meta"])
def test_keys_of_the_browser_move_nothing(fields: Page, held: str) -> None:
    fields.evaluate("""() => {
        window.left = [];
        addEventListener("keydown", (event) => {
            window.left.push(!event.defaultPrevented);
            event.preventDefault(); // it would leave the page
        });
    }""")
    for key in ("ArrowLeft", "ArrowUp", "Home", "PageDown"):
        handle(fields, "quality").press(f"{held}+{key}")
    assert all(fields.evaluate("window.left")) and len(fields.evaluate("window.left")) == 8
    handle(fields, "quality").press("ArrowRight")
    expect_heard(fields, "1.55 0.08 3 7 released 1")


def test_the_mouse_drags_it_and_lets_go_once(fields: Page) -> None:
    track = fields.locator(".prunelab-number-track").first.bounding_box()
    assert track and track["width"] >= 240
    y = track["y"] + track["height"] / 2
    fields.mouse.move(track["x"] + track["width"] / 2, y)
    fields.mouse.down()
    fields.mouse.move(track["x"] + track["width"] * 0.7, y, steps=5)
    expect_heard(fields, "2.1 0.08 3 7 released 0")
    fields.mouse.move(track["x"] + 3 * track["width"], y + 200, steps=5)
    fields.mouse.up()
    expect_heard(fields, "3 0.08 3 7 released 1")
    fields.mouse.click(track["x"] + track["width"] / 3, y)
    expect_heard(fields, "1 0.08 3 7 released 2")
    expect(handle(fields, "quality")).to_be_focused()


def test_equal_ways_on_a_logarithmic_track_are_equal_ratios(fields: Page) -> None:
    track = fields.locator(".prunelab-number-track").nth(1).bounding_box()
    assert track
    for part, shown in ((0.0, "0.005"), (0.5, "0.071")):  # in the middle: the root of 0.005 x 1
        fields.mouse.click(track["x"] + part * track["width"], track["y"] + track["height"] / 2)
        expect(handle(fields, "density")).to_have_attribute("aria-valuetext", shown)
    assert math.sqrt(0.005) == pytest.approx(0.071, rel=0.01)


@pytest.fixture
def phone(browser: Browser, address: Callable[[Path], str], notebook: Callable[..., Path]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 400}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(address(notebook(FIELDS)))
    expect_heard(page, "1.5 0.08 3 7 released 0")
    yield page
    leave(context)
    context.close()


def swipe(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A finger that goes down at start and up at end; as the browser itself would get it."""
    session = page.context.new_cdp_session(page)
    steps = 8

    def send(kind: str, points: list[tuple[float, float]]) -> None:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})

    send("touchStart", [start])
    for i in range(1, steps + 1):
        send("touchMove", [(start[0] + (end[0] - start[0]) * i / steps, start[1] + (end[1] - start[1]) * i / steps)])
    send("touchEnd", [])


def test_a_finger_moves_it_sideways_and_a_vertical_swipe_scrolls_the_page(phone: Page) -> None:
    phone.evaluate("document.body.style.height = '3000px'")
    track = phone.locator(".prunelab-number-track").nth(2).bounding_box()
    assert track
    x, y = track["x"] + track["width"] / 2, track["y"] + track["height"] / 2
    swipe(phone, (x, y), (track["x"] + track["width"] - 1, y + 3))
    expect_heard(phone, "1.5 0.08 10 7 released 1")
    phone.touchscreen.tap(track["x"] + 1, y)
    expect_heard(phone, "1.5 0.08 1 7 released 2")
    swipe(phone, (x, y), (x + 2, y - 90))
    phone.wait_for_function("[document.scrollingElement, document.body].some((e) => e.scrollTop > 30)")
    expect_heard(phone, "1.5 0.08 1 7 released 2")
