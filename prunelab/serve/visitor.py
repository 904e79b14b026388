"""The query part of the visitor's address, in a kernel that Voila started.

``voila.utils.get_query_string`` returns the same, but importing it loads Voila's whole server into every visitor's
kernel (50 MB). The environment variables and the websocket here are the ones that it uses.
"""

from __future__ import annotations

import json
import os
from urllib.parse import unquote_plus

LINK = "PRUNELAB_LINK"  # environment variable: the query part of the link that a server starts labs with
QUERY_KEY = "PRUNELAB_QUERY_KEY"  # environment variable: with it a kernel may ask its server for the visitor's query
QUERY_KEY_HEADER = "X-Prunelab-Query-Key"
TOKEN = "token"  # key in the address of a visitor who comes in with a token
HOST_LINE = "PRUNELAB_HOST_LINE"  # environment variable: labs tell the host of a workshop what they do
SESSION = "PRUNELAB_SESSION"  # environment variable: the folder to save in, and to go on from


def in_voila() -> bool:
    """Whether Voila started this kernel."""
    return any(name.startswith("VOILA_") for name in os.environ)


def preheated() -> bool:
    """Whether Voila started this kernel before its visitor came."""
    return in_voila() and os.environ.get("VOILA_PREHEAT", "False") != "False"


def query() -> str:
    """The visitor's query, without a token; "" if there is none, and outside of Voila.

    In a preheated kernel: blocks until one comes.
    Raises OSError or errors of websockets if the server cannot be reached.
    """
    if not in_voila():
        return ""
    if not preheated():
        return without_token(os.environ.get("QUERY_STRING", ""))
    from websockets.sync.client import connect  # comes with Voila

    headers = {QUERY_KEY_HEADER: os.environ.get(QUERY_KEY, "")}  # "": under a Voila that is not ours
    with connect(address("query"), open_timeout=30, ping_interval=None, additional_headers=headers) as socket:
        request: dict[str, str] = json.loads(socket.recv())
    asked = without_token(request.get("QUERY_STRING", ""))
    os.environ.update(request, QUERY_STRING=asked)  # as in a kernel that was started for the visitor
    return asked


def without_token(query: str) -> str:
    """A query without the token: neither the environment of a kernel nor what it saves is to have it."""
    return "&".join(part for part in query.split("&") if unquote_plus(part.partition("=")[0]) != TOKEN)


def address(what: str) -> str:
    """A websocket of the server that started this kernel, for this kernel. what: "query", on which Voila sends the
    visitor's request to a preheated one, or "line", between a lab and the host of a workshop.
    """
    env = os.environ
    host, port = in_address(env.get("VOILA_APP_IP", "127.0.0.1")), env.get("VOILA_APP_PORT", "8866")
    base = env.get("VOILA_WS_BASE_URL", env.get("VOILA_SERVER_URL", "/"))
    return f"{env.get('VOILA_WS_PROTOCOL', 'ws')}://{host}:{port}{base}voila/{what}/{env['VOILA_KERNEL_ID']}"


def in_address(host: str) -> str:
    """A host as it stands in addresses: those of IPv6 are put into brackets."""
    return f"[{host}]" if ":" in host else host
