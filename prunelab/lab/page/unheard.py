"""What changes while a page is on its way: between the states that it asks for and its first word it hears nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import traitlets
from ipywidgets import Widget


class Unheard:
    """Notes which widgets change from ``begin`` to ``say``, which sends what has changed, and nothing else."""

    def __init__(self) -> None:
        self._watched: list[Widget] = []
        self._changed: dict[Widget, set[str]] = {}  # names of traits

    def begin(self, root: Widget) -> None:
        """Watch a widget and all that it refers to."""
        self._watched = list(_with_parts(root))
        for widget in self._watched:
            widget.observe(self._note, traitlets.All)

    def say(self) -> None:
        """Send what has changed since ``begin``, and end watching. Nothing if nothing is watched."""
        for widget in self._watched:
            widget.unobserve(self._note, traitlets.All)
        changed, self._changed, self._watched = self._changed, {}, []
        for widget, names in changed.items():
            widget.send_state(names)

    def _note(self, change: Any) -> None:
        if change.name in change.owner.keys:
            self._changed.setdefault(change.owner, set()).add(change.name)


def _with_parts(root: Widget) -> Iterator[Widget]:
    """The widget and all that its state refers to: children, layout, style."""
    found, waiting = {root}, [root]
    while waiting:
        widget = waiting.pop()
        yield widget
        for value in (getattr(widget, name) for name in widget.keys):
            for part in value if isinstance(value, list | tuple) else (value,):
                if isinstance(part, Widget) and part not in found:
                    found.add(part)
                    waiting.append(part)
