"""A report as whoever receives it sees it: a file, opened in a browser, on its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import prunelab as pl
from prunelab.exports import report
from prunelab.formatting import percent
from prunelab.hardware import Machine
from prunelab.results.measurement import Latency, Measurement, Size
from prunelab.results.snapshot import Snapshot

PANELS = (
    "weights", "distribution", "accuracy", "connections", "mask", "pixels", "bands", "dropout", "size", "speed",
)  # fmt: skip
HOSTILE = "<img src=x onerror='window.harmed=1'></script><script>window.harmed=2</script><a href='https://evil'>x</a>"
RECIPE = pl.Recipe(model="mlp-small", epochs=3, retrain_epochs=1, rounds=2, quality=1.2)


@pytest.fixture(scope="module")
def history() -> list[Snapshot]:
    session = pl.Session(RECIPE)
    for _ in session:
        pass
    return list(session.history)


@pytest.fixture(scope="module")
def measurement(history: list[Snapshot]) -> Measurement:
    now = history[-1]
    sizes = [("dense", 26_000), ("COO", 31_000), ("packed", 6_000), ("bound", 5_900)]
    latencies = [
        Latency(name, batch, 2, *(factor * batch * part for part in (1e-5, 0.9e-5, 1.1e-5, 0.8e-5)))
        for batch, (name, factor) in itertools.product((1, 64), (("dense", 1.0), ("sparse", 1.6), ("converted", 0.4)))
    ]
    machine = Machine("a processor", 2, "Linux x86_64", "2.13.0")
    return Measurement(machine, now.kept, now.total, tuple(Size(*s, "") for s in sizes), tuple(latencies))


@pytest.fixture
def written(tmp_path: Path, measurement: Measurement) -> Callable[..., str]:
    """``written(recipe, history)``: the report as a file; its address."""

    def write(recipe: pl.Recipe, snapshots: list[Snapshot]) -> str:
        path = tmp_path / "report.html"
        path.write_text(report(recipe, snapshots, measurement), encoding="utf-8")
        return path.as_uri()

    return write


def open_report(page: Page, url: str) -> list[str]:
    """Opens a report and waits until it is drawn; the addresses that were asked for."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    return asked


def panel(page: Page, name: str) -> Locator:
    return page.locator(f"figure[data-panel={name}]")


def bars(page: Page, name: str) -> list[str]:
    """The outlines of all bars that are on the screen."""
    paths = panel(page, name).locator(".barlayer .point path")
    return paths.evaluate_all("paths => paths.map((path) => path.getAttribute('d'))")


def move_to(page: Page, moment: int) -> None:
    page.get_by_role("slider", name="moment").fill(str(moment))
    expect(page.locator("body")).to_have_attribute("data-moment", str(moment))


def test_every_picture_is_drawn_and_nothing_is_asked_of_any_network(
    page: Page, history: list[Snapshot], written: Callable[..., str]
) -> None:
    asked = open_report(page, written(RECIPE, history))
    assert [url for url in asked if not url.startswith(("file:", "data:image/png;base64,"))] == []
    assert [figure.get_attribute("data-panel") for figure in page.locator("figure").all()] == list(PANELS)
    for name in PANELS:
        expect(panel(page, name).locator("div.plot")).to_have_accessible_name(
            f"{panel(page, name).locator('h3').inner_text()}. {panel(page, name).locator('.words').inner_text()}"
        )
        expect(panel(page, name).locator("svg .cartesianlayer .subplot").first).to_be_attached()
    drawn = (
        panel(page, "weights")
        .locator(".js-plotly-plot")
        .evaluate("e => e.data.flatMap((t) => t.type === 'bar' ? t.x : [])")
    )
    assert len(bars(page, "weights")) == len(drawn) >= 2 * 20 * 3
    assert panel(page, "mask").locator("svg image").count() == 1
    expect(panel(page, "accuracy").locator("svg path.js-line")).to_have_count(2)
    expect(page.locator("#trouble")).to_be_hidden()


def test_the_scrubber_takes_all_pictures_to_its_moment(
    page: Page, history: list[Snapshot], written: Callable[..., str]
) -> None:
    open_report(page, written(RECIPE, history))
    settled = [s for s in history if s.settled]
    last = {name: bars(page, name) for name in ("weights", "connections", "size")}
    slider = page.get_by_role("slider", name="moment")
    expect(slider).to_have_attribute("max", str(len(settled) - 1))

    move_to(page, 0)
    expect(panel(page, "weights").locator("h3")).to_have_text(
        f"Dense: all {settled[0].total:,} connections, none is cut"
    )
    expect(page.locator("#now")).to_contain_text("dense, trained")
    expect(slider).to_have_attribute("aria-valuetext", page.locator("#now").inner_text())
    assert bars(page, "weights") != last["weights"] and bars(page, "connections") != last["connections"]
    assert bars(page, "size") == last["size"], "what was measured at the end stays"

    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#now")).to_contain_text("round 1, pruned")
    expect(panel(page, "weights").locator("h3")).to_contain_text(f"{percent(settled[1].density)} of ")
    move_to(page, len(settled) - 1)
    assert {name: bars(page, name) for name in last} == last


