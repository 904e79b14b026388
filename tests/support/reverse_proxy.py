"""A reverse proxy as a school's web server is one: it passes on what lies below a path, websockets too.

The Host stays the one that the browser asked for, as nginx does with ``proxy_set_header Host $http_host``.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

CHUNK = 65536
NOT_HERE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class ReverseProxy(socketserver.ThreadingTCPServer):
    """Serves ``server``, an address with a path, at ``url``; asked for anything else, it has nothing.

    elsewhere: paths that it was asked for and does not have. One request a connection, so that each is looked at.
    """

    def __init__(self, server: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        parts = urlsplit(server)
        self.target, self.path = (parts.hostname, parts.port), parts.path
        self.url = f"http://127.0.0.1:{self.server_address[1]}{self.path}"
        self.elsewhere: list[str] = []
        self.open: set[socket.socket] = set()

    def end(self) -> None:
        """Break what is still open (browsers open connections before they need them), and wait for its threads."""
        self.shutdown()
        for one in list(self.open):
            _break(one)
        self.server_close()


class _Connection(socketserver.StreamRequestHandler):
    server: ReverseProxy

    def handle(self) -> None:
        self.server.open.add(self.request)
        try:
            head = []
            while (line := self.rfile.readline()) not in (b"", b"\r\n"):
                head.append(line)
            if head:
                self._serve(head)
        except OSError:  # the browser went away
            pass
        finally:
            self.server.open.discard(self.request)

    def _serve(self, head: list[bytes]) -> None:
        path = head[0].split()[1].decode()
        if not path.startswith(self.server.path):
            self.server.elsewhere.append(path)
            self.wfile.write(NOT_HERE)
            return
        with socket.create_connection(self.server.target) as server:
            server.sendall(b"".join([*_passed_on(head), b"\r\n"]))
            upwards = threading.Thread(target=_relay, args=(self.rfile.read1, server))
            upwards.start()
            _relay(server.recv, self.request)
            _break(self.request)  # ends the reading of the other thread
            upwards.join()


def _passed_on(head: list[bytes]) -> list[bytes]:
    """The lines of a request with what a proxy changes: no second request on this connection, unless it is upgraded."""
    if not any(line.lower().startswith(b"upgrade:") for line in head):
        head = [line for line in head if not line.lower().startswith(b"connection:")] + [b"Connection: close\r\n"]
    return [*head, b"X-Forwarded-For: 127.0.0.1\r\n", b"X-Forwarded-Proto: http\r\n"]


def _relay(read: Callable[[int], bytes], target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := read(CHUNK):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)


def _break(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def reverse_proxy(server: str) -> Iterator[ReverseProxy]:
    proxy = ReverseProxy(server)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, name="reverse proxy")
    thread.start()
    try:
        yield proxy
    finally:
        proxy.end()
        thread.join()
