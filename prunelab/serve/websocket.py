"""A connection between page and kernel on which no message waits for the one before it to be acknowledged.

By default (Nagle's algorithm) the system holds a small message back until the browser has acknowledged the last one,
which takes it up to 40 ms: most of the time from a slider to its pictures.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class NoDelayConnection(ZMQChannelsWebsocketConnection):
    """Jupyter's own connection, without that delay."""

    def connect(self) -> Any:
        """Begin to carry messages; see the base class."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()
