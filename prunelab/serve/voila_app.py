"""A Voila that reads long addresses, so that a link that is too long is answered in words.

    python -m prunelab.serve.voila_app notebook.ipynb ...   # else as ``python -m voila``

Tornado closes the connection, without a word, on a request line and headers of more than 64 KB. Here they may have
LARGEST bytes. A kernel that is started for a visitor gets the address in its environment, where the system allows 128
KB a variable: what is longer than LONGEST is answered before any kernel is asked.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import RequestHandler
from voila.app import Voila

LARGEST = 256 * 1024  # bytes of request line and headers; Tornado's own limit is 64 KB
LONGEST = 120_000  # characters of an address that reaches a kernel


class TooLong(RequestHandler):
    """The answer to an address that no kernel could be given."""

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


class LongAddressVoila(Voila):  # type: ignore[misc]  # Voila has no types
    """Voila with room for long addresses. Its settings are Voila's own, ``--Voila.ip`` and the like."""

    def listen(self) -> None:
        """Begin to serve; see the base class."""
        self.app.default_router.rules.insert(0, Rule(IsLong(), TooLong))
        self.app.listen = partial(self.app.listen, max_header_size=LARGEST)
        super().listen()


if __name__ == "__main__":
    LongAddressVoila.launch_instance()
