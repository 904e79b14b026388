"""What a page says to a widget."""

from __future__ import annotations

from typing import Any

import ipywidgets


def say(widget: ipywidgets.Widget, content: Any) -> None:
    """As ipywidgets does when a message of a page has arrived; it has no public name for that."""
    widget._handle_custom_msg(content, [])
