"""A real workshop without a browser: who may ask for what, and what is answered."""

from __future__ import annotations

import json
import re
import urllib.parse
import uuid
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from prunelab.lab.worker.limits import Limits
from prunelab.serve.websocket import PROTOCOL
from support.servers import stop
from support.workshop import HOST_TOKEN, TOKEN, Visitor, start_workshop

KERNEL = uuid.UUID(int=7)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = start_workshop(tmp_path_factory.mktemp("home"), places=3, pool=0, limited=Limits(rounds=7))
    yield started
    stop(started)


@pytest.fixture
def stranger(server):
    return Visitor(server)


@pytest.fixture
def invited(server):
    visitor = Visitor(server)
    assert visitor.ask(f"away?token={TOKEN}")[0] == 200
    return visitor


@pytest.fixture
def host(server):
    visitor = Visitor(server)
    assert visitor.ask(f"host?token={HOST_TOKEN}")[0] == 200
    return visitor


@pytest.mark.parametrize("path", ["", "?quality=2", "place", "away", "voila/files/x.png", f"api/kernels/{KERNEL}"])
def test_without_the_token_there_is_only_the_door(stranger, path):
    status, text, address = stranger.ask(path)
    assert status == 403 or (status == 200 and "/login?next=" in address and "for those who were invited" in text)
    assert "prunelab-host" not in text and "jupyter server list" not in text


def test_a_wrong_token_is_named_and_the_right_one_opens(stranger):
    assert "This is not the token." in stranger.ask("away?token=wrong")[1]
    form = re.search('name="_xsrf" value="([^"]+)"', stranger.ask("login")[1])

    def types(token: str) -> tuple[int, str, str]:
        fields = urllib.parse.urlencode({"password": token, "_xsrf": form[1]}).encode()
        return stranger.ask("login?next=%2Faway", data=fields, method="POST")

    status, text, _ = types("wrong")
    assert status == 401 and "This is not the token." in text
    status, text, address = types(TOKEN)
    assert status == 200 and address.endswith("/away") and "This lab was ended." in text
    assert stranger.ask("place")[0] == 200


def test_nobody_sets_a_password(stranger):
    form = re.search('name="_xsrf" value="([^"]+)"', stranger.ask("login")[1])
    wish = f"password={TOKEN}&new_password=mine&_xsrf={urllib.parse.quote(form[1])}".encode()
    status, text, _ = stranger.ask("login", data=wish, method="POST")
    assert status == 403 and "no password can be set here" in text
    assert not any(stranger.server.log_file.parent.rglob("jupyter_server_config*"))


@pytest.mark.parametrize("path", ["voila/line/{}", "api/kernels/{}/channels"])
def test_websockets_are_for_kernels_and_for_the_invited(server, path):
    for headers in ({}, {"X-Prunelab-Query-Key": "guessed"}, {"Authorization": f"token {HOST_TOKEN}"}):
        with pytest.raises(InvalidStatus, match="403"):
            connect(f"ws{server.url[4:]}{path.format(KERNEL)}", additional_headers=headers, proxy=None)


def test_an_invited_page_may_not_speak_for_a_kernel(server, invited):
    cookies = "; ".join(f"{each.name}={each.value}" for each in invited.cookies)
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"ws{server.url[4:]}voila/line/{KERNEL}", additional_headers={"Cookie": cookies}, proxy=None)


def test_a_page_of_another_site_gets_no_websocket(server, invited, host):
    assert invited.ask("")[0] == 200
    (lab,) = json.loads(host.ask("host/state")[1])["labs"]
    cookies = "; ".join(f"{each.name}={each.value}" for each in invited.cookies)
    address = f"ws{server.url[4:]}api/kernels/{lab['kernel']}/channels"
    speaks: Any = {"additional_headers": {"Cookie": cookies}, "subprotocols": [PROTOCOL], "proxy": None}
    ours: Any = server.url.rstrip("/")
    with connect(address, origin=ours, **speaks):
        pass
    for origin in ("http://evil.example", "null"):
        with pytest.raises(InvalidStatus, match="403"):
            connect(address, origin=origin, **speaks)
    # An older protocol would stop Voila's loop at the first picture.
    with pytest.raises(InvalidStatus, match="400"):
        connect(address, origin=ours, **{**speaks, "subprotocols": None})
    # So would a message that says it had 2**60 parts.
    with connect(address, origin=ours, **speaks) as socket:
        socket.send((2**60).to_bytes(8, "little"))
        with pytest.raises(ConnectionClosed):
            while True:
                socket.recv(timeout=60)
    assert host.ask("host/state")[0] == 200


