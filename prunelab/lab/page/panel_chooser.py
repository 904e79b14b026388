"""Checkboxes for what the page shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from prunelab.lab.links import Options
from prunelab.lab.widgets import basics

LABELS = {"tradeoff": "trade-off"}  # where it is not the panel's name
SWITCHES = {"stage": "stage", "big": "large type", "guess": "guess first"}


class PanelChooser:
    """Checkboxes for the panels and for the whole page.

    panels: their names. options: gives the current options. chosen: called with the options that the user has chosen.
    Attributes: choices, a checkbox per panel, and switches, those for the whole page; both by name.
    """

    def __init__(
        self, panels: Iterable[str], options: Callable[[], Options], chosen: Callable[[Options], None]
    ) -> None:
        self.choices = {name: basics.Checkbox(description=LABELS.get(name, name), indent=False) for name in panels}
        self.switches = {name: basics.Checkbox(description=text, indent=False) for name, text in SWITCHES.items()}
        for name, box in (self.choices | self.switches).items():
            box.add_class(f"pl-choice-{name}")
        self._quiet = False  # the boxes are being set by code, not by the user

        def changed(new: Options) -> None:
            if not self._quiet and new != options():
                chosen(new)

        for name, box in self.choices.items():
            box.observe(lambda change, name=name: changed(options().toggled(name, change["new"])), "value")
        for name, box in self.switches.items():
            box.observe(lambda change, name=name: changed(replace(options(), **{name: change["new"]})), "value")

    def show(self, options: Options) -> None:
        """Tick the boxes as the options say."""
        self._quiet = True
        for name, box in self.choices.items():
            box.value = options.shows(name)
        for name, box in self.switches.items():
            box.value = getattr(options, name)
        self._quiet = False
