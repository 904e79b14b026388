"""Where a token is required, nothing but the page's own style sheets and scripts can be had without it."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
import uuid

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from support.lab_page import DASHBOARD
from support.servers import Server, start_voila, stop

TOKEN = "a-token-for-tests"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(DASHBOARD, folder)
    (folder / "picture.png").write_bytes(b"a picture")
    started = start_voila(
        folder / DASHBOARD.name, tmp_path_factory.mktemp("home"), pool_size=0, extra=[f"--Voila.token={TOKEN}"]
    )
    yield started
    stop(started)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def status(server: Server, path: str, method: str = "GET") -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect())
    try:
        with opener.open(urllib.request.Request(server.url + path, method=method), timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(
    ("path", "method"),
    [("", "GET"), ("voila/files/picture.png", "GET"), (f"api/kernels/{uuid.UUID(int=7)}", "GET"),
     (f"api/kernels/{uuid.UUID(int=7)}", "DELETE"), (f"voila/api/shutdown/{uuid.UUID(int=7)}", "POST")],
)  # fmt: skip
def test_pages_files_and_kernels_ask_for_the_token(server, path, method):
    assert status(server, path, method) in (302, 403)


@pytest.mark.parametrize("path", ["voila/query/{}", "api/kernels/{}/channels"])
def test_websockets_ask_for_the_token_or_the_kernels_key(server, path):
    address = f"ws{server.url.removeprefix('http')}{path.format(uuid.UUID(int=7))}"
    for headers in ({}, {"X-Prunelab-Query-Key": "guessed"}):
        with pytest.raises(InvalidStatus, match="403"):
            connect(address, additional_headers=headers, proxy=None)


def test_with_the_token_allowed_files_are_sent_and_no_others(server):
    assert status(server, f"voila/files/picture.png?token={TOKEN}") == 200
    for path in ("dashboard.ipynb", "../server.log", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "picture.png/../x.py"):
        assert status(server, f"voila/files/{path}?token={TOKEN}") in (403, 404)


def test_the_token_stands_in_no_line_of_the_log(server):
    assert status(server, f"voila/files/none.png?token={TOKEN}") == 404
    assert status(server, f"api/kernels/{uuid.UUID(int=7)}?token={TOKEN}") == 404
    assert "none.png" in server.log and TOKEN not in server.log
