"""The server of a workshop: Voila with places, a queue, and a page for the host.

    python -m prunelab.workshop.server notebook.ipynb ...   # otherwise like ``python -m prunelab.serve.voila_app``

Its secrets come in the environment, which other users of the machine cannot read, and go before kernels inherit it.
"""

from __future__ import annotations

import prunelab.serve.without_iris  # noqa: F401  isort: skip  # before Jupyter

import hashlib
import os
from functools import partial
from typing import Any

from jupyter_server.utils import url_path_join
from tornado.ioloop import IOLoop, PeriodicCallback
from traitlets import Float, Int

from prunelab.serve import page_handler
from prunelab.serve.voila_app import PrunelabVoila
from prunelab.workshop.desk import SETTING, TICK, Desk
from prunelab.workshop.environment import ADDRESS, HOST_TOKEN, TOKEN
from prunelab.workshop.host import HOST, Host, HostHandler
from prunelab.workshop.line import LineHandler, WatchedConnection
from prunelab.workshop.pages import AwayHandler, PageHandler, PlaceHandler
from prunelab.workshop.room import Room

KERNEL_ID = r"(?P<kernel>\w+-\w+-\w+-\w+-\w+)"


class Workshop(PrunelabVoila):
    """A room for a class. It has Voila's settings, and those below."""

    places = Int(30, min=1, help="Visitors at once.").tag(config=True)
    rest = Float(600, min=1, help="Seconds that a lab may rest while others wait.").tag(config=True)
    memory = Int(1_000_000_000, min=1, help="Bytes that a visitor's kernel may take.").tag(config=True)

    def initialize(self, argv: Any = None) -> None:
        """Read the settings; see the base class."""
        self._host = Host(os.environ.pop(HOST_TOKEN), os.environ.pop(ADDRESS))
        token = os.environ.pop(TOKEN, "")
        super().initialize(argv)
        if token:
            self.token = token
            # Who came in by this token is known to a server that is started anew with it; Voila's secret is another
            # each time. It gives nobody more than the token does, which whoever has such a cookie has shown.
            self.cookie_secret = hashlib.sha256(f"prunelab workshop {token}".encode()).digest()

    def init_settings(self) -> dict[str, Any]:
        """Put the desk into the application; see the base class."""
        self.kernel_websocket_connection_class = WatchedConnection
        settings = super().init_settings()
        self.desk = Desk(
            Room(self.places),
            self.kernel_manager,
            url_path_join(self.base_url, "away"),
            self.rest,
            self.memory,
        )
        self.kernel_manager.given = self.desk.given
        return {**settings, SETTING: self.desk, HOST: self._host}

    def init_handlers(self) -> list[Any]:
        """Add the room's pages; see the base class."""
        at = partial(url_path_join, self.server_url)
        configuration = {"voila_configuration": self.voila_configuration}
        handlers = [(each[0], PageHandler if each[1] is page_handler.PageHandler else each[1], *each[2:])
                    for each in super().init_handlers()]  # fmt: skip
        return [
            (at("voila/line/") + KERNEL_ID, LineHandler),
            (at("place"), PlaceHandler),
            (at("away"), AwayHandler, configuration),
            (at("host"), HostHandler, configuration),
            (at("host/") + r"(state|do)", HostHandler, configuration),
            *handlers,
        ]

    def listen(self) -> None:
        """Start to serve, and to look after the labs; see the base class."""
        self._looks = PeriodicCallback(self.desk.look, TICK * 1000)
        IOLoop.current().add_callback(self._looks.start)
        super().listen()


if __name__ == "__main__":
    Workshop.launch_instance()
