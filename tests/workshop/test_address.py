"""Where a workshop is reached. The QR code's oracle is segno's own matrix, read back from what the terminal shows."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import segno

from prunelab.serve import visitor
from prunelab.workshop import address


@pytest.mark.parametrize(("ip", "expected"), [
    ("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
    ("192.168.1.20", False), ("::", False), ("school.example", False),
])  # fmt: skip
def test_what_only_this_machine_can_reach(ip, expected):
    assert address.is_loopback(ip) is expected


def test_a_server_that_listens_everywhere_is_reached_at_one_address():
    found = address.reachable("0.0.0.0")
    assert found not in address.EVERYWHERE and len(found.split(".")) == 4
    assert address.reachable("192.168.1.20") == "192.168.1.20"


@pytest.mark.parametrize(
    ("ip", "host"), [("::1", "[::1]"), ("fd00::7", "[fd00::7]"), ("school.example", "school.example")]
)
def test_what_is_reached_at_an_address_is_what_listens_there(ip, host, monkeypatch):
    """The oracle is Python's own reading of addresses."""
    assert address.reachable(ip) == host
    page = urlsplit(address.link(f"http://{host}:8866/", "a"))
    assert (page.hostname, page.port) == (ip, 8866)
    for name, value in {"VOILA_APP_IP": ip, "VOILA_APP_PORT": "8866", "VOILA_KERNEL_ID": "k"}.items():
        monkeypatch.setenv(name, value)
    line = urlsplit(visitor.address("line"))
    assert (line.hostname, line.port, line.path) == (ip, 8866, "/voila/line/k")


def test_a_link_carries_its_token_whatever_is_in_it():
    link = address.link("http://192.168.1.20:8866/", "a&b=c d", "host")
    assert urlsplit(link).path == "/host" and parse_qs(urlsplit(link).query) == {"token": ["a&b=c d"]}
    assert address.link("http://127.0.0.1:8866/", "") == "http://127.0.0.1:8866/"


@pytest.mark.parametrize("text", ["http://192.168.1.20:8866/?token=abc", "http://a.example/" + "x" * 200])
def test_the_code_in_the_terminal_is_the_code(text):
    halves = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}
    rows: list[list[int]] = []
    for line in address.qr_for_terminal(text).splitlines():
        rows += [[halves[character][half] for character in line] for half in (0, 1)]
    expected = [[int(bool(module)) for module in row] for row in segno.make(text, micro=False).matrix_iter(border=2)]
    assert rows[: len(expected)] == expected
    assert not any(map(any, rows[len(expected) :]))


def test_the_code_on_the_page_is_a_picture_without_a_request():
    assert address.qr_for_page("http://192.168.1.20:8866/").startswith("data:image/svg+xml")
