"""Fingers: room for them on what they press."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support.lab_page import DASHBOARD, EVERYTHING, expect_root, leave, slider, unfold

# What is pressed: its name and the height and width in which it can be hit.
TARGETS = """() => {
    const all = ".prunelab :is(button, select, input, [role=button], [role=slider])";
    return [...document.querySelectorAll(all)].filter((e) => e.checkVisibility({visibilityProperty: true})).map((e) => {
        const hit = e.type === "checkbox" ? e.closest("label") : e;
        const small = e.matches(".prunelab-number-handle, .prunelab-term-button");
        const around = small ? getComputedStyle(e, "::after") : null;
        const {width, height} = around
            ? {width: parseFloat(around.width), height: parseFloat(around.height)} : hit.getBoundingClientRect();
        return [e.getAttribute("aria-label") || e.textContent.trim() || e.tagName, width, height];
    });
}"""


@pytest.mark.parametrize("coarse", [False, True])
def test_a_finger_finds_room_on_what_it_presses(
    browser: Browser, address: Callable[[Path], str], notebooks: Path, coarse: bool
) -> None:
    """On a phone's width, and on a wide screen that is touched."""
    size = {"width": 1280, "height": 900} if coarse else {"width": 390, "height": 844}
    context = browser.new_context(viewport=size, has_touch=coarse, is_mobile=coarse)  # type: ignore[arg-type]
    context.add_init_script("if (location.protocol.startsWith('http')) localStorage.setItem('prunelab.tour', 'seen')")
    page = context.new_page()
    page.goto(address(notebooks / DASHBOARD.name) + EVERYTHING)
    expect_root(page, state="ready", phase="trained")
    unfold(page)
    expect(slider(page, "fc1")).to_be_visible()
    page.get_by_role("button", name="Tour").click()
    targets = page.evaluate(TARGETS)
    assert len(targets) > 30
    small = [(name, width, height) for name, width, height in targets if min(width, height) < 43.5]
    leave(context)
    context.close()
    assert not small
