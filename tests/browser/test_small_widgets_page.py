"""Scrubber, Draw and Download in a real page: by mouse, by keyboard, on a narrow screen, and after the kernel's word.

Labels on the page (``#shown ...``) say what Python has: a test reads them there and waits for nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from support.jupyterlab import open_notebook, run_all, save
from support.servers import Server, start_voila, stop

Notebook = Callable[..., Path]

SHOWN = """
import html
import ipywidgets

def shown(name):
    made = ipywidgets.HTML()
    def show(text):
        made.value = f"<p id=shown-{name}>{html.escape(str(text))}</p>"
    show("")
    return made, show

def button(text, action):
    made = ipywidgets.Button(description=text)
    made.on_click(lambda _: action())
    return made
"""

SCRUBBER = """
from prunelab.lab.widgets.scrubber import Scrubber

labels = ["dense: training"] * 9 + ["dense trained"]
for r in (1, 2, 3):
    labels += [f"round {r}: pruned"] + [f"round {r}: retraining"] * 8 + [f"round {r}: retrained"]
moments = [
    {"label": label, "mark": "settled" if label.endswith("ed") else "", "id": i} for i, label in enumerate(labels)
]
scrubber = Scrubber(moments=moments, speed=20)
label, show = shown("position")
visited = []
def follow(change):
    visited.append(change["new"])
    show(f"{change['new']} {scrubber.playing} {len(set(visited))}")
scrubber.observe(follow, "position")
buttons = [
    button("grow", lambda: scrubber.update([*scrubber.moments, {"label": "round 4: pruned", "mark": "settled"}])),
    button("thin", lambda: scrubber.update(scrubber.moments[::3])),
    button("none", lambda: scrubber.update([])),
    button("faster", lambda: setattr(scrubber, "speed", 60)),
]
ipywidgets.VBox([scrubber, label, *buttons])
"""

DRAW = """
from prunelab.lab.widgets.drawing import Draw

draw = Draw(size=(8, 8))
label, show = shown("value")
draw.observe(lambda change: show(" ".join(str(v) for v in change["new"])), "value")
ring = bytes(255 if i in (18, 19, 20, 26, 28, 34, 36, 42, 43, 44) else 0 for i in range(64))
draw.on_example(lambda: setattr(draw, "value", ring))
buttons = [button("large", lambda: setattr(draw, "size", (28, 28)))]
ipywidgets.VBox([draw, label, *buttons])
"""

DOWNLOAD = """
from prunelab.lab.widgets.download_bar import Download

