"""Google's sections in docstrings (Args, Returns, Raises, Warns), by napoleon, with types from annotations alone.

The extension ``sphinx.ext.napoleon`` takes the words before a colon at the start of an attribute's docstring for its
type; here they are words.
"""

from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

SECTIONS = Config(napoleon_google_docstring=True, napoleon_numpy_docstring=False)


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    if what not in ("attribute", "property", "data"):
        lines[:] = GoogleDocstring(lines, SECTIONS, app, what, name, obj, options).lines()


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
