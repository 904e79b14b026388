"""The page's address follows what is on the page, and a reload brings it back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

import prunelab
from prunelab.lab.links import from_query
from prunelab.recipe import Recipe
from prunelab.resources import joined_script
from support.lab_page import expect_root, root, turn, unfold

SCRIPT = Path(prunelab.__file__).parent / "lab" / "page" / "address.js"

# A model as the script sees it: ``say(query)`` changes its query.
MODEL = """
    globalThis.written = [];
    const replaceState = history.replaceState.bind(history);
    history.replaceState = (state, title, url) => { written.push(url); replaceState(state, title, url); };
    const heard = new Set();
    const values = { query: null, query_keys: ["quality", "rounds", "hide"] };
    const model = {
        get: (name) => values[name],
        on: (_, callback) => heard.add(callback),
        off: (_, callback) => heard.delete(callback),
    };
    globalThis.say = (query) => { values.query = query; for (const each of heard) each(); };
    globalThis.stop = keepAddress(model);
"""


def test_the_address_is_written_once_it_rests_and_keeps_what_others_put_there(page: Page) -> None:
    page.route("**/*", lambda route: route.fulfill(body="<!doctype html><p>", content_type="text/html"))
    page.clock.install(time="2026-01-01T00:00:00")
    before = "?theme=dark&quality=1.5&utm=a+b%20c&quality.fc1=2&hide=mask&unknown&hidden=1"
    page.goto(f"http://localhost/voila/render/lab.ipynb{before}#end")
    page.add_script_tag(content=joined_script(SCRIPT) + MODEL)
    page.clock.pause_at("2026-01-01T01:00:00")  # from here on it goes only as far as it is told to
    page.clock.run_for(1000)
    assert page.evaluate("location.search") == before, "nothing is said: the address stays"

    for tenth in range(20):  # a hand that drags
        page.evaluate("say", f"quality={tenth / 10}&quality.fc1=0.4")
        page.clock.run_for(100)
    assert page.evaluate("written") == []
    page.clock.run_for(1000)
    others = "theme=dark&utm=a+b%20c&unknown&hidden=1"
    path = "/voila/render/lab.ipynb"
    assert page.evaluate("written") == [f"{path}?quality=1.9&quality.fc1=0.4&{others}#end"]

    page.evaluate("say('')")
    page.clock.run_for(1000)
    assert page.evaluate("written[1]") == f"{path}?{others}#end"
    page.evaluate("history.replaceState(null, '', '?token=abc&session=x')")  # by another script of the page
    page.evaluate("say('rounds=4')")
    page.clock.run_for(1000)
    assert page.evaluate("location.href") == f"http://localhost{path}?rounds=4&token=abc&session=x"
    page.evaluate("stop(); say('rounds=5')")
    page.clock.run_for(1000)
    assert page.evaluate("location.search") == "?rounds=4&token=abc&session=x"


def test_a_lesson_says_no_more_what_is_on_the_page_once_that_is_changed(
    page: Page, dashboard: Callable[..., str]
) -> None:
    """Without the saved session, as on another machine: rounds are back at what a link need not say."""
    dashboard("?lesson=10&epochs=3", phase="trained")
    typed = root(page).get_by_role("textbox", name="rounds, typed")
    expect(typed).to_have_value("1")
    typed.fill(str(Recipe().rounds))
    typed.press("Enter")
    page.wait_for_function("!location.search.includes('lesson')")
    recipe, options = from_query(page.evaluate("location.search"))
    assert (recipe.rounds, recipe.batch_norm, options.show) == (Recipe().rounds, True, ("compare",))


def test_a_reload_brings_back_what_is_on_the_page(page: Page, dashboard: Callable[..., str]) -> None:
    dashboard("?v=2&model=mlp-small&epochs=3&theme=dark&utm_source=<i>news</i>&raunds=7", phase="trained")
    notice = root(page).get_by_role("alert").first
    expect(notice).to_contain_text("this link: raunds (did you mean rounds?)")
    turn(page, -6)
    expect_root(page, preview="1.20")
    unfold(page)
    root(page).get_by_label("optimizer", exact=True).select_option("adam")
    root(page).get_by_label("large type", exact=True).check()
    ours = "?v=2&model=mlp-small&optimizer=adam&epochs=3&quality=1.2&big=true"
    page.wait_for_function("ours => location.search.startsWith(ours)", arg=ours)
    search = page.evaluate("location.search")
    others, _, session = search.removeprefix(ours).partition("&session=")
    assert others == "&theme=dark&utm_source=%3Ci%3Enews%3C/i%3E&raunds=7" and session, "the saved run has its id there"
    assert page.evaluate("history.length") == 2, "no step for the back button but the one that opened the page"

    page.reload()
    expect_root(page, state="ready", phase="trained", preview="1.20")
    expect(root(page).get_by_label("optimizer", exact=True)).to_have_value("adam")
    expect(root(page).get_by_label("large type", exact=True)).to_be_checked()
    unfold(page)
    expect(root(page).get_by_role("textbox", name="learning rate", exact=True)).to_have_value("0.01")
    assert page.evaluate("location.search") == search
