"""Two workshops and one browser: a server that was started anew at its port, and another at another port."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from support.servers import stop
from support.workshop import HOST_TOKEN, TOKEN, Visitor, start_workshop


@pytest.mark.parametrize("token", [TOKEN, "a-new-token"])
def test_who_was_invited_is_known_to_a_server_that_was_started_anew_with_its_token(tmp_path, token):
    first = start_workshop(tmp_path, places=1, pool=0)
    port = urlsplit(first.url).port or 0
    try:
        visitor = Visitor(first)
        assert visitor.ask(f"place?token={TOKEN}")[0] == 200
        names = {each.name: each.value for each in visitor.cookies}
    finally:
        stop(first)
    again = start_workshop(tmp_path, places=1, pool=0, port=port, token=token, host_token="another")
    try:
        _, text, address = visitor.ask("place")
        if token == TOKEN:
            assert json.loads(text) == {"number": 0}
            assert {each.name: each.value for each in visitor.cookies} == names, "it is the same visitor"
        else:
            assert "/login" in address and "type the token" in text
        # A cookie that only the secret of both could have made is no host's.
        assert visitor.ask("host/state")[0] == 403
    finally:
        stop(again)


def test_two_workshops_on_one_machine_know_their_host_and_their_visitors(tmp_path):
    """To a browser all ports of a machine are one site."""
    servers = [
        start_workshop(tmp_path / name, places=1, pool=0, host_token=f"{HOST_TOKEN}-{name}") for name in ("one", "two")
    ]
    browser = Visitor(servers[0])
    try:
        for server, name in zip(servers, ("one", "two"), strict=True):
            browser.server = server
            assert browser.ask(f"host?token={HOST_TOKEN}-{name}")[0] == 200
            assert json.loads(browser.ask(f"place?token={TOKEN}")[1]) == {"number": 0}
        for server in servers:
            browser.server = server
            assert browser.ask("host/state")[0] == 200
            assert json.loads(browser.ask("place")[1]) == {"number": 0}, "he has the place that was kept for him"
    finally:
        for server in servers:
            stop(server)
