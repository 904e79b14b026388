"""Plots in real pages: they arrive, follow the kernel, survive reloads and second tabs, and say what failed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, WebSocket, expect

from support.jupyterlab import run_all, save

NAMES = ["line", "bars", "points", "map", "filled", "spread"]

SIX_PLOTS = """
import ipywidgets
from prunelab.lab.widgets.plot import Plot

def figure(name, revision):
    numbers = [revision + (7 * i % 11) for i in range(40)]
    trace = {
        "line": {"type": "scatter", "y": numbers},
        "bars": {"type": "bar", "y": numbers},
        "points": {"mode": "markers", "y": numbers},
        "map": {"type": "heatmap", "z": [numbers[:20], numbers[20:]]},
        "filled": {"type": "scatter", "fill": "tozeroy", "y": numbers},
        "spread": {"type": "histogram", "x": numbers},
    }[name]
    title = f"{name} at revision {revision}"
    return {"data": [trace], "layout": {"title": {"text": title}, "meta": {"revision": revision}}}

names = ["line", "bars", "points", "map", "filled", "spread"]
plots = [Plot(figure=figure(name, 1), name=name, summary=f"{name}, in words") for name in names]

def next_revision(_):
    for plot in plots:
        plot.figure = figure(plot.name, plot.figure["layout"]["meta"]["revision"] + 1)

def spoil(_):
    plots[0].figure = {"data": 5}
    plots[1].figure = {"data": [{"y": [1]}], "layout": {"xaxis": 7}}  # plotly.js itself stumbles over this one

def mend(_):
    for plot in plots[:2]:
        plot.figure = figure(plot.name, 7)

def flood(_):
    for _ in range(50):
        next_revision(_)

buttons = [ipywidgets.Button(description=text) for text in ("next", "spoil", "mend", "flood")]
for button, action in zip(buttons, (next_revision, spoil, mend, flood)):
    button.on_click(action)
grid = ipywidgets.GridBox(plots, layout={"grid_template_columns": "repeat(3, 1fr)"})
ipywidgets.VBox([ipywidgets.HBox(buttons), grid])
"""


# One plot far below: on a screen only where somebody scrolls to it.
BELOW = """
import ipywidgets
from prunelab.lab.widgets.plot import Plot

def draw():
    drawn = 0 if not plot.figure["data"] else plot.figure["layout"]["meta"]["revision"]
    plot.figure = {"data": [{"y": [1, 2]}], "layout": {"meta": {"revision": drawn + 1}}}

def tell(visible):
    label.value = f"visible: {visible}"
    if visible:
        draw()  # as a lab would: what nobody sees is not computed

