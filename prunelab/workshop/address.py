"""Where a workshop is reached: this machine's address in its network, links with their token, and a QR code."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlencode

import segno

from prunelab.serve import visitor

EVERYWHERE = ("0.0.0.0", "::")  # addresses to listen on that are no addresses to go to
FAR = ("192.0.2.1", 9)  # an address that is kept for documentation: nothing is sent there


def is_loopback(ip: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return ip == "localhost"


def reachable(ip: str) -> str:
    """The host in addresses of a server that listens on ``ip``, which may be one of ``EVERYWHERE``."""
    if ip not in EVERYWHERE:
        return visitor.in_address(ip)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(FAR)  # only chooses the way: a datagram socket sends nothing
        except OSError:  # no network
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def link(base: str, token: str, page: str = "") -> str:
    """The address of a page. base: of the server, with a slash at its end; token: "" where none is needed."""
    return f"{base}{page}" + (f"?{urlencode({'token': token})}" if token else "")


def qr_for_terminal(address: str) -> str:
    """A QR code in characters, dark on light whatever the terminal's colours are."""
    # Two rows of modules in a line of half blocks; light modules are drawn, so the quiet zone is light, too.
    rows = [list(row) for row in segno.make(address, micro=False).matrix_iter(border=2)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    blocks = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
    lines = (
        "".join(blocks[bool(upper), bool(lower)] for upper, lower in zip(rows[i], rows[i + 1], strict=True))
        for i in range(0, len(rows), 2)
    )
    return "\n".join(lines)


def qr_for_page(address: str) -> str:
    """A QR code as the address of a picture (SVG in a data URI)."""
    return str(segno.make(address, micro=False).svg_data_uri(border=2, light="#fff"))
