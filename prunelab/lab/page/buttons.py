"""The buttons, with the reason why one is disabled as its tooltip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import ipywidgets as w

from prunelab.lab import wording
from prunelab.lab.links import BUTTONS, Options
from prunelab.lab.messages import LabState
from prunelab.lab.widgets import basics
from prunelab.lab.widgets.shared_looks import show


class Buttons(Mapping[str, w.Button]):
    """The buttons of the page, by name. pressed: called with the name of a button that was pressed."""

    def __init__(self, pressed: Callable[[str], None]) -> None:
        self._buttons = {name: basics.Button() for name in BUTTONS}
        for name, button in self._buttons.items():
            button.on_click(lambda _, name=name: pressed(name))

    def __getitem__(self, name: str) -> w.Button:
        return self._buttons[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._buttons)

    def __len__(self) -> int:
        return len(self._buttons)

    def arrange(self, options: Options) -> None:
        """Show or hide them as the options say."""
        for name, button in self.items():
            show(button, name not in options.hide)

    def show(self, state: LabState, options: Options, *, stale: bool) -> None:
        """Set labels, tooltips and disabled. stale: the controls ask for another dense network than the page's."""
        why_not = wording.reasons(state) | dict.fromkeys(options.lock, "Locked on this page")
        for name, button in self.items():
            button.description = wording.label(name, state)
            button.disabled = name in why_not
            button.tooltip = why_not.get(name, wording.tip(name, state))
        if state.snapshot is not None and stale and not state.comparing:
            self["train"].description = "Train with new settings"
