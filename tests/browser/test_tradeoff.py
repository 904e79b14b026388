"""The trade-off curve on the page: it grows, can be left, survives a reload; a point that is clicked is loaded."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from support.lab_page import expect_root, root

QUICK = "?model=mlp-small&epochs=3&retrain_epochs=1&show=tradeoff"
LONG = "?model=mlp-small&epochs=3&retrain_epochs=2000&show=tradeoff"

# Where on the page a point of a line is, by the axes that plotly.js has drawn.
PLACE = """([line, index]) => {
    const canvas = document.querySelector(".pl-tradeoff .prunelab-plot-canvas");
    const { xaxis, yaxis } = canvas._fullLayout;
    const trace = canvas.data.find((trace) => trace.name === line);
    const box = canvas.getBoundingClientRect();
    return {
        x: box.left + xaxis._offset + xaxis.d2p(trace.x[index]),
        y: box.top + yaxis._offset + yaxis.d2p(trace.y[index]),
    };
}"""


@pytest.fixture
def panel(page: Page, dashboard: Callable[..., str]) -> Callable[[str], Locator]:
    def opened(query: str) -> Locator:
        dashboard(query, phase="trained")
        panel = root(page).locator(".pl-panel.pl-tradeoff")
        panel.scroll_into_view_if_needed()
        expect(panel.locator(".prunelab-plot")).to_have_attribute("data-state", "ready")
        return panel

    return opened


def test_a_button_draws_it_and_a_click_on_a_point_loads_that_run(page: Page, panel: Callable[[str], Locator]) -> None:
    curve = panel(QUICK)
    kept = root(page).get_attribute("data-kept")
    curve.get_by_role("button", name="Draw the curve").click()
    expect(curve.get_by_role("combobox", name="run").locator("option")).to_have_count(54, timeout=120_000)
    expect_root(page, state="ready", phase="trained", kept=str(kept))
    expect(curve.locator(".prunelab-plot-words")).to_contain_text("L2 iterative:")
    expect(curve.locator(".prunelab-plot-title")).not_to_contain_text("points)")
    place = page.evaluate(PLACE, ["L2 iterative", 2])
    page.mouse.click(place["x"], place["y"])
    expect_root(page, state="ready", phase="retrained", round="3")
    share = int(root(page).get_attribute("data-kept") or 0) / int(kept or 1)
    assert share == pytest.approx(0.35, abs=0.001)
    page.reload()
    expect_root(page, state="ready", phase="retrained", round="3")
    expect(curve.get_by_role("combobox", name="run").locator("option")).to_have_count(54)
    expect(curve.locator(".prunelab-plot-words")).to_contain_text("L2 iterative:")


def test_by_keyboard_a_run_is_chosen_and_loaded(page: Page, panel: Callable[[str], Locator]) -> None:
    curve = panel(LONG)
    load = curve.get_by_role("button", name="Load this run")
    expect(load).to_be_disabled()
    curve.get_by_role("button", name="Draw the curve").focus()
    page.keyboard.press("Enter")
    expect_root(page, state="tracing")
    expect(curve.get_by_role("combobox", name="run")).to_contain_text("L2 only cut, 70.0 % kept")
    expect(load).to_be_disabled()
    expect(curve.locator(".prunelab-plot-title")).to_contain_text(re.compile(r"\(\d+ of 54 points\)"))
    curve.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Enter")
    expect_root(page, state="ready", phase="trained")
    curve.get_by_role("combobox", name="run").select_option(index=0)
    load.focus()
    page.keyboard.press("Enter")
    expect_root(page, state="ready", phase="pruned", round="1")
    expect(root(page).get_by_role("slider", name="density", exact=True)).to_be_visible()