@pytest.mark.parametrize("path", ["host", "host/state"])
def test_the_host_page_is_for_the_host(server, stranger, invited, path):
    for visitor in (stranger, invited):
        status, text, _ = visitor.ask(path)
        assert status == 403 and TOKEN not in text
    assert "open it by the address that prunelab workshop has printed" in invited.ask("host")[1]
    assert stranger.ask(f"host?token={TOKEN}")[0] == 403


@pytest.mark.parametrize("wish", [{"do": "end all"}, {"do": "say", "about": "hello"}])
def test_only_the_host_gives_orders(server, stranger, invited, wish):
    for visitor in (stranger, invited):
        assert visitor.ask("host/do", body=wish)[0] == 403
        assert visitor.ask(f"host/do?token={HOST_TOKEN}", body=wish)[0] == 403, "an order is no link"


def test_a_form_of_another_site_gives_no_orders(host):
    assert host.ask("host/do", data=b'{"do": "forget"}', **{"Content-Type": "text/plain"})[0] == 400
    assert host.ask("host/do", data=b'{"do": "forget"}', **{"Content-Type": "application/json"})[0] == 204


@pytest.mark.parametrize(("wish", "words"), [
    ({"do": "dance"}, "'dance': no such wish"),
    ({"do": "follow", "about": "?quality=20"}, "quality = 20"),
    ({"do": "follow", "about": "?v=2&rounds=90"}, "rounds = 90: many share this machine"),
    ({"do": "follow", "about": "?preset=constant-quality-stalls"}, "rounds = 8: many share this machine"),
    ({"do": "say", "about": ["hello"]}, "about = ['hello']: must be a text"),
    ({"about": "x"}, "do"),
    ([], ""),
])  # fmt: skip
def test_what_cannot_be_done_is_told(host, wish, words):
    status, text, _ = host.ask("host/do", body=wish)
    assert status == 400 and words in text


def test_the_host_sees_the_room_the_address_and_its_code(host):
    status, text, _ = host.ask("host")
    assert status == 200 and f"/?token={TOKEN}" in text and "data:image/svg+xml" in text
    room = json.loads(host.ask("host/state")[1])
    assert room["places"] == 3 and room["guesses"] == {} and room["free_memory"] > 0
    assert host.ask("host/do", body={"do": "forget"})[0] == 204
    assert host.ask("host/do", body={"do": "end", "about": str(KERNEL)})[0] == 204


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)",
                                  "/host", '"><script>alert(1)</script>', "http://[", "//evil[.example"])  # fmt: skip
def test_the_way_back_never_leads_elsewhere(invited, back):
    text = invited.ask("away?" + urllib.parse.urlencode({"back": back}))[1]
    assert 'href="/"' in text and "evil" not in text and "alert" not in text


def test_the_way_back_leads_to_the_saved_lab(invited):
    text = invited.ask("away?why=rest&" + urllib.parse.urlencode({"back": "/?session=abc&quality=2"}))[1]
    assert 'href="/?session=abc&amp;quality=2"' in text and "Nobody had touched this page" in text


def test_a_place_is_asked_for_and_given_back(server):
    numbers = []
    while not numbers or numbers[-1] == 0:
        visitor = Visitor(server)
        numbers.append(json.loads(visitor.ask(f"place?token={TOKEN}")[1])["number"])
        assert len(numbers) <= 4
    assert numbers[-1] == 1
    status, text, _ = visitor.ask("?quality=2")
    assert status == 200 and "All 3 places are taken" in text and 'data-number="1"' in text
    other = Visitor(server)
    assert json.loads(other.ask(f"place?token={TOKEN}")[1]) == {"number": 2}
    assert visitor.ask("place", data=b"", method="POST")[0] == 204
    assert json.loads(other.ask("place")[1]) == {"number": 1}


def test_no_secret_stands_in_the_log_or_in_what_kernels_inherit(server, host, invited):
    invited.ask(f"voila/files/none.png?token={TOKEN}")
    host.ask(f"host?token={HOST_TOKEN}")
    assert TOKEN not in server.log and HOST_TOKEN not in server.log
