"""What has the focus is seen: bars that stay in view, above and below, do not cover it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from support.lab_page import button, root

# What has the focus, and what covers its middle line; null if nothing does, or if the focus is not on the lab.
COVERED = """() => {
    const has = document.activeElement;
    if (!has?.closest(".prunelab")) return null;
    const r = has.getBoundingClientRect();
    const top = document.elementFromPoint((r.left + r.right) / 2, (r.top + r.bottom) / 2);
    if (top && (has.contains(top) || top.contains(has) || top.closest("label")?.contains(has))) return null;
    return `${has.getAttribute("aria-label") ?? has.textContent}: ${top?.className}`;
}"""

# Of what has the focus in a row that a finger moves sideways: its name, and how many pixels of it are not seen there.
OUTSIDE = """() => {
    const has = document.activeElement;
    const row = has?.closest(".pl-gallery, .pl-switches, .pl-presets, .prunelab-download-bar");
    if (!row) return null;
    const [chip, seen] = [has.closest("label") ?? has, row].map((e) => e.getBoundingClientRect());
    const name = (has.closest("label") ?? has).textContent.trim();
    return [name, Math.max(0, seen.left - chip.left, chip.right - seen.right)];
}"""


@pytest.mark.parametrize(
    ("width", "height", "query"),
    [(390, 844, ""), (700, 700, ""), (1024, 768, ""), (1024, 768, "&big=true"), (1280, 720, "")],
)
def test_the_focus_is_under_no_bar(
    page: Page, dashboard: Callable[..., str], width: int, height: int, query: str
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    dashboard(f"?v=2&model=mlp-small&epochs=3&guess=true{query}", phase="trained")
    for asks in (True, False):
        if asks:
            button(page, "Prune").click()
            expect(root(page).get_by_role("slider", name="your guess (%)")).to_be_focused()
            assert page.evaluate(COVERED) is None, "the question is seen where it is asked"
        else:
            page.evaluate("scrollTo(0, 0)")
            button(page, "Cancel").click()
        page.evaluate("document.activeElement.blur()")
        for key in ("Tab", "Shift+Tab"):
            found = []
            for _ in range(60):
                page.keyboard.press(key)
                found.append(page.evaluate(COVERED))
            assert list(filter(None, found)) == []


def test_on_a_phone_what_takes_the_focus_in_a_row_is_seen_whole(page: Page, dashboard: Callable[..., str]) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    dashboard("?v=2&model=mlp-small&epochs=3", phase="trained")
    page.evaluate("document.activeElement.blur()")
    for key in ("Tab", "Shift+Tab"):
        found = {}
        for _ in range(45):
            page.keyboard.press(key)
            name, outside = page.evaluate(OUTSIDE) or ("", 0)
            found[name] = outside
        assert {"trade-off", "L1 or L2", "Model", "large type"} <= {name.strip("\u200b") for name in found}
        assert {name: outside for name, outside in found.items() if outside} == {}


@pytest.mark.parametrize(("width", "height"), [(390, 844), (900, 700), (1280, 720)])
def test_the_picture_of_a_preset_comes_into_view(
    page: Page, dashboard: Callable[..., str], width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    dashboard("?model=mlp-small&epochs=3", phase="trained")
    button(page, "L1 or L2").click()
    # Under no bar: the title, and the middle of the picture.
    page.wait_for_function(
        """() => {
            const seen = (e) => {
                const { x, y, width, height } = e.getBoundingClientRect();
                return height > 0 && e.contains(document.elementFromPoint(x + width / 3, y + height / 2));
            };
            const picture = document.querySelector(".pl-compare .prunelab-plot");
            return picture?.dataset.state === "ready" && seen(picture)
                && seen(picture.querySelector(".prunelab-plot-title"));
        }"""
    )
