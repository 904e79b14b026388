"""A real workshop's server for tests, as ``prunelab workshop`` starts it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from prunelab.lab.worker.limits import Limits
from prunelab.serve import voila
from prunelab.serve.visitor import in_address
from prunelab.workshop.address import EVERYWHERE
from prunelab.workshop.command import Secrets, argv, environment
from prunelab.workshop.sizing import Size
from support.servers import Server, start

TOKEN, HOST_TOKEN = "a-token-for-visitors", "a-token-for-the-host"
LINK = "model=mlp-small&epochs=3&retrain_epochs=2&rounds=2"


def start_workshop(
    home: Path,
    *,
    places: int = 2,
    pool: int = 1,
    limited: Limits | None = None,
    ip: str = voila.HOST,
    port: int = 0,
    token: str = TOKEN,
    host_token: str = HOST_TOKEN,
) -> Server:
    """Without more settings. limited: what a run may take; None: anything. port: 0 for a free one."""
    port = port or voila.free_port(0)
    secrets = Secrets(token, host_token, f"http://{voila.HOST}:{port}/?token={token}")
    local = voila.HOST if ip in EVERYWHERE else ip
    told = environment({}, local, secrets, limited or Limits(), LINK)
    *served, quiet = argv(port, ip, Size(places, pool))
    assert quiet == "--Voila.log_level=WARN"  # with more words, ``expect_preheated`` hears when a kernel is ready
    return start(
        [*served, "--Voila.log_level=INFO"], home, port, "voila/static/voila.js", host=in_address(local), **told
    )


class Visitor:
    """A browser, as far as addresses and cookies go."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def ask(
        self, path: str, method: str | None = None, *, body: Any = None, data: bytes | None = None, **headers: str
    ) -> tuple[int, str, str]:
        """(status, text, address at the end). body: sent as JSON."""
        if body is not None:
            data, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
        request = urllib.request.Request(self.server.url + path, data=data, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode(), answer.url
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.url
