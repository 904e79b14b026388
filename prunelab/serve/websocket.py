"""A websocket between page and kernel without Nagle's algorithm.

With it (the default), the system holds a small message back until the browser has acknowledged the last one, which
takes up to 40 ms: most of the time from a slider to its pictures.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class NoDelayConnection(ZMQChannelsWebsocketConnection):
    """Jupyter's connection with TCP_NODELAY set."""

    def connect(self) -> Any:
        """Open the connection; see the base class."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()
