"""Status: the top of the page. Title, what is going on, trouble in words, the cards; and the root's data attributes."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets


class Status(anywidget.AnyWidget):
    """All of it is state and plain text: a page that comes late shows the same, and nothing is read as markup."""

    _esm = Path(__file__).parent / "status.js"
    _css = Path(__file__).parent / "lab.css"

    title = traitlets.Unicode("").tag(sync=True)
    text = traitlets.Unicode("starting").tag(sync=True)
    progress = traitlets.Float(None, allow_none=True).tag(sync=True)
    trouble = traitlets.Unicode("").tag(sync=True)
    cards = traitlets.List(traitlets.Dict()).tag(sync=True)
    attributes = traitlets.Dict().tag(sync=True)
