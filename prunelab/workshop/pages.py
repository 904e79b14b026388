"""The visitors' pages: the lab for those who have a place, the door for the others, a word for those sent away."""

from __future__ import annotations

import json
import re
import secrets
import time
from urllib.parse import urlsplit

from jupyter_server.base.handlers import JupyterHandler
from tornado.web import authenticated
from voila.handler import BaseVoilaHandler

from prunelab.serve import page_handler
from prunelab.workshop.desk import PAGE, SETTING, Coming, Desk

COOKIE = "prunelab-visitor"  # and the server's address: see ``cookie``
# Why a lab was ended, by the key in the address.
WHY = {
    "rest": "Nobody had touched this page for a while: its place is for others now.",
    "memory": "This lab took more memory than one visitor may have here.",
    "host": "The host has ended this lab.",
}


def cookie(name: str, handler: JupyterHandler) -> str:
    """The name of a cookie of this server: to browsers all ports of a machine are one site."""
    return f"{name}-{re.sub('[^A-Za-z0-9]', '-', handler.request.host)}"


def visitor_of(handler: JupyterHandler) -> str:
    """Who asks: a name that only his browser knows, and the same as long as it is open."""
    shown = cookie(COOKIE, handler)
    known = handler.get_signed_cookie(shown)
    if known:
        return str(known.decode())
    name = secrets.token_urlsafe(12)
    handler.set_signed_cookie(shown, name, expires_days=None, httponly=True, samesite="Lax", path=handler.base_url)
    return name


def way_back(address: str, base_url: str) -> str:
    """The address of a lab on this server that a visitor named, or that of a new one: never one of another server."""
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets that are no host
        return base_url
    ours = not parts.scheme and not parts.netloc and parts.path == base_url and "\\" not in address
    return address if ours else base_url


class PageHandler(page_handler.PageHandler):
    """Voila's page for those who have a place in the room; others wait at its door."""

    @authenticated
    async def get(self, path: str | None = None) -> None:
        """Send the page, or the door."""
        if path:
            await super().get(path)
            return
        desk: Desk = self.settings[SETTING]
        visitor, now = visitor_of(self), time.monotonic()
        desk.let_go()  # a page of his that was just closed leaves room for this one
        number = desk.room.ask(visitor, now)
        self.set_header("Cache-Control", "no-store")
        if number:
            self.write(self.render_template("waiting.html", number=number, places=desk.room.places))
        elif not desk.room.may_open(visitor):
            self.set_status(429)
            self.write(self.render_template("too_many.html", pages=desk.room.pages))
        else:
            page = Coming(visitor)
            PAGE.set(page)
            try:
                await super().get(path)
            finally:
                if not page.given:
                    desk.room.failed(visitor, time.monotonic())


class PlaceHandler(JupyterHandler):
    """A waiting page asks whether there is a place: ``{"number": 0}`` if there is."""

    @authenticated
    def get(self) -> None:
        """Answer with the visitor's number in the queue."""
        desk: Desk = self.settings[SETTING]
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps({"number": desk.room.ask(visitor_of(self), time.monotonic())}))

    def check_xsrf_cookie(self) -> None:
        """A page that closes can send no proof; its cookie goes with requests of our own pages only."""

    @authenticated
    def post(self) -> None:
        """A page that waited was closed. One who has a lab keeps it."""
        desk: Desk = self.settings[SETTING]
        desk.room.stop_waiting(visitor_of(self), time.monotonic())
        self.set_status(204)


class AwayHandler(BaseVoilaHandler):  # type: ignore[misc]  # Voila has no types
    """The page for those whose lab was ended: why, and the way back to what was saved."""

    @authenticated
    def get(self) -> None:
        """Send the page. An unknown reason is none."""
        why = WHY.get(self.get_query_argument("why", ""), "This lab was ended.")
        back = way_back(self.get_query_argument("back", ""), self.base_url)
        self.finish(self.render_template("away.html", why=why, back=back))
