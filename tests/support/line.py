"""A line between browser and server that can be cut: a small TCP proxy on a port of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

CHUNK = 65536


class Line:
    """Relays to ``target``, a server's address, at ``url``. All socket work is done by one thread.

    cut: connections break and new ones are refused. hold: they stay open, and nothing comes through. mend: as before;
    what was held comes through. sent: bytes that went to browsers so far.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._peers: dict[socket.socket, socket.socket] = {}
        self._lock = threading.Lock()
        self._state = "open"
        self._far: set[socket.socket] = set()  # ends towards the server
        self.sent = 0
        self._ended = threading.Event()
        self._listening = self._listen(0)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}{parts.path}"
        self._thread = threading.Thread(target=self._relay, name="line", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        with self._lock:
            self._state = "cut"
            self._listening.close()
            self._break_all()

    def hold(self) -> None:
        with self._lock:
            self._state = "held"

    def mend(self) -> None:
        with self._lock:
            if self._state == "cut":
                self._listening = self._listen(int(urlsplit(self.url).port or 0))
            self._state = "open"

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        with self._lock:
            self._listening.close()
            self._break_all()

    def _listen(self, port: int) -> socket.socket:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(64)
        listening.setblocking(False)
        return listening

    def _break_all(self) -> None:
        for one in list(self._peers):
            self._break(one)

    def _break(self, one: socket.socket) -> None:
        other = self._peers.pop(one, None)
        self._far -= {one, other}
        if other is not None:
            self._peers.pop(other, None)
            for end in (one, other):
                end.close()

    def _relay(self) -> None:
        while not self._ended.wait(0.002):
            with self._lock:
                if self._state != "open":
                    continue
                self._accept()
                for one, other in list(self._peers.items()):
                    if one in self._peers:
                        self._pass_on(one, other)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                near, _ = self._listening.accept()
                try:
                    far = socket.create_connection(self._target, timeout=5)
                except OSError:  # the server behind is not there: so is this line
                    near.close()
                    continue
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    end.setblocking(False)
                self._peers[near], self._peers[far] = far, near
                self._far.add(far)

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        try:
            content = one.recv(CHUNK)
            if content:
                other.setblocking(True)
                other.sendall(content)
                other.setblocking(False)
                self.sent += len(content) * (one in self._far)
            else:
                self._break(one)
        except BlockingIOError:
            return
        except OSError:
            self._break(one)


@contextlib.contextmanager
def line_to(target: str) -> Iterator[Line]:
    line = Line(target)
    try:
        yield line
    finally:
        line.close()
