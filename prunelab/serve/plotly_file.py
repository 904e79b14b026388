"""plotly.js as a file of our own server: browsers keep it, so that a second visit loads and compiles nothing anew.

Its address contains a digest of its content: it can be kept forever, and a new version has a new address. The page's
template links it where this server makes the page, and plotly_source.js imports it from there. All other pages
(JupyterLab, a Voila of someone else) get plotly.js from their kernel.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass

from tornado.web import RequestHandler

from prunelab import resources

FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class PlotlyFile:
    """plotly.js as a module. name: in addresses. version: its own. plain, gzipped: its content, in two encodings."""

    name: str
    version: str
    plain: bytes
    gzipped: bytes


def plotly_file() -> PlotlyFile:
    """The file that comes with prunelab."""
    plain = resources.plotly_module()
    name = f"plotly-{hashlib.sha256(plain).hexdigest()[:16]}.min.js"
    return PlotlyFile(name, resources.PLOTLY_VERSION, plain, gzip.compress(plain, compresslevel=6, mtime=0))


class PlotlyFileHandler(RequestHandler):
    """Answers with the file, gzipped for those who understand that. No secret is in it, so no login is asked for."""

    def initialize(self, file: PlotlyFile) -> None:
        self._file = file

    def get(self) -> None:
        """Send the file, or only say that it is still the same."""
        zipped = "gzip" in self.request.headers.get("Accept-Encoding", "")
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Cache-Control", FOREVER)
        self.set_header("Vary", "Accept-Encoding")
        self.set_header("X-Content-Type-Options", "nosniff")
        if zipped:
            self.set_header("Content-Encoding", "gzip")
        self.finish(self._file.gzipped if zipped else self._file.plain)
