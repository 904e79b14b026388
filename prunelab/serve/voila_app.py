"""Voila as prunelab needs it: it accepts long addresses, and serves plotly.js as a file that browsers keep.

    python -m prunelab.serve.voila_app notebook.ipynb ...   # otherwise like ``python -m voila``

Where a token is required, it is required for files of the notebook's folder and for the visitor's query too, and it
stands in no line of the log and is told to no kernel. A message from a page may have at most LARGEST_MESSAGE bytes.
"""

from __future__ import annotations

import prunelab.serve.without_iris  # noqa: F401  isort: skip  # before Jupyter

import os
import re
from functools import partial
from typing import Any

from jupyter_server.base.handlers import AuthenticatedFileHandler
from jupyter_server.log import log_request
from jupyter_server.utils import url_path_join
from tornado.web import authenticated
from voila.app import Voila
from voila.request_info_handler import RequestInfoSocketHandler
from voila.static_file_handler import AllowListFileHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler
from voila.voila_identity_provider import VoilaLoginHandler

from prunelab.resources import SERVED_PLOTLY
from prunelab.serve import compression, kernel_pool
from prunelab.serve.fork_provisioner import SERVER
from prunelab.serve.log_filter import hide_tokens
from prunelab.serve.login import LoginHandler
from prunelab.serve.long_links import LARGEST, explain_long_links
from prunelab.serve.page_handler import PageHandler
from prunelab.serve.plotly_file import PlotlyFileHandler, plotly_file
from prunelab.serve.query_socket import QuerySocketHandler, make_query_key
from prunelab.serve.voila import PROVISIONER
from prunelab.serve.websocket import KernelSocketHandler

LARGEST_MESSAGE = 2 * 2**20  # bytes of a websocket message from a page; the largest of ours, a drawing, has some KB
STATIC = "prunelab/static"  # after the server's base_url, where its files are


class FileHandler(AllowListFileHandler, AuthenticatedFileHandler):  # type: ignore[misc]  # Voila has no types
    """Files of the notebook's folder, by Voila's allow-list, for those who are logged in."""

    # tornado's types do not see that what is returned can be awaited
    @authenticated
    def get(self, path: str, include_body: bool = True) -> Any:  # type: ignore[override]
        """Send the file; see Voila's handler."""
        return AllowListFileHandler.get(self, path, include_body)


REPLACED = {
    TornadoVoilaHandler: PageHandler,
    RequestInfoSocketHandler: QuerySocketHandler,
    AllowListFileHandler: FileHandler,
    VoilaLoginHandler: LoginHandler,
    VoilaKernelWebsocketHandler: KernelSocketHandler,
}


class PrunelabVoila(Voila):  # type: ignore[misc]  # Voila has no types
    """Voila for long addresses, with plotly.js as a file. It has Voila's settings, ``--Voila.ip`` and so on."""

    @property
    def _forks(self) -> bool:
        """Whether kernels are forked."""
        return bool(self.config.KernelProvisionerFactory.default_provisioner_name == PROVISIONER)

    def start(self) -> None:
        """Load what kernels share while the server is made ready; see the base class."""
        if self._forks:
            SERVER.start()
        super().start()

    def init_settings(self) -> dict[str, Any]:
        """Tell the page's template, and the kernels, about the file; see the base class."""
        self._plotly = plotly_file()
        address = url_path_join(self.base_url, STATIC, self._plotly.name)
        plotly = {"address": address, "version": self._plotly.version}
        self.voila_configuration.config.VoilaConfiguration.resources = {"prunelab_plotly": plotly}
        os.environ[SERVED_PLOTLY] = self._plotly.version
        make_query_key()
        hide_tokens()
        kernel_pool.install()
        settings: dict[str, Any] = super().init_settings()
        return {
            **settings,
            **compression.SETTINGS,
            "log_function": log_request,
            "websocket_max_message_size": LARGEST_MESSAGE,
        }

    def init_handlers(self) -> list[Any]:
        """Serve the file, too, and use our handlers in place of Voila's open ones; see the base class."""
        path = url_path_join(self.server_url, STATIC, self._plotly.name)
        handlers = [(each[0], REPLACED.get(each[1], each[1]), *each[2:]) for each in super().init_handlers()]
        return [(re.escape(path), PlotlyFileHandler, {"file": self._plotly}), *handlers]

    def listen(self) -> None:
        """Start to serve; see the base class."""
        explain_long_links(self.app)
        self.app.listen = partial(self.app.listen, max_header_size=LARGEST)
        if self._forks:
            # Voila gives a visitor a preheated kernel only once that one has started: the first is not to come before.
            SERVER.wait()
        super().listen()

    def stop(self) -> None:
        """End the kernels, and what forks them; see the base class."""
        super().stop()
        if self._forks:
            SERVER.end()


if __name__ == "__main__":
    PrunelabVoila.launch_instance()
