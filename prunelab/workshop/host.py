"""The host's page: who is there and what they do, what the class guessed, and a word or a link for all of them."""

from __future__ import annotations

import hmac
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado.web import HTTPError
from voila.handler import BaseVoilaHandler

from prunelab import hardware, lesson_catalogue
from prunelab.errors import RecipeError
from prunelab.lab import links, presets
from prunelab.lab.worker.limits import Limits, runs_of
from prunelab.recipe import Recipe
from prunelab.serve.visitor import LINK
from prunelab.workshop.address import qr_for_page
from prunelab.workshop.desk import SETTING, Desk, OpenLab
from prunelab.workshop.pages import cookie

COOKIE = "prunelab-host"
HOST = "prunelab_host"  # setting of the server's application: ``Host``
LONGEST_WORD = 300  # characters of a word for all


@dataclass(frozen=True)
class Host:
    """token: of the host's page. address: where visitors come in."""

    token: str
    address: str


def seen(desk: Desk, now: float) -> dict[str, Any]:
    """The room as the host sees it, as JSON types. Seconds, and bytes."""
    return {
        "places": desk.room.places,
        "taken": desk.room.inside(now),
        "waiting": desk.room.waiting(now),
        "free_memory": hardware.memory(),
        "load": hardware.load(),
        "labs": [_lab(lab, now) for lab in desk.labs.values()],
        "guesses": guesses(desk.guesses.values()),
        "link": desk.link.get("follow", ""),
    }


def guesses(answers: Iterable[dict[str, Any]]) -> dict[str, list[float]]:
    """What the class guessed, in percent, by what was asked about. answers: as labs tell them."""
    found: dict[str, list[float]] = {}
    for guess in answers:
        action, value = guess.get("action"), guess.get("value")
        if isinstance(action, str) and isinstance(value, int | float) and 0 <= value <= 100:
            found.setdefault(action, []).append(float(value))
    return found


def _lab(lab: OpenLab, now: float) -> dict[str, Any]:
    return {
        "kernel": lab.kernel,
        "number": lab.number,
        "here": now - lab.since,
        "rests": now - lab.touched,
        "memory": lab.memory,
        "leaving": lab.leaving,
        **lab.report,
    }


def ready_made() -> dict[str, str]:
    """Links that stand for much, each with what it is about: comparisons, and what lessons begin with."""
    offered = {f"preset={presets.slug(each.name)}": each.asks for each in presets.presets(Recipe())}
    lessons = enumerate(lesson_catalogue.TITLES)
    return {**offered, **{f"lesson={number}": f"as in lesson {number}: {title}" for number, title in lessons}}


class HostHandler(BaseVoilaHandler):  # type: ignore[misc]  # Voila has no types
    """The page, and what it asks for: ``host``, ``host/state`` and, by POST, ``host/do``."""

    @property
    def _desk(self) -> Desk:
        desk: Desk = self.settings[SETTING]
        return desk

    async def prepare(self) -> None:
        """Let in whoever shows the host's token, in the address or in the cookie that it left."""
        await super().prepare()
        host: Host = self.settings[HOST]
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        shown = self.get_query_argument("token", "") if self.request.method == "GET" else ""
        if hmac.compare_digest(shown.encode(), host.token.encode()):
            self.set_signed_cookie(
                cookie(COOKIE, self),
                host.token,
                expires_days=None,
                httponly=True,
                samesite="Strict",
                path=f"{self.base_url}host",
            )
            return
        known = self.get_signed_cookie(cookie(COOKIE, self)) or b""
        if not hmac.compare_digest(known, host.token.encode()):
            raise HTTPError(403, "this is the host's page: open it by the address that prunelab workshop has printed")

    def check_xsrf_cookie(self) -> None:
        """What is sent here is JSON, and the cookie goes with requests of our own pages only: others cannot send it."""

    @allow_unauthenticated
    def get(self, what: str = "") -> None:
        """Send the page, or the state of the room."""
        if what == "state":
            self.set_header("Content-Type", "application/json")
            self.finish(json.dumps(seen(self._desk, time.monotonic())))
            return
        host: Host = self.settings[HOST]
        about = {"address": host.address, "code": qr_for_page(host.address), "links": ready_made()}
        self.finish(self.render_template("host.html", **about))

    @allow_unauthenticated
    def post(self, what: str) -> None:
        """Do what the host asks for; 400 with the reason for what cannot be done."""
        if what != "do" or not self.request.headers.get("Content-Type", "").startswith("application/json"):
            raise HTTPError(400, "nothing to do")
        try:
            wish = json.loads(self.request.body)
            what, about = wish["do"], wish.get("about", "")
            if not isinstance(about, str):
                raise ValueError(f"about = {about!r}: must be a text")
            self._do(what, about)
        except (ValueError, KeyError, TypeError, RecipeError) as error:
            self.set_status(400)
            self.finish(str(error))
            return
        self.set_status(204)

    def _do(self, what: str, about: str) -> None:
        """what: "end" one lab (about: its kernel) or "end all"; "follow" a link that the limits allow, or "say" a word,
        in all labs, now and later ("": none any more); "forget" the guesses.

        Raises ValueError or RecipeError for what cannot be done.
        """
        desk = self._desk
        labs = tuple(desk.labs.values())
        match what:
            case "end":
                desk.send_away(about, "host")
            case "end all":
                for lab in labs:
                    desk.send_away(lab.kernel, "host")
            case "follow":
                query = about.rpartition("?")[2]
                limited, start = Limits.from_environment(os.environ), links.from_query(os.environ.get(LINK, ""))
                for recipe in runs_of(query, start):
                    limited.check(recipe)  # every lab would refuse it
                desk.follow(query)
            case "say":
                desk.say(about[:LONGEST_WORD])
            case "forget":
                desk.guesses.clear()
            case _:
                raise ValueError(f"{what!r}: no such wish")
