"""Widgets that say their whole state wherever they are saved."""

from __future__ import annotations

from typing import Any


class WholeState:
    """A widget's state without what has its usual value is no state for ours: their scripts know no usual values, and
    the script itself is one. ``ipywidgets.embed`` asks for that by default. Stands before the widget's class.
    """

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """The state, whole; see ``ipywidgets.Widget.get_state``."""
        state: dict[str, Any] = super().get_state(key)  # type: ignore[misc]  # of the widget's class
        return state
