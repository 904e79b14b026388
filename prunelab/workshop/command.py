"""The command line and the environment of a workshop's server."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from prunelab import resources
from prunelab.lab.worker import limits
from prunelab.lab.worker.limits import Limits
from prunelab.serve import visitor, voila
from prunelab.workshop.environment import ADDRESS, HOST_TOKEN, TOKEN
from prunelab.workshop.sizing import Size

MODULE = "prunelab.workshop.server"


@dataclass(frozen=True)
class Secrets:
    """token: that visitors show, "" for none. host: that the host shows. address: of visitors, with their token."""

    token: str
    host: str
    address: str


def argv(port: int, ip: str, room: Size, *, rest: float = 10, memory: int = 1000, base_url: str = "/") -> list[str]:
    """The command that serves it. rest: minutes that a lab may rest while others wait; memory: megabytes of a lab.

    base_url: the path under which it is reached, with a slash at both ends.
    """
    if ip == "::":
        ip = ""  # of IPv4, too: Tornado would leave it out, and with it the kernels
    notebook = resources.notebooks() / "dashboard.ipynb"
    served = voila.voila_argv(notebook, port, preheat=room.pool > 0, pool_size=room.pool, ip=ip, base_url=base_url)
    return [
        *(sys.executable, "-m", MODULE),
        *served[3:],
        f"--Workshop.places={room.places}",
        f"--Workshop.rest={60 * rest}",
        f"--Workshop.memory={memory * 10**6}",
        "--Voila.log_level=WARN",
    ]


def environment(base: Mapping[str, str], ip: str, secrets: Secrets, limited: Limits, query: str) -> dict[str, str]:
    """``base`` with what the server and its kernels need. ip: at which kernels reach it; query: labs begin with it."""
    return {
        **voila.environment(base),
        TOKEN: secrets.token,
        HOST_TOKEN: secrets.host,
        ADDRESS: secrets.address,
        limits.VARIABLE: limited.to_json(),
        visitor.HOST_LINE: "yes",
        visitor.LINK: query,
        "VOILA_APP_IP": ip,
        # One thread a lab: with more, thirty of them wait for each other more than they work.
        "OMP_NUM_THREADS": "1",
    }
