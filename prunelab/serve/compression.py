"""What leaves the server is compressed: a class that opens the page at once shares one Wi-Fi.

Pages, scripts and styles by gzip, messages of kernels by deflate: of what a first visit loads a quarter is left, for a
tenth of a second of the server's time.
"""

from __future__ import annotations

from typing import Any

from tornado.web import Application, GZipContentEncoding

# Of a websocket, as tornado takes them. A window of 32 KB finds what the states of many widgets have in common.
SOCKET = {"compression_level": 6, "mem_level": 8}
SETTINGS: dict[str, Any] = {"compress_response": True, "websocket_compression_options": SOCKET}


def compress(app: Application) -> None:
    """Compress what an application sends that was made without ``SETTINGS``; what its server has chosen stays."""
    if GZipContentEncoding not in app.transforms:
        app.transforms.append(GZipContentEncoding)
    if app.settings.get("websocket_compression_options") is None:
        app.settings["websocket_compression_options"] = SOCKET