download = Download(items=[
    {"name": "data", "label": "Data", "tooltip": "Every snapshot as CSV"},
    {"name": "slow", "label": "Report"},
    {"name": "model", "label": "Model"},
    {"name": "python", "label": "Copy Python", "copy": True},
], disabled={"model": "Nothing is trained yet."})
data = bytes((i * i // 7) % 256 for i in range(500_000)) * 10 + b"<the end>"
text = 'import prunelab as pl\\nprint("<b>ä</b>")'
def answer(name):
    if name == "data":
        download.send_file(name, "prünelab data.bin", "application/octet-stream", data)
    elif name == "python":
        download.send_text(name, text)
    else:
        download.send_progress(name, "page 3 of 6")
download.on_request(answer)
buttons = [
    button("fail", lambda: download.send_error("slow", "the <b>disk</b> is full; make room")),
    button("allow", lambda: setattr(download, "disabled", {})),
]
ipywidgets.VBox([download, *buttons])
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a folder with a notebook for each widget, served once for all; every visit has its own kernel."""
    folder = tmp_path_factory.mktemp("widgets")
    for name, cell in {"scrubber": SCRUBBER, "draw": DRAW, "download": DOWNLOAD}.items():
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (SHOWN, cell)])
        book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, folder / f"{name}.ipynb")
    server = start_voila(folder, tmp_path_factory.mktemp("home"), preheat=False)
    yield f"{server.url}voila/render/"
    stop(server)


def visit(page: Page, served: str, name: str) -> None:
    page.goto(f"{served}{name}.ipynb")
    expect_there(page, name)


def expect_there(page: Page, *names: str) -> None:
    """A kernel that starts on a busy machine takes its time; what follows does not."""
    for name in names:
        expect(root(page, name)).to_have_attribute("data-state", re.compile("."), timeout=60_000)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def root(page: Page, name: str) -> Locator:
    return page.locator(f".prunelab-{name}")


def shown(page: Page, name: str) -> Locator:
    return page.locator(f"#shown-{name}")


def fits(page: Page, width: int) -> bool:
    page.set_viewport_size({"width": width, "height": 800})
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


# ---- scrubber


def at(page: Page, position: str, state: str) -> None:
    expect(root(page, "scrubber")).to_have_attribute("data-position", position)
    expect(root(page, "scrubber")).to_have_attribute("data-state", state)


def test_dragging_back_reaches_python_and_back_to_live(page: Page, served: str) -> None:
    visit(page, served, "scrubber")
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


def test_the_scrubber_by_keyboard(page: Page, served: str) -> None:
    visit(page, served, "scrubber")
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


def test_playing_shows_the_run_and_ends_live(page: Page, served: str) -> None:
    visit(page, served, "scrubber")
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


def test_with_reduced_motion_playing_goes_from_settled_to_settled(page: Page, served: str) -> None:
    visit(page, served, "scrubber")
    page.emulate_media(reduced_motion="reduce")
    press(page, "Play")
    for position in ("0", "9", "10"):
        at(page, position, "playing")
    page.get_by_role("slider").press("ArrowRight")  # taking hold of it stops it
    at(page, "11", "scrubbed")


def test_a_growing_run_keeps_the_moment(page: Page, served: str) -> None:
    visit(page, served, "scrubber")
    at(page, "live", "live")
    slider = page.get_by_role("slider")
    press(page, "grow")
    expect(slider).to_have_attribute("aria-valuetext", "live: round 4: pruned")
    slider.press("Home")
    slider.press("PageDown")
    at(page, "9", "scrubbed")
    press(page, "grow")
    expect(slider).to_have_attribute("max", "41")
    at(page, "9", "scrubbed")
    press(page, "thin")
    expect(slider).to_have_attribute("max", "13")
    at(page, "3", "scrubbed")
    expect(slider).to_have_attribute("aria-valuetext", "dense trained (4 of 14)")
    press(page, "none")
    at(page, "live", "empty")
    expect(slider).to_be_disabled()
    expect(page.get_by_role("button", name="Play")).to_be_disabled()


def test_ticks_stand_under_settled_moments_and_labels_never_overlap(page: Page, served: str) -> None:
    visit(page, served, "scrubber")
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


# ---- draw


def values(page: Page) -> list[int]:
    return [int(value) for value in shown(page, "value").inner_text().split()]


def test_a_stroke_of_the_mouse_reaches_python(page: Page, served: str) -> None:
    visit(page, served, "draw")
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


def test_drawing_by_keyboard(page: Page, served: str) -> None:
    visit(page, served, "draw")
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


def test_python_puts_a_picture_on_the_sheet_and_changes_its_size(page: Page, served: str) -> None:
    visit(page, served, "draw")
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


def test_drawing_with_a_finger_on_a_narrow_screen(browser: Browser, served: str) -> None:
    phone = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    try:
        page = phone.new_page()
        visit(page, served, "draw")
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
        phone.close()


# ---- download


def test_a_file_of_five_megabytes_arrives_byte_for_byte(page: Page, served: str) -> None:
    visit(page, served, "download")
    with page.expect_download() as started:
        press(page, "Data")
    arrived = started.value
    data = bytes((i * i // 7) % 256 for i in range(500_000)) * 10 + b"<the end>"
    assert arrived.suggested_filename == "prünelab data.bin"
    assert hashlib.sha256(Path(arrived.path()).read_bytes()).digest() == hashlib.sha256(data).digest()
    expect(root(page, "download")).to_have_attribute("data-state", "done")
    expect(root(page, "download").get_by_role("status")).to_have_text("Data: downloaded prünelab data.bin (5.0 MB)")
    with page.expect_download():  # the second time as well, and the file itself again
        press(page, "Data")
    with page.expect_download():
        page.get_by_role("link", name="prünelab data.bin").click()


def test_what_cannot_be_had_is_said_in_words(page: Page, served: str) -> None:
    visit(page, served, "download")
    status = root(page, "download").get_by_role("status")
    model = page.get_by_role("button", name="Model")
    expect(model).to_be_disabled()
    expect(model).to_have_attribute("title", "Nothing is trained yet.")
    model.click(force=True)  # as a finger does, which sees no title
    expect(status).to_have_text("Model: Nothing is trained yet.")
    press(page, "Report")
    expect(status).to_have_text("Report: page 3 of 6")
    expect(page.get_by_role("button", name="Report")).to_be_disabled()
    press(page, "fail")
    expect(status).to_have_text("Report: the <b>disk</b> is full; make room")
    expect(root(page, "download")).to_have_attribute("data-state", "error")
    expect(page.get_by_role("button", name="Report")).to_be_enabled()
    press(page, "allow")
    expect(model).to_be_enabled()
    assert fits(page, 360)


def test_a_text_is_copied(page: Page, served: str, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit(page, served, "download")
    press(page, "Copy Python")
    expect(root(page, "download").get_by_role("status")).to_have_text("Copy Python: copied")
    assert page.evaluate("navigator.clipboard.readText()") == 'import prunelab as pl\nprint("<b>ä</b>")'


def test_a_text_is_offered_where_a_page_may_not_copy(page: Page, served: str) -> None:
    page.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined }); document.execCommand = () => false;"
    )
    visit(page, served, "download")
    press(page, "Copy Python")
    expect(root(page, "download")).to_have_attribute("data-state", "offered")
    field = page.get_by_role("textbox", name="Copy Python: text to copy")
    expect(field).to_be_focused()
    assert page.evaluate("getSelection().toString()") == 'import prunelab as pl\nprint("<b>ä</b>")'


# ---- all three, in JupyterLab


def test_jupyterlab_shows_all_three_again_and_only_the_tab_that_asks_gets_a_file(
    page: Page, context: BrowserContext, notebook: Notebook, jupyterlab_server: Callable[[Path], Server]
) -> None:
    path = notebook(SHOWN, SCRUBBER, DRAW, DOWNLOAD)
    server = jupyterlab_server(path.parent)
    open_notebook(page, server.url, path.name)
    run_all(page)
    expect_there(page, "scrubber", "draw", "download")
    at(page, "live", "live")
    page.get_by_role("slider").press("Home")
    at(page, "0", "scrubbed")
    # The notebook would take these keys for itself: select the next cell, or scroll.
    sheet = page.get_by_role("application")
    for key in ("ArrowUp", "Space", "ArrowDown", "Space"):
        sheet.press(key)
    expect(root(page, "draw")).to_have_attribute("data-state", "drawn")
    expect(root(page, "draw")).to_have_attribute("data-cursor", "4,4")
    expect(sheet).to_be_focused()
    inked = root(page, "draw").get_attribute("data-inked") or ""
    save(page)

    page.reload()
    expect_there(page, "scrubber", "draw")
    at(page, "0", "scrubbed")
    expect(root(page, "draw")).to_have_attribute("data-inked", inked)

    second = context.new_page()
    open_notebook(second, server.url, path.name)
    expect_there(second, "scrubber", "draw", "download")
    at(second, "0", "scrubbed")
    expect(root(second, "draw")).to_have_attribute("data-inked", inked)
    second.get_by_role("slider").press("PageDown")
    at(page, "9", "scrubbed")
    with second.expect_download():
        press(second, "Data")
    expect(root(second, "download")).to_have_attribute("data-state", "done")
    expect(root(page, "download")).to_have_attribute("data-state", "idle")
