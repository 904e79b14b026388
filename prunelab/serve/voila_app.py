"""A Voila server that accepts long addresses, so that a link that is too long gets an explanation.

    python -m prunelab.serve.voila_app notebook.ipynb ...   # otherwise like ``python -m voila``

Tornado closes the connection without an answer if request line and headers have more than 64 KB. Here they may have
LARGEST bytes. A kernel that is started for a visitor gets the address in its environment, where the system allows 128
KB per variable: longer addresses than LONGEST get the explanation before a kernel is started.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import RequestHandler
from voila.app import Voila

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


class LongAddressVoila(Voila):  # type: ignore[misc]  # Voila has no types
    """Voila for long addresses. It has Voila's settings, ``--Voila.ip`` and so on."""

    def listen(self) -> None:
        """Start to serve; see the base class."""
        self.app.default_router.rules.insert(0, Rule(IsLong(), TooLong))
        self.app.listen = partial(self.app.listen, max_header_size=LARGEST)
        super().listen()


if __name__ == "__main__":
    LongAddressVoila.launch_instance()
