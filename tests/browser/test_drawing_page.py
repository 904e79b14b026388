"""The drawing in a real page: by mouse, by keyboard, by finger, and after the kernel's word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from support.lab_page import leave
from support.small_widgets import DRAW, SHOWN, expect_there, press, root, shown

Notebook = Callable[..., Path]
Voila = Callable[..., str]


def values(page: Page) -> list[int]:
    return [int(value) for value in shown(page, "value").inner_text().split()]


def test_a_stroke_of_the_mouse_reaches_python(page: Page, notebook: Notebook, voila: Voila) -> None:
    voila(notebook(SHOWN, DRAW))
    expect_there(page, "draw")
    expect(root(page, "draw")).to_have_attribute("data-state", "blank")
    sheet = page.get_by_role("application", name="drawing, 8 by 8 cells. Nothing drawn yet")
    box = sheet.bounding_box()
    assert box
    cell = box["width"] / 8
    page.mouse.move(box["x"] + 2.5 * cell, box["y"] + 1.5 * cell)
    page.mouse.down()
    page.mouse.move(box["x"] + 2.5 * cell, box["y"] + 6.5 * cell, steps=8)
    expect(root(page, "draw")).to_have_attribute("data-state", "drawing")
    page.mouse.up()
    expect(root(page, "draw")).to_have_attribute("data-state", "drawn")
    expect(root(page, "draw")).to_contain_text("of 64 cells inked")
    inked = int(root(page, "draw").get_attribute("data-inked") or 0)
    page.wait_for_function(
        "n => document.querySelector('#shown-value').textContent.split(' ').filter(Number).length === n", arg=inked
    )
    cells = values(page)
    assert all(cells[8 * row + 2] > 200 for row in range(2, 6))  # one cell wide: the pen's middle is the column's
    assert all(cells[8 * row + column] == 0 for row in range(8) for column in range(4, 8))
    press(page, "Clear")
    expect(root(page, "draw")).to_have_attribute("data-state", "blank")
    expect(shown(page, "value")).to_have_text(" ".join(["0"] * 64))


def test_drawing_by_keyboard(page: Page, notebook: Notebook, voila: Voila) -> None:
    voila(notebook(SHOWN, DRAW))
    expect_there(page, "draw")
    sheet = page.get_by_role("application")
    sheet.focus()
    expect(root(page, "draw")).to_have_attribute("data-cursor", "4,4")
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft"):
        sheet.press(key)
    expect(root(page, "draw")).to_have_attribute("data-cursor", "2,3")
    expect(root(page, "draw")).to_have_attribute("data-inked", "0")
    sheet.press("Space")
    for _ in range(3):
        sheet.press("ArrowDown")
    sheet.press("Enter")
    sheet.press("ArrowRight")  # the pen is up
    expect(root(page, "draw")).to_have_attribute("data-state", "drawn")
    expect(page.get_by_text("row 6, column 5", exact=True)).to_be_attached()
    page.wait_for_function("document.querySelector('#shown-value').textContent.split(' ')[8 * 5 + 3] > 150")
    cells = values(page)
    assert all(cells[8 * row + 3] > 150 for row in range(2, 6))
    assert cells[8 * 5 + 5] == 0
    sheet.press("Delete")
    expect(shown(page, "value")).to_have_text(" ".join(["0"] * 64))


def test_python_puts_a_picture_on_the_sheet_and_changes_its_size(page: Page, notebook: Notebook, voila: Voila) -> None:
    voila(notebook(SHOWN, DRAW))
    expect_there(page, "draw")
    press(page, "An example")
    expect(root(page, "draw")).to_have_attribute("data-inked", "10")
    expect(root(page, "draw")).to_contain_text("10 of 64 cells inked")
    alphas = page.evaluate(
        """() => {
            const canvas = document.querySelector(".prunelab-draw-canvas");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return [[18, 19], [27], [36]].map((cells) => cells.map((cell) =>
                data[4 * ((4 * Math.floor(cell / 8) + 1) * canvas.width + 4 * (cell % 8) + 1) + 3]));
        }"""
    )
    assert alphas == [[255, 255], [0], [255]]
    press(page, "large")
    expect(page.get_by_role("application", name="drawing, 28 by 28 cells. Nothing drawn yet")).to_be_visible()
    expect(root(page, "draw")).to_have_attribute("data-state", "blank")


def test_drawing_with_a_finger_on_a_narrow_screen(
    browser: Browser, notebook: Notebook, address: Callable[[Path], str]
) -> None:
    phone = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    try:
        page = phone.new_page()
        page.goto(address(notebook(SHOWN, DRAW)))
        expect_there(page, "draw")
        sheet = page.get_by_role("application")
        box = sheet.bounding_box()
        assert box
        sheet.tap(position={"x": box["width"] / 16, "y": box["height"] / 16})
        expect(root(page, "draw")).to_have_attribute("data-state", "drawn")
        page.wait_for_function("document.querySelector('#shown-value').textContent.split(' ')[0] > 100")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        clear = page.get_by_role("button", name="Clear").bounding_box()
        assert clear and clear["height"] >= 44
    finally:
        leave(phone)
        phone.close()
