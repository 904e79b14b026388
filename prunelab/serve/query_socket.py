"""The websocket on which a preheated kernel gets its visitor's query, and others for kernels of this server only.

Voila leaves it open to anybody who knows a kernel's id, who would then take the query away from the kernel. Kernels
inherit a key in their environment and show it; see ``visitor.query``.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Mapping

from tornado.web import HTTPError
from voila.request_info_handler import RequestInfoSocketHandler

from prunelab.serve.visitor import QUERY_KEY, QUERY_KEY_HEADER


def make_query_key() -> None:
    """Put a new random key into this process's environment, from which all its kernels inherit."""
    os.environ[QUERY_KEY] = secrets.token_urlsafe(24)


def only_for_kernels(headers: Mapping[str, str]) -> None:
    """Raise a 403 for a request whose headers do not show the key."""
    shown = headers.get(QUERY_KEY_HEADER, "")
    if not hmac.compare_digest(shown.encode(), os.environ[QUERY_KEY].encode()):
        raise HTTPError(403, "only the kernels of this server may use this address")


class QuerySocketHandler(RequestInfoSocketHandler):  # type: ignore[misc]  # Voila has no types
    """Voila's handler for those who show the key; 403 for others."""

    def prepare(self) -> None:
        """Refuse whoever is no kernel."""
        only_for_kernels(self.request.headers)
