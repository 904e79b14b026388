"""The query part of the address that somebody came with, in a kernel that Voila started.

``voila.utils.get_query_string`` says the same, but to import it loads Voila's whole server into every visitor's kernel
(50 MB). The environment variables and the websocket are those that it uses.
"""

from __future__ import annotations

import json
import os

LINK = "PRUNELAB_LINK"  # environment variable: the query part of the link that a server starts labs with
SESSION = "PRUNELAB_SESSION"  # environment variable: the folder to save in, and to go on from


def in_voila() -> bool:
    """Whether a Voila started this kernel."""
    return any(name.startswith("VOILA_") for name in os.environ)


def query() -> str:
    """The visitor's query, "" for none and elsewhere than in Voila. In a preheated kernel: blocks until one comes.

    Raises OSError or websockets' own errors when the server cannot be reached.
    """
    if not in_voila():
        return ""
    if os.environ.get("VOILA_PREHEAT", "False") == "False":
        return os.environ.get("QUERY_STRING", "")
    from websockets.sync.client import connect  # comes with Voila

    with connect(_address(os.environ), open_timeout=30, ping_interval=None) as socket:
        told: dict[str, str] = json.loads(socket.recv())
    os.environ.update(told)  # as in a kernel that was started for the visitor
    return told.get("QUERY_STRING", "")


def _address(env: os._Environ[str]) -> str:
    """Where Voila tells a preheated kernel who has come."""
    host, port = env.get("VOILA_APP_IP", "127.0.0.1"), env.get("VOILA_APP_PORT", "8866")
    base = env.get("VOILA_WS_BASE_URL", env.get("VOILA_SERVER_URL", "/"))
    return f"{env.get('VOILA_WS_PROTOCOL', 'ws')}://{host}:{port}{base}voila/query/{env['VOILA_KERNEL_ID']}"
