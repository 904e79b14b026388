"""Links that are too long get an explanation; Tornado would close the connection without an answer.

Its limit is 64 KB of request line and headers. Here they may have LARGEST bytes. A kernel that is started for a visitor
gets the address in its environment, where the system allows 128 KB per variable: longer addresses than LONGEST get the
explanation before a kernel is started.
"""

from __future__ import annotations

from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import Application, RequestHandler

LARGEST = 256 * 1024  # bytes of request line and headers; Tornado's default is 64 KB
LONGEST = 120_000  # characters of an address that is passed to a kernel


class TooLong(RequestHandler):
    """The answer to an address that is too long for a kernel: status 414."""

    def prepare(self) -> None:
        self.set_status(414)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(
            '<!DOCTYPE html><html lang="en"><title>prunelab: this link is too long</title>'
            f"<p>This link is {len(self.request.uri or ''):,} characters long, and cannot be read. "
            '<a href="?">Open the page without it.</a></p></html>'
        )


class IsLong(Matcher):
    """Matches requests with an address of more than LONGEST characters."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return {} if len(request.uri or "") > LONGEST else None


def explain_long_links(app: Application) -> None:
    """Answer addresses that are too long with an explanation, before any other handler of ``app`` sees them."""
    app.default_router.rules.insert(0, Rule(IsLong(), TooLong))
