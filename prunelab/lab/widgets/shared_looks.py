"""Widgets that look alike share one layout, and those of a kind one style.

By default each widget of ipywidgets brings a layout, and most bring a style. On a page these are models like the
widget itself: of the lab's 450 they were 270, and said nothing. What comes and goes does so by a CSS class: ``show``.
"""

from __future__ import annotations

from typing import Any

import ipywidgets
import traitlets

HIDDEN = "prunelab-hidden"  # CSS class of what is not shown


class SharedLayout(ipywidgets.Layout):
    """A layout of many widgets, which none of them can change. Raises AttributeError to whoever tries."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._names = frozenset(name for name in self.keys if not name.startswith("_"))

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("_names", ()):
            raise AttributeError(
                f"layout.{name} cannot be set to {value!r}: many widgets of the lab share this layout. "
                f"Give the widget one of its own: widget.layout = ipywidgets.Layout({name}={value!r})"
            )
        super().__setattr__(name, value)


_shared: dict[tuple[type, tuple[tuple[str, str], ...]], ipywidgets.Widget] = {}


def _one(kind: type, **values: str) -> Any:
    """The one widget of a kind with these values: made on first use, and again if it was closed."""
    key = kind, tuple(sorted(values.items()))
    if key not in _shared or _shared[key].comm is None:
        _shared[key] = kind(**values)
    return _shared[key]


def shared_layout(**values: str) -> ipywidgets.Layout:
    """The layout with these values that all widgets share, as for ``ipywidgets.Layout``."""
    shared: ipywidgets.Layout = _one(SharedLayout, **values)
    return shared


def show(widget: ipywidgets.DOMWidget, shown: bool) -> None:
    """Show a widget, or hide it without a place."""
    (widget.remove_class if shown else widget.add_class)(HIDDEN)


def is_shown(widget: ipywidgets.DOMWidget) -> bool:
    """Whether it is shown where it is: not hidden by ``show``."""
    return HIDDEN not in widget._dom_classes


class SharedLooks(traitlets.HasTraits):
    """A widget that shares layout and style with others of its kind, unless it is given its own. Stands before the
    widget's class.
    """

    @traitlets.default("layout")
    def _layout(self) -> ipywidgets.Layout:
        return shared_layout()

    @traitlets.default("style")
    def _style(self) -> ipywidgets.Widget:
        style: ipywidgets.Widget = _one(type(self).style.klass)  # type: ignore[attr-defined]  # of the widget's class
        return style
