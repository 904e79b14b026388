"""The websocket between page and kernel: without delay, and with nothing in it that could stop the server.

Nagle's algorithm (the default) holds a small message back until the browser has acknowledged the last one, which takes
up to 40 ms: most of the time from a slider to its pictures.

Jupyter and Voila take the number of a message's parts from the message itself and believe it: eight bytes that say
2**60 keep the server busy for ever, for all visitors. So messages are looked at first; and since Voila reads what it
sends as if it were in the newer of Jupyter's two protocols, only that one is spoken.
"""

from __future__ import annotations

import struct
from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.web import HTTPError
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

PROTOCOL = "v1.kernel.websocket.jupyter.org"
MOST_PARTS = 1000  # of a message: channel, four parts of JSON, and binary ones


def is_well_formed(message: bytes) -> bool:
    """Whether a message of ``PROTOCOL`` has the parts that it says it has, each within it.

    It begins with their number plus one and the position of each and of the end, as 64-bit numbers, low byte first.
    """
    count = int.from_bytes(message[:8], "little")
    if not 6 <= count <= MOST_PARTS or len(message) < 8 * (count + 1):
        return False
    positions = struct.unpack_from(f"<{count}Q", message, 8)
    return 8 * (count + 1) <= positions[0] and list(positions) == sorted(positions) and positions[-1] <= len(message)


class NoDelayConnection(ZMQChannelsWebsocketConnection):
    """Jupyter's connection with TCP_NODELAY set, which passes on nothing but well-formed messages."""

    def connect(self) -> Any:
        """Open the connection; see the base class."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        """Pass a message on, or close the connection to whoever sends what is none; see the base class."""
        if self.subprotocol == PROTOCOL and not (isinstance(incoming_msg, bytes) and is_well_formed(incoming_msg)):
            self.log.warning("a page sent what is no message: its connection is closed")
            self.websocket_handler.close(1007, "not a message")
            return
        super().handle_incoming_message(incoming_msg)


class KernelSocketHandler(VoilaKernelWebsocketHandler):  # type: ignore[misc]  # Voila has no types
    """Voila's handler for those who speak ``PROTOCOL``, as every page does; 400 for others."""

    async def get(self, *args: Any, **options: Any) -> None:
        """Open the websocket; see the base class."""
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "")
        if PROTOCOL not in (each.strip() for each in offered.split(",")):
            raise HTTPError(400, f"only the protocol {PROTOCOL} is spoken here")
        await super().get(*args, **options)
