"""Keeps tokens out of the log: Jupyter takes them out of its lines about requests, Tornado's about errors have them."""

from __future__ import annotations

import logging
import re

SECRET = re.compile(r"((?:[?&]|%3F|%26)token(?:=|%3D))[^&\s'\",)%]+", re.IGNORECASE)


class WithoutTokens(logging.Filter):
    """Puts ``[secret]`` in place of every token of an address."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record; True: it is logged."""
        record.msg, record.args = SECRET.sub(r"\1[secret]", record.getMessage()), ()
        return True


def hide_tokens() -> None:
    """Let no line of Tornado's have a token."""
    for name in ("tornado.access", "tornado.application", "tornado.general"):
        logging.getLogger(name).addFilter(WithoutTokens())