plot = Plot(name="below")
label = ipywidgets.Label(f"visible: {plot.visible}")
label.add_class("sight")
plot.on_visible(tell)
ipywidgets.VBox([label, ipywidgets.Box(layout={"height": "3000px"}), plot])
"""


def plot(page: Page, name: str):
    return page.locator(f".prunelab-plot[data-plot={name}]")


def expect_ready(page: Page, revision: int, names: list[str] = NAMES) -> None:
    for name in names:
        expect(plot(page, name)).to_have_attribute("data-revision", str(revision), timeout=60_000)
        expect(plot(page, name)).to_have_attribute("data-state", "ready")
        expect(plot(page, name)).to_contain_text(f"{name} at revision {revision}")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_voila_shows_six_plots_in_few_bytes(
    page: Page, notebook: Callable[..., Path], voila: Callable[..., str]
) -> None:
    received = 0

    def count(payload: str | bytes) -> None:
        nonlocal received
        received += len(payload)

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", count)

    page.on("websocket", listen)
    voila(notebook(SIX_PLOTS))
    expect_ready(page, 1)
    assert received <= 2_500_000
    assert page.title() == "prunelab"
    expect(page.locator("#loading")).to_have_count(0)


def test_the_kernel_repaints_plots_on_the_page(
    page: Page, notebook: Callable[..., Path], voila: Callable[..., str]
) -> None:
    voila(notebook(SIX_PLOTS))
    expect_ready(page, 1)
    press(page, "next")
    expect_ready(page, 2)
    press(page, "flood")
    # The page is busy meanwhile, so that pictures arrive faster than it can draw them, however slow the kernel is.
    page.evaluate("() => { const until = performance.now() + 2000; while (performance.now() < until); }")
    expect_ready(page, 52)
    # Latest wins: what arrived while no picture could be drawn was skipped.
    assert int(plot(page, "map").get_attribute("data-paints") or 0) < 52


def test_plots_are_described_and_fill_their_place(
    page: Page, notebook: Callable[..., Path], voila: Callable[..., str]
) -> None:
    voila(notebook(SIX_PLOTS))
    expect_ready(page, 1)
    expect(plot(page, "line").get_by_role("img", name="line, in words")).to_be_visible()
    for width in (1280, 620, 1000):
        page.set_viewport_size({"width": width, "height": 900})
        for name in NAMES:
            # The picture itself follows, not only the box around it.
            page.wait_for_function(
                """name => {
                    const root = document.querySelector(`.prunelab-plot[data-plot=${name}]`);
                    return root.querySelector("svg").clientWidth === root.clientWidth;
                }""",
                arg=name,
            )


def test_a_bad_figure_is_explained_and_the_next_good_one_drawn(
    page: Page, notebook: Callable[..., Path], voila: Callable[..., str]
) -> None:
    voila(notebook(SIX_PLOTS))
    expect_ready(page, 1)
    press(page, "spoil")
    trouble = plot(page, "line").get_by_role("alert")
    expect(trouble).to_have_text("This plot could not be drawn: the figure's data is not a list of traces.")
    for name in ("line", "bars"):
        expect(plot(page, name)).to_have_attribute("data-state", "error")
        expect(plot(page, name).get_by_role("alert")).to_contain_text("This plot could not be drawn: ")
    press(page, "mend")
    expect_ready(page, 7, ["line", "bars"])
    expect(page.get_by_role("alert")).to_have_count(0)


def test_jupyterlab_shows_plots_again_after_a_reload_and_in_a_second_tab(
    page: Page,
    context: BrowserContext,
    notebook: Callable[..., Path],
    jupyterlab: Callable[[Page, Path], None],
) -> None:
    path = notebook(SIX_PLOTS)
    jupyterlab(page, path)
    run_all(page)
    expect_ready(page, 1)
    save(page)
    press(page, "next")
    expect_ready(page, 2)

    page.reload()
    expect_ready(page, 2)

    second = context.new_page()
    jupyterlab(second, path)
    expect_ready(second, 2)
    press(second, "next")
    expect_ready(second, 3)
    expect_ready(page, 3)


def expect_sight(page: Page, visible: bool) -> None:
    expect(page.locator(".sight")).to_have_text(f"visible: {visible}", timeout=60_000)


def test_a_plot_is_visible_while_any_page_has_it_on_its_screen(
    page: Page,
    context: BrowserContext,
    notebook: Callable[..., Path],
    jupyterlab: Callable[[Page, Path], None],
) -> None:
    path = notebook(BELOW)
    jupyterlab(page, path)
    run_all(page)
    expect_sight(page, False)
    save(page)
    plot(page, "below").scroll_into_view_if_needed()
    expect_sight(page, True)
    expect(plot(page, "below")).to_have_attribute("data-revision", "1")
    page.locator(".sight").scroll_into_view_if_needed()
    expect_sight(page, False)

    second = context.new_page()
    jupyterlab(second, path)
    plot(second, "below").scroll_into_view_if_needed()
    expect_sight(page, True)
    expect(plot(page, "below")).to_have_attribute("data-revision", "2")
    # What a browser tells a page that is left. A page that really goes may not get to send it on a busy machine.
    second.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    expect_sight(page, False)


ALONE = """
import ipywidgets as w, prunelab as pl
lab = pl.Lab(pl.Recipe(model="mlp-small", epochs=3))
w.HBox([lab.controls["quality"], lab.panels["weights"]])
"""


def test_a_slider_beside_a_picture_has_a_name_and_can_be_dragged(
    page: Page, notebook: Callable[..., Path], voila: Callable[..., str]
) -> None:
    voila(notebook(ALONE))
    handle = page.get_by_role("slider", name="quality", exact=True)
    track = page.locator(".prunelab-number-track").bounding_box()
    assert track and track["width"] >= 100
    plot = page.locator(".prunelab-plot")
    expect(plot).to_have_attribute("data-state", "ready")
    page.wait_for_function("JSON.parse(document.querySelector('.prunelab-plot').dataset.revision).quality === 1.5")
    box, picture = handle.bounding_box(), plot.bounding_box()
    assert box and picture and picture["width"] > 600
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + track["width"] / 6, box["y"] + 5, steps=4)
    page.mouse.up()
    page.wait_for_function("JSON.parse(document.querySelector('.prunelab-plot').dataset.revision).quality > 1.8")
