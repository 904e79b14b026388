"""What the page shows, as checkboxes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import ipywidgets as w

from prunelab.lab.links import Options

SWITCHES = {"big": "large type", "guess": "guess first"}


class PanelChooser:
    """choices: a checkbox a panel, by name; switches: those for the whole page.

    options: what holds now. chosen: called with what a hand has asked for instead.
    """

    def __init__(
        self, panels: Iterable[str], options: Callable[[], Options], chosen: Callable[[Options], None]
    ) -> None:
        self.choices = {name: w.Checkbox(description=name, indent=False) for name in panels}
        self.switches = {name: w.Checkbox(description=text, indent=False) for name, text in SWITCHES.items()}
        self._quiet = False  # the boxes are being set, not by a hand

        def heard(wanted: Options) -> None:
            if not self._quiet and wanted != options():
                chosen(wanted)

        for name, box in self.choices.items():
            box.observe(lambda change, name=name: heard(options().toggled(name, change["new"])), "value")
        for name, box in self.switches.items():
            box.observe(lambda change, name=name: heard(replace(options(), **{name: change["new"]})), "value")

    def show(self, options: Options) -> None:
        """Tick what holds."""
        self._quiet = True
        for name, box in self.choices.items():
            box.value = options.shows(name)
        for name, box in self.switches.items():
            box.value = getattr(options, name)
        self._quiet = False
