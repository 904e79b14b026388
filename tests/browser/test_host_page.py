"""The host's page alone, with answers that a test gives: presses that take their time, and a server that is gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader
from playwright.sync_api import Page, Route, expect

from prunelab.serve.voila import SHARE, TEMPLATE

FOLDER = SHARE / "voila" / "templates" / TEMPLATE
ADDRESS = "http://workshop.example/host"


class Room:
    """What the server would answer. gone: it does not. refused: this host is of a workshop before."""

    def __init__(self) -> None:
        self.labs: list[dict[str, Any]] = []
        self.wishes: list[dict[str, str]] = []
        self.link = ""
        self.gone = False
        self.refused = False

    def lab(self, number: int, **news: Any) -> dict[str, Any]:
        usual = {"doing": "ready", "title": "mlp-small", "here": 5, "rests": 1, "memory": 0, "leaving": False}
        return {"kernel": f"kernel {number}", "number": number, **usual, **news}

    def answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(ADDRESS)
        if self.gone:
            route.abort()
        elif self.refused:
            route.fulfill(status=403, body="<!DOCTYPE html><p>a page</p>", content_type="text/html")
        elif path == "/do":
            self.wishes.append(route.request.post_data_json)
            route.fulfill(status=204)
        elif path == "/state":
            room = {"places": 30, "taken": len(self.labs), "waiting": 0, "free_memory": None, "load": None}
            route.fulfill(
                body=json.dumps({**room, "labs": self.labs, "guesses": {}, "link": self.link}),
                content_type="application/json",
            )
        else:
            route.fulfill(body=page_text(), content_type="text/html")


def page_text() -> str:
    def script(name: str) -> str:
        return f"<script>{(FOLDER / name).read_text()}</script>" if name == "static/host.js" else ""

    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=False)
    environment.globals.update(include_js=script, include_css=lambda name: "", include_url=lambda name: "data:,")
    return environment.get_template("host.html").render(code="data:,", address="/", links={})


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def host(unwatched: Callable[[], Page], room: Room) -> Page:
    page = unwatched()
    page.route(f"{ADDRESS}**", room.answer)
    room.labs = [room.lab(1), room.lab(2)]
    page.goto(ADDRESS)
    expect(page.locator("main")).to_have_attribute("data-labs", "2")
    return page


def test_a_press_that_lasts_until_news_have_come_ends_the_lab(host: Page, room: Room) -> None:
    end = host.get_by_role("button", name="End the lab of visitor 2")
    end.hover()
    host.mouse.down()
    room.labs = [room.lab(2, doing="training", rests=9), room.lab(3)]
    expect(host.locator("#rows tr").first).to_contain_text("training")
    expect(host.locator("#rows tr td:first-child")).to_have_text(["2", "3"])
    end.hover()
    with host.expect_response(f"{ADDRESS}/do"):
        host.mouse.up()
    assert room.wishes == [{"do": "end", "about": "kernel 2"}]
    expect(end).to_be_focused()
    room.labs = [room.lab(2, leaving=True), room.lab(3)]
    expect(end).to_be_disabled()
    expect(end).to_have_text("ending…")


def test_the_link_that_labs_open_later_is_named_and_can_be_taken_back(host: Page, room: Room) -> None:
    later, take_back = host.locator("#later"), host.get_by_role("button", name="Not in later labs")
    expect(later).to_contain_text("now there is none")
    expect(take_back).to_be_disabled()
    room.link = "quality=2&rounds=4"
    expect(later).to_have_text("Labs that open later get it, too: quality=2&rounds=4")
    with host.expect_response(f"{ADDRESS}/do"):
        take_back.click()
    assert room.wishes == [{"do": "follow", "about": ""}]


def test_without_a_server_a_wish_is_answered_in_words(host: Page, room: Room) -> None:
    errors: list[str] = []
    host.on("pageerror", lambda error: errors.append(str(error)))
    room.gone = True
    host.get_by_label("a word").fill("Look at the blackboard.")
    host.get_by_role("button", name="Say", exact=True).click()
    expect(host.locator("#trouble")).to_have_text(
        "The server does not answer: nothing was done. Try again when it does."
    )
    expect(host.locator("main")).to_have_attribute("data-state", "lost")
    assert errors == []
    room.gone = False
    host.get_by_role("button", name="Say", exact=True).click()
    expect(host.locator("#trouble")).to_be_empty()
    assert room.wishes == [{"do": "say", "about": "Look at the blackboard."}]


def test_a_workshop_that_was_started_anew_says_which_page_is_the_hosts(host: Page, room: Room) -> None:
    room.refused = True
    expect(host.locator("#room")).to_contain_text("a workshop that has ended")
    host.get_by_role("button", name="Take it back").click()
    expect(host.locator("#trouble")).to_contain_text("Open the host's address that the new one has printed")