def test_a_layer_is_chosen_for_its_mask_and_stays_chosen(
    page: Page, history: list[Snapshot], written: Callable[..., str]
) -> None:
    open_report(page, written(RECIPE, history))
    panel(page, "mask").get_by_label("layer").select_option("fc2")
    expect(panel(page, "mask").locator("h3")).to_contain_text("fc2: ")
    move_to(page, 0)
    expect(panel(page, "mask").locator("h3")).to_have_text("fc2: 0.0 % cut")


def test_numbers_appear_under_the_mouse(page: Page, history: list[Snapshot], written: Callable[..., str]) -> None:
    open_report(page, written(RECIPE, history))
    bar = panel(page, "connections").locator(".barlayer .point path").first
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 4, box["y"] + box["height"] / 2)
    expect(panel(page, "connections").locator(".hoverlayer text").first).to_contain_text("kept")


def test_hostile_names_are_shown_and_do_nothing(
    page: Page, history: list[Snapshot], written: Callable[..., str]
) -> None:
    old = history[0].layers[0].name
    named = [
        replace(
            s,
            layers=(replace(s.layers[0], name=HOSTILE), *s.layers[1:]),
            dropouts=tuple(replace(d, name=HOSTILE, layer=HOSTILE if d.layer == old else d.layer) for d in s.dropouts),
        )
        for s in history
    ]
    asked = open_report(page, written(RECIPE.changed(layer_quality={HOSTILE: 2.0}), named))
    for moment in range(5):
        move_to(page, moment)
    assert page.evaluate("window.harmed") is None
    assert page.locator("a").count() == 0 and page.locator("img").count() == 0
    assert [url for url in asked if not url.startswith(("file:", "data:image/png;base64,"))] == []
    expect(panel(page, "mask").locator("h3")).to_contain_text("<img src=x onerror=")
    expect(page.get_by_role("cell", name=HOSTILE, exact=True)).to_be_visible()
    expect(page.locator("#trouble")).to_be_hidden()


@pytest.mark.parametrize("width", [360, 1280, 2560])
def test_nothing_sticks_out_at_any_width_and_plots_follow_it(
    page: Page, history: list[Snapshot], written: Callable[..., str], width: int
) -> None:
    open_report(page, written(RECIPE, history))
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function(
        """() => [...document.querySelectorAll("figure .plot")].every(
            (plot) => plot.querySelector("svg").clientWidth === plot.clientWidth)"""
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_light_and_dark_follow_the_system_and_paper_is_light(
    page: Page, history: list[Snapshot], written: Callable[..., str]
) -> None:
    def ink() -> str:
        return panel(page, "weights").locator(".xtitle").first.evaluate("(text) => getComputedStyle(text).fill")

    def wait_for_ink(colour: str) -> None:
        page.wait_for_function(
            "(ink) => getComputedStyle(document.querySelector('figure .xtitle')).fill === ink", arg=colour
        )

    open_report(page, written(RECIPE, history))
    wait_for_ink("rgb(26, 26, 26)")
    page.emulate_media(color_scheme="dark")
    wait_for_ink("rgb(236, 236, 236)")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 18, 18)"
    page.evaluate("window.inks = []")
    page.evaluate(
        """() => addEventListener("beforeprint", () => window.inks.push(
            getComputedStyle(document.querySelector("figure .xtitle")).fill))"""
    )
    paper = page.pdf(format="A4", print_background=True)
    assert paper.startswith(b"%PDF")
    assert page.evaluate("window.inks") == ["rgb(0, 0, 0)"]
    wait_for_ink("rgb(236, 236, 236)")
    assert ink() == "rgb(236, 236, 236)"


def test_without_scripts_the_words_and_tables_are_there(
    browser: Browser, history: list[Snapshot], written: Callable[..., str]
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(written(RECIPE, history))
    expect(page.get_by_text("a script that this viewer has not run")).to_be_visible()
    expect(panel(page, "weights").locator("h3")).to_contain_text("of 6,464 connections are left")
    expect(page.get_by_role("cell", name="fc3")).to_be_visible()
    context.close()
