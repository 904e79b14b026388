"""The form for visitors without a token. Jupyter's speaks of commands that visitors cannot give, and of passwords."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado.escape import url_escape
from tornado.web import HTTPError
from voila.utils import create_include_assets_functions
from voila.voila_identity_provider import VoilaLoginHandler


class LoginHandler(VoilaLoginHandler):  # type: ignore[misc]  # Voila has no types
    """Asks for the token, and sets nothing else: Jupyter's handler would let whoever has it set a password, too."""

    def _render(self, message: Any = None) -> None:
        template = self.settings["voila_jinja2_env"].get_template("login.html")
        given = self.request.method == "POST" or bool(self.get_query_argument("token", ""))
        names = {**self.template_namespace, **create_include_assets_functions("prunelab", self.base_url)}
        following = url_escape(self.get_query_argument("next", self.base_url))
        self.write(template.render(next=following, wrong=given or "token%3D" in following, **names))

    @allow_unauthenticated
    def post(self) -> None:
        """Let in whoever knows the token; see the base class. Raises a 403 for any other wish."""
        if self.get_argument("new_password", ""):
            raise HTTPError(403, "no password can be set here")
        super().post()
