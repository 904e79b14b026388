"""The extension of Jupyter Server that an installed prunelab enables."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from jupyter_server.services.kernels.connection.base import BaseKernelWebsocketConnection
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.web import Application

import prunelab
from prunelab.serve import extension
from prunelab.serve.long_links import LARGEST
from prunelab.serve.websocket import NoDelayConnection


class Own(BaseKernelWebsocketConnection):
    """A class that the user has chosen."""


@pytest.mark.parametrize(
    ("before", "after"), [(ZMQChannelsWebsocketConnection, NoDelayConnection), (Own, Own)], ids=["usual", "chosen"]
)
def test_sockets_are_prompt_unless_the_user_has_chosen_others_and_long_headers_are_read(before, after):
    later = []
    server = SimpleNamespace(
        web_app=Application(kernel_websocket_connection_class=before),
        http_server=SimpleNamespace(conn_params=SimpleNamespace(max_header_size=65536)),
        io_loop=SimpleNamespace(add_callback=later.append),
    )
    extension._load_jupyter_server_extension(server)
    assert server.web_app.settings["kernel_websocket_connection_class"] is after
    for each in later:
        each()
    assert server.http_server.conn_params.max_header_size == LARGEST


def test_the_file_that_enables_it_names_it():
    path = "share/etc/jupyter/jupyter_server_config.d/prunelab.json"
    enabled = json.loads((Path(prunelab.__file__).parent / path).read_text())["ServerApp"]["jpserver_extensions"]
    assert enabled == {extension.__name__: True}
    assert extension._jupyter_server_extension_points() == [{"module": extension.__name__}]
