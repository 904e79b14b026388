"""Our extension of Jupyter Server: what pages of the lab need under ``jupyter server``, a hub or Binder.

An installed prunelab enables it (share/etc/jupyter/jupyter_server_config.d). The page itself needs no setting: its
notebook names the template in its metadata. Where the user has chosen a connection class, that one stays.
"""

from __future__ import annotations

from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

from prunelab.serve.compression import compress
from prunelab.serve.long_links import LARGEST, explain_long_links
from prunelab.serve.websocket import NoDelayConnection

CONNECTION = "kernel_websocket_connection_class"  # name of the setting


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Prompt websockets, long links, and fewer bytes. Called once, before the server listens."""
    settings = server.web_app.settings
    if settings[CONNECTION] is ZMQChannelsWebsocketConnection:
        settings[CONNECTION] = NoDelayConnection
    explain_long_links(server.web_app)
    compress(server.web_app)

    def accept_long_headers() -> None:
        server.http_server.conn_params.max_header_size = LARGEST

    server.io_loop.add_callback(accept_long_headers)  # the HTTP server is made after its extensions are loaded
