"""The line between a lab and the host of a workshop, whatever address the visitor came in by."""

from __future__ import annotations

import json

import pytest

from support.servers import stop, when
from support.workshop import HOST_TOKEN, TOKEN, Visitor, start_workshop


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = start_workshop(tmp_path_factory.mktemp("home"), places=3, pool=0)
    yield started
    stop(started)


@pytest.mark.parametrize("ip", ["::", "::1"])
def test_a_server_of_ipv6_is_reached_and_so_is_its_host(tmp_path, ip):
    """From everywhere: by IPv4, too."""
    server = start_workshop(tmp_path, places=1, pool=1, ip=ip)
    try:
        host, visitor = Visitor(server), Visitor(server)
        assert host.ask(f"host?token={HOST_TOKEN}")[0] == 200
        assert visitor.ask(f"?token={TOKEN}")[0] == 200
        assert when(server, lambda: '"doing"' in host.ask("host/state")[1], 30), server.log
    finally:
        stop(server)


@pytest.mark.parametrize("name", ["lab.school.example", "lab.school.example:443", "[fd00::7]:9"])
def test_a_lab_behind_a_proxy_tells_the_host_what_it_does(server, name):
    """The proxy listens on another port than the server."""
    host, visitor = Visitor(server), Visitor(server)
    assert host.ask(f"host?token={HOST_TOKEN}")[0] == 200
    before = {lab["kernel"] for lab in json.loads(host.ask("host/state")[1])["labs"]}
    assert visitor.ask(f"?token={TOKEN}", Host=name)[0] == 200

    def told() -> bool:
        labs = json.loads(host.ask("host/state")[1])["labs"]
        return any("doing" in lab for lab in labs if lab["kernel"] not in before)

    assert when(server, told, 30), server.log
