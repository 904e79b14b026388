"""ipywidgets' own widgets as the lab uses them, with shared looks."""

from __future__ import annotations

import ipywidgets

from prunelab.lab.widgets.shared_looks import SharedLooks


class VBox(SharedLooks, ipywidgets.VBox):
    """A column."""


class HBox(SharedLooks, ipywidgets.HBox):
    """A row."""


class Accordion(SharedLooks, ipywidgets.Accordion):
    """Parts that are folded."""


class Button(SharedLooks, ipywidgets.Button):
    """A button."""


class Checkbox(SharedLooks, ipywidgets.Checkbox):
    """A tick with its name."""


class Dropdown(SharedLooks, ipywidgets.Dropdown):
    """One of several."""


class HTML(SharedLooks, ipywidgets.HTML):
    """Markup of ours: never of untrusted text that is not escaped."""


class Label(SharedLooks, ipywidgets.Label):
    """A line of text."""


class Text(SharedLooks, ipywidgets.Text):
    """A line of text in a field."""
