"""What a server sends is compressed: answers by gzip, messages of a websocket by deflate."""

import asyncio
import gzip

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler, websocket_connect

from prunelab.serve import compression

SCRIPT = b"const a = 1;\n" * 1000


class Script(RequestHandler):
    def get(self):
        self.set_header("Content-Type", "text/javascript")
        self.finish(SCRIPT)


class Socket(WebSocketHandler):
    """As Jupyter's: it takes its compression from the application's settings."""

    def get_compression_options(self):
        return self.settings.get("websocket_compression_options")

    def open(self):
        self.write_message("a" * 1000)


HANDLERS = [("/script", Script), ("/socket", Socket)]


def with_settings():
    return Application(HANDLERS, **compression.SETTINGS)


def as_extension():
    app = Application(HANDLERS)
    compression.compress(app)
    compression.compress(app)  # once is enough
    return app


async def asked(app):
    """(headers and body of the script as sent, whether the socket agreed on compression, its message)."""
    listening, port = bind_unused_port()
    server = HTTPServer(app)
    server.add_sockets([listening])
    try:
        request = HTTPRequest(
            f"http://127.0.0.1:{port}/script", headers={"Accept-Encoding": "gzip"}, decompress_response=False
        )
        answer = await AsyncHTTPClient().fetch(request)
        socket = await websocket_connect(f"ws://127.0.0.1:{port}/socket", compression_options={})
        message = await socket.read_message()
        agreed = "permessage-deflate" in socket.headers.get("Sec-WebSocket-Extensions", "")
        socket.close()
        return answer, agreed, message
    finally:
        server.stop()
        await server.close_all_connections()


@pytest.mark.parametrize("make", [with_settings, as_extension])
def test_scripts_and_messages_are_compressed(make):
    answer, agreed, message = asyncio.run(asked(make()))
    assert answer.headers["Content-Encoding"] == "gzip" and "Accept-Encoding" in answer.headers["Vary"]
    assert len(answer.body) < len(SCRIPT) / 10 and gzip.decompress(answer.body) == SCRIPT
    assert agreed and message == "a" * 1000


def test_what_a_server_has_chosen_for_its_websockets_stays():
    app = Application(HANDLERS, websocket_compression_options={"compression_level": 1})
    compression.compress(app)
    assert app.settings["websocket_compression_options"] == {"compression_level": 1}
