"""Voila as prunelab needs it: it accepts long addresses, and serves plotly.js as a file that browsers keep.

    python -m prunelab.serve.voila_app notebook.ipynb ...   # otherwise like ``python -m voila``

A link that is too long gets an explanation:

Tornado closes the connection without an answer if request line and headers have more than 64 KB. Here they may have
LARGEST bytes. A kernel that is started for a visitor gets the address in its environment, where the system allows 128
KB per variable: longer addresses than LONGEST get the explanation before a kernel is started.
"""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Any

from jupyter_server.utils import url_path_join
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import RequestHandler
from voila.app import Voila

from prunelab.resources import SERVED_PLOTLY
from prunelab.serve.plotly_file import PlotlyFileHandler, plotly_file

LARGEST = 256 * 1024  # bytes of request line and headers; Tornado's default is 64 KB
LONGEST = 120_000  # characters of an address that is passed to a kernel
STATIC = "prunelab/static"  # after the server's base_url, where its files are


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


class PrunelabVoila(Voila):  # type: ignore[misc]  # Voila has no types
    """Voila for long addresses, with plotly.js as a file. It has Voila's settings, ``--Voila.ip`` and so on."""

    def init_settings(self) -> dict[str, Any]:
        """Tell the page's template, and the kernels, about the file; see the base class."""
        self._plotly = plotly_file()
        address = url_path_join(self.base_url, STATIC, self._plotly.name)
        plotly = {"address": address, "version": self._plotly.version}
        self.voila_configuration.config.VoilaConfiguration.resources = {"prunelab_plotly": plotly}
        os.environ[SERVED_PLOTLY] = self._plotly.version
        settings: dict[str, Any] = super().init_settings()
        return settings

    def init_handlers(self) -> list[Any]:
        """Serve the file, too; see the base class."""
        path = url_path_join(self.server_url, STATIC, self._plotly.name)
        return [(re.escape(path), PlotlyFileHandler, {"file": self._plotly}), *super().init_handlers()]

    def listen(self) -> None:
        """Start to serve; see the base class."""
        self.app.default_router.rules.insert(0, Rule(IsLong(), TooLong))
        self.app.listen = partial(self.app.listen, max_header_size=LARGEST)
        super().listen()


if __name__ == "__main__":
    PrunelabVoila.launch_instance()
