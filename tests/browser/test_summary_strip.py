"""What the cards, the state and the banner say stays in view when one scrolls."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from support.lab_page import button, expect_root, root


def test_the_numbers_stay_in_view_when_one_scrolls_and_stand_twice_nowhere(
    page: Page, dashboard: Callable[..., str]
) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    dashboard("?model=mlp-small&epochs=3&quality=3", phase="trained")
    strip = root(page).locator(".pl-strip")
    expect(strip).to_be_hidden()
    page.mouse.move(700, 500)
    page.mouse.wheel(0, 500)
    expect(strip).to_be_in_viewport()
    accuracy = root(page).locator("[data-card=accuracy]")
    expect(accuracy).not_to_be_in_viewport()
    dense = accuracy.locator(".pl-value").inner_text()
    expect(strip).to_contain_text(f"accuracy {dense} → ")
    expect(strip.locator(".pl-strip-state")).to_have_text("ready")
    box, deck = strip.bounding_box(), root(page).locator(".pl-step.pl-prune").bounding_box()
    assert box and deck and box["y"] + box["height"] <= deck["y"], "it covers nothing of the deck"
    button(page, "Prune").click()
    expect_root(page, phase="pruned")
    expect(strip.locator(".pl-strip-trouble")).to_contain_text("This cut was deep")
    fallen = accuracy.locator(".pl-value").text_content()
    expect(strip).to_contain_text(f"accuracy {fallen} · ")
    page.mouse.wheel(0, -2000)
    expect(strip).to_be_hidden()
    expect(accuracy).to_be_in_viewport()
    root(page).get_by_role("checkbox", name="stage").check()
    expect(strip).to_be_hidden()
