"""The stage: the whole loop on one screen; two sliders that retrain live."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from support.lab_page import button, expect_drawn, expect_root, number, root, slider

Lab = Callable[..., str]

# What has to be seen together, and how much of it lies outside of the window or under something else, in words.
NEEDED = [
    *(f".pl-card[data-card={name}]" for name in ("accuracy", "connections", "effective", "compression")),
    *(f".pl-card[data-card={name}]" for name in ("dropout", "file", "speed")),
    *(
        ".pl-weights .prunelab-plot-stage",
        ".pl-accuracy .prunelab-plot-stage",
        ".pl-state",
        ".prunelab-scrubber-range",
    ),
]
UNSEEN = """needed => {
    const root = document.querySelector(".prunelab");
    const parts = [...needed.map((name) => [name, root.querySelector(name)]),
        ...["quality", "rounds"].map((name) => [name, root.querySelector(`[role=slider][aria-label=${name}]`)]),
        ...["Prune", "Retrain", "Run all", "Pause", "Reset"].map((name) =>
            [name, [...root.querySelectorAll("button")].find((e) => e.textContent.trim() === name && e.offsetParent)])];
    return parts.flatMap(([name, e]) => {
        if (!e) return [`${name}: not there`];
        const r = e.getBoundingClientRect();
        const outside = r.left < -1 || r.top < -1 || r.right > innerWidth + 1 || r.bottom > innerHeight + 1;
        if (r.width < 4 || r.height < 4 || outside)
            return [`${name}: ${[r.left, r.top, r.right, r.bottom].map(Math.round)}`];
        const top = document.elementFromPoint((r.left + r.right) / 2, (r.top + r.bottom) / 2);
        return e.contains(top) || top?.contains(e) ? [] : [`${name}: under ${top?.className}`];
    });
}"""
SCROLLS = """() => [document.scrollingElement, document.body, ...document.querySelectorAll(".pl-stage, .pl-stage *")]
    .filter((e) => e instanceof HTMLElement && !e.matches("input, .prunelab-plot *, .pl-unseen")
        && (e.scrollHeight > e.clientHeight + 1) && /auto|scroll/.test(getComputedStyle(e).overflowY))
    .map((e) => `${e.className}: ${e.scrollHeight} in ${e.clientHeight}`)"""


@pytest.mark.parametrize(("width", "height", "large"), [(1280, 720, ""), (1366, 768, ""), (1280, 720, "&big=true")])
def test_all_that_a_loop_needs_is_on_one_screen_before_and_after_it(
    page: Page, dashboard: Lab, width: int, height: int, large: str
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    dashboard(f"?stage&model=mlp-small&rounds=1{large}", phase="trained")
    expect_drawn(page, 1.5)
    assert page.evaluate(UNSEEN, NEEDED) == []
    assert page.evaluate(SCROLLS) == []
    heights = page.evaluate("[...document.querySelectorAll('.pl-weights .main-svg')].map((e) => e.clientHeight)")
    assert min(heights) > height / 3, "the pictures take what is left of the window"

    for name, reached in (("Prune", {"phase": "pruned", "step": "retrain"}),
                          ("Retrain", {"phase": "retrained", "state": "ready"})):  # fmt: skip
        expect(button(page, name)).to_be_enabled()  # a key does what its button would
        page.keyboard.press("Space")
        expect_root(page, **reached)
    expect(root(page).locator("[data-card=file] .pl-value")).to_contain_text("KB")
    expect_drawn(page)
    assert page.evaluate(UNSEEN, NEEDED) == []
    assert page.evaluate(SCROLLS) == []

    root(page).get_by_label("stage").uncheck()
    page.wait_for_function("!document.querySelector('.pl-stage')")
    expect_drawn(page)
    bars = root(page).locator(".pl-weights .cartesianlayer").bounding_box()
    foot = root(page).locator(".pl-foot").bounding_box()
    assert bars and foot and foot["y"] - bars["y"] > 100, "off the stage, too, the histogram is beside its slider"


def test_off_the_stage_too_large_pictures_end_above_the_scrubber_on_a_low_screen(page: Page, dashboard: Lab) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    dashboard("?model=mlp-small&epochs=3&big=true&quality=2", phase="trained")
    expect_drawn(page, 2.0)
    ends_above_the_scrubber(page)
    top = root(page).locator(".pl-cards").bounding_box()
    button(page, "Prune").click()
    expect_root(page, phase="pruned", state="ready")
    expect_drawn(page)
    expect(root(page).get_by_role("alert").filter(has_text="This cut was deep")).to_be_visible()
    ends_above_the_scrubber(page)
    assert root(page).locator(".pl-cards").bounding_box() == top, "nothing moves"


def test_the_many_words_of_a_comparison_move_nothing_in_large_type(page: Page, dashboard: Lab) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    dashboard("?model=mlp-small&epochs=100&big=true&show=compare", phase="trained")
    expect_drawn(page)
    top = root(page).locator(".pl-cards").bounding_box()
    button(page, "one shot or five rounds").click()
    expect(root(page).locator(".pl-state-text")).to_contain_text("1 of 2 · round 1 of 1: retraining")
    assert root(page).locator(".pl-cards").bounding_box() == top
    button(page, "Pause").click()
    expect_root(page, state="paused", comparing="yes")
    assert root(page).locator(".pl-cards").bounding_box() == top
    button(page, "Stop").click()
    expect_root(page, state="ready")
    expect(root(page)).not_to_have_attribute("data-comparing", "yes")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("switches", ["", "&big=true", "&stage", "&stage&big=true"])
def test_titles_of_two_axes_that_stand_over_one_another_do_not_touch(
    page: Page, dashboard: Lab, width: int, switches: str
) -> None:
    page.set_viewport_size({"width": width, "height": 720})
    dashboard(f"?model=mlp-small&epochs=3{switches}", phase="trained")
    page.locator(".pl-accuracy").scroll_into_view_if_needed()
    page.wait_for_function(
        """() => {
            const [above, below] = ["ytitle", "y2title"].map((name) => document.querySelector(`.pl-accuracy .${name}`));
            return above && below && above.getBoundingClientRect().bottom + 4 < below.getBoundingClientRect().top;
        }"""
    )


def ends_above_the_scrubber(page: Page) -> None:
    """Histograms and accuracy, down to the titles of their axes."""
    foot = root(page).locator(".pl-foot").bounding_box()
    for name in ("weights", "accuracy"):
        title = root(page).locator(f".pl-{name} [class*=xtitle], .pl-{name} [class*=x2title]").first.bounding_box()
        assert foot and title and title["y"] + title["height"] <= foot["y"], name


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (768, 1024), (900, 600), (1100, 720)])
def test_on_narrower_screens_too_both_pictures_stand_beside_each_other(
    page: Page, dashboard: Lab, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    dashboard("?stage&model=mlp-small&rounds=1", phase="trained")
    expect_drawn(page, 1.5)
    assert page.evaluate(UNSEEN, NEEDED) == []
    assert page.evaluate(SCROLLS) == []
    lines = "[...document.querySelectorAll('.pl-value')].filter((e) => e.clientHeight > 40).map((e) => e.textContent)"
    assert page.evaluate(lines) == [], "a number of a card stands in one line"


@pytest.mark.parametrize(("width", "height"), [(390, 844), (844, 390)])
def test_a_phone_has_no_room_for_a_stage_and_gets_the_whole_page(
    page: Page, dashboard: Lab, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    dashboard("?stage&model=mlp-small", phase="trained")
    boxes = "[...document.querySelectorAll('.pl-card, .pl-step, .pl-panel')].map((e) => [e.offsetWidth, e.offsetLeft])"
    on_stage = page.evaluate(boxes)
    root(page).get_by_label("stage").uncheck()
    page.wait_for_function("!document.querySelector('.pl-stage')")
    assert page.evaluate(boxes) == on_stage


@pytest.mark.parametrize(("width", "query"), [(1280, "&big=true"), (1280, ""), (1024, "")])
def test_nothing_covers_what_goes_on(page: Page, dashboard: Lab, width: int, query: str) -> None:
    page.set_viewport_size({"width": width, "height": 720})
    dashboard(f"?stage&model=mlp-small&rounds=30&retrain_epochs=2000{query}", phase="trained")
    button(page, "Run all").click()
    expect(root(page).locator(".pl-state-text")).to_contain_text("left")
    covered = """() => {
        const r = document.querySelector(".pl-state-text").getBoundingClientRect();
        const places = [...Array(20).keys()].map((i) => r.left + ((i + 0.5) * r.width) / 20);
        const top = (x) => document.elementFromPoint(x, (r.top + r.bottom) / 2);
        return places.map(top).filter((e) => !e?.closest(".pl-bar")).map((e) => e?.className);
    }"""
    assert page.evaluate(covered) == []
    for name in ("stage", "large type"):
        box = root(page).get_by_role("checkbox", name=name)
        assert box.evaluate("""e => { const r = e.getBoundingClientRect();
            return e === document.elementFromPoint((r.left + r.right) / 2, (r.top + r.bottom) / 2); }""")
    button(page, "Pause").click()


def test_a_loop_takes_three_presses_and_arrows_move_the_slider(page: Page, dashboard: Lab) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    dashboard("?stage&model=mlp-small", phase="trained")
    slider(page).press("ArrowRight")
    expect_root(page, preview="1.55")
    left = number(page, "preview-kept")
    page.keyboard.press("Space")  # the slider has the focus: it does not take this key
    expect_root(page, phase="pruned", kept=f"{left:.0f}")
    fallen = number(page, "accuracy")
    page.keyboard.press("Space")
    expect_root(page, phase="retrained", state="ready")
    assert number(page, "accuracy") > fallen
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement !== null")
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement === null")

    # Where something can be written, letters are letters; a key that somebody else has taken is his.
    page.evaluate("""() => {
        const note = Object.assign(document.createElement("p"), { contentEditable: "plaintext-only", id: "note" });
        document.querySelector(".prunelab").append(note);
        const taken = Object.assign(document.createElement("p"), { tabIndex: 0, id: "taken" });
        taken.addEventListener("keydown", (event) => event.preventDefault());
        document.querySelector(".prunelab").append(taken);
        window.asked = 0;
        document.documentElement.requestFullscreen = async () => { window.asked += 1; };
    }""")
    for place, keys in (("#note", "f F"), ("#taken", "f")):
        page.locator(place).focus()
        page.keyboard.type(keys)
    expect(page.locator("#note")).to_have_text("f F")
    assert page.evaluate("window.asked") == 0
    page.evaluate("for (const id of ['note', 'taken']) document.getElementById(id).remove()")


@pytest.mark.parametrize("hidden", ["", "&hide=prune"])
def test_a_key_that_is_held_asks_once_and_presses_nothing_that_is_hidden(
    page: Page, dashboard: Lab, hidden: str
) -> None:
    dashboard(f"?v=2&stage=true&model=mlp-small&epochs=3{hidden}", phase="trained")
    page.evaluate("""() => {
        window.asked = [0, 0];
        document.documentElement.requestFullscreen = async () => { window.asked[0] += 1; };
        addEventListener("click", () => { window.asked[1] += 1; }, true);
    }""")
    for key in ("f", "Space"):
        for time in range(5):
            page.keyboard.down(key)
            if not time and key == "Space" and not hidden:
                expect_root(page, phase="pruned", step="retrain")  # the next step could be pressed now
        page.keyboard.up(key)
    assert page.evaluate("window.asked") == [1, 0 if hidden else 1]


def test_the_stage_is_left_by_one_press_and_the_page_is_as_before(page: Page, dashboard: Lab) -> None:
    dashboard("?model=mlp-small&show=graph", phase="trained")
    switch = root(page).get_by_role("checkbox", name="stage")
    switch.check()
    expect(root(page).locator(".pl-side")).to_be_hidden()
    expect(root(page).locator(".pl-graph")).to_be_hidden()
    switch.uncheck()
    expect(root(page).locator(".pl-side")).to_be_visible()
    expect(root(page).locator(".pl-graph")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("body").press("Space")
    expect_root(page, phase="trained")


@pytest.mark.parametrize("query", ["big=true", "stage=true&big=true", "stage=true"])
@pytest.mark.parametrize("width", [1280, 1366])
def test_both_sliders_are_wide_in_every_layout_of_a_projector(
    page: Page, dashboard: Lab, query: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 720})
    dashboard(f"?model=mlp-small&{query}", phase="trained")
    for track in root(page).locator(".pl-deck .prunelab-number-track:visible").all():
        box = track.bounding_box()
        assert box and box["width"] >= 240


def test_live_letting_go_of_a_slider_retrains_and_a_newer_move_supersedes(page: Page, dashboard: Lab) -> None:
    dashboard("?model=mlp-small&rounds=2&retrain_epochs=200", phase="trained")
    root(page).get_by_label("live", exact=True).check()
    expect(root(page).locator(".pl-live .pl-hint")).to_contain_text("letting go retrains")
    track = root(page).locator(".pl-prune .prunelab-number-track:visible").bounding_box()
    assert track and track["width"] >= 240
    middle = track["y"] + track["height"] / 2
    page.mouse.move(track["x"] + track["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(track["x"] + track["width"] * 0.6, middle, steps=4)
    expect_root(page, preview="1.80", phase="trained")  # while the hand holds it, only the cut is shown
    page.mouse.up()
    expect_root(page, state="running", round="1")
    slider(page, "rounds").press("ArrowRight")
    expect_root(page, state="running", round="1")
    expect(root(page).get_by_role("status").first).to_contain_text("round 1 of 3")
    button(page, "Pause").click()
    expect_root(page, state="paused")
