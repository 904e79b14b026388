"""Cells of a mask on the screen: a whole number of pixels each, with sharp edges."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from support.lab_page import expect_drawn, root

IMAGE = """e => {
    const box = e.getBoundingClientRect();
    return [box.width, box.height, getComputedStyle(e).imageRendering];
}"""


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_cells_are_whole_pixels(everything: Page, width: int) -> None:
    page = everything
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function("width => innerWidth === width", arg=width)
    panel = root(page).locator(".pl-mask")
    panel.scroll_into_view_if_needed()
    for layer, (rows, columns) in {"fc3": (10, 32), "fc2": (32, 64)}.items():
        panel.get_by_label("layer").select_option(layer)
        expect(panel.locator(".prunelab-plot-title")).to_contain_text(f"{layer}:")
        expect_drawn(page, 1.5)
        across, down, rendering = panel.locator(".imagelayer image").evaluate(IMAGE)
        for pixels, cells in ((across, columns), (down, rows)):
            each = pixels / cells
            assert each >= 1 and each == pytest.approx(round(each), abs=0.01), (layer, pixels, cells)
        assert rendering == "pixelated"
    panel.get_by_label("layer").select_option("fc1")
