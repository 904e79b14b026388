"""The presets near the top of the page: a button for each comparison that makes a point."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as w

from prunelab.lab.presets import Preset
from prunelab.lab.widgets import basics


class PresetBar(basics.HBox):
    """A button per preset. chosen: called with the name of a preset whose button was pressed."""

    def __init__(self, chosen: Callable[[str], None]) -> None:
        super().__init__()
        self.add_class("pl-presets")
        self._chosen = chosen
        self._offered: tuple[str, ...] = ()
        self._title = basics.HTML('<span class="pl-hint">compare:</span>')

    def offer(self, presets: Sequence[Preset]) -> None:
        """Show the presets that suit the page's model."""
        names = tuple(preset.name for preset in presets)
        if names != self._offered:
            self._offered = names
            self.children = [self._title, *(self._button(preset) for preset in presets)]

    def disable(self, disabled: bool) -> None:
        """Let none be chosen, because something runs, or any."""
        for button in self.children[1:]:
            button.disabled = disabled

    def _button(self, preset: Preset) -> w.Button:
        button = basics.Button(description=preset.name, tooltip=f"{preset.asks} Your network comes back afterwards")
        button.add_class("pl-preset")
        button.on_click(lambda _: self._chosen(preset.name))
        return button
