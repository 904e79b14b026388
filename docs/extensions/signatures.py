"""Signatures of several lines without a list inside a term: Sphinx writes one, and HTML does not allow it.

A screen reader would announce a list in the name of a function. The lines stay, by style.
"""

import re
from typing import Any

from sphinx.application import Sphinx

TERM = re.compile(r'<dt class="sig .*?</dt>', re.DOTALL)
LIST = {"<dl>": '<span class="sig-lines">', "</dl>": "</span>", "<dd>": '<span class="sig-line">', "</dd>": "</span>"}


def as_lines(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if "body" in context:
        context["body"] = TERM.sub(lambda term: re.sub("</?d[ld]>", lambda tag: LIST[tag[0]], term[0]), context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", as_lines)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
