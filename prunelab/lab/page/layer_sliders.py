"""A quality slider for each layer, linked to the common one until the user moves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets as w

from prunelab.lab.page.controls import TRACKS
from prunelab.lab.widgets import basics
from prunelab.lab.widgets.number_field import NumberField
from prunelab.lab.widgets.shared_looks import show

MOST = 10.0  # of a quality


class LayerSliders(basics.VBox):
    """One slider per layer.

    own: {layer: quality} of the layers that are not linked. sign: a button, for beside the common slider, that is there
    while a layer is not linked; it says which, and links them all. changed: called when the user has moved or linked
    one; it must cause a call of ``follow`` on the widgets' thread. released: called when a hand has let go of one.
    """

    def __init__(self, changed: Callable[[], None], released: Callable[[], None]) -> None:
        super().__init__()
        self.add_class("prunelab-control")
        self._changed = changed
        self._released = released
        self._quiet = False  # they are being set by code, not by the user
        self._followed: tuple[object, ...] = ()  # arguments of the last ``follow``
        self._common = 0.0  # the common quality
        self.own: dict[str, float] = {}
        self.sliders: dict[str, NumberField] = {}
        self.links: dict[str, w.Button] = {}
        self.sign = basics.Button(tooltip="Let all layers follow the common quality again")
        self.sign.add_class("pl-own-quality")
        self.sign.on_click(lambda _: self._link_all())
        show(self.sign, False)
        self._disabled = False

    @property
    def disabled(self) -> bool:
        """Whether they are shown but cannot be used."""
        return self._disabled

    @disabled.setter
    def disabled(self, value: bool) -> None:
        self._disabled = self.sign.disabled = value
        for name, slider in self.sliders.items():
            slider.disabled = value
            self.links[name].disabled = value or name not in self.own

    def offer(self, layers: list[str]) -> None:
        """Show sliders for these layers ("fc1"); qualities of other layers are dropped."""
        if layers == list(self.sliders):
            return
        self.own = {name: quality for name, quality in self.own.items() if name in layers}
        self.sliders, self.links, rows = {}, {}, []
        for name in layers:
            tip = f"Quality of {name} alone"
            slider = NumberField(**TRACKS["quality"], low=0, high=MOST, description=name, tooltip=tip)
            link = basics.Button(description="link", tooltip=f"Let {name} follow the common quality again")
            slider.observe(lambda change, name=name: self._moved(name, change["new"]), "value")
            slider.on_release(self._released)
            link.on_click(lambda _, name=name: self._linked(name))
            self.sliders[name], self.links[name] = slider, link
            row = basics.HBox([slider, link])
            row.add_class("pl-layer-quality")
            rows.append(row)
        self.children = rows
        self.disabled = self._disabled
        self.follow(self._common)

    def follow(self, quality: float) -> None:
        """Set the common quality, which all linked layers take."""
        state = (quality, self.own, self.sliders)
        if state == self._followed:
            return
        self._common, self._quiet, self._followed = quality, True, state
        for name, slider in self.sliders.items():
            value = self.own.get(name, quality)
            slider.value = value
            self.links[name].disabled = self._disabled or name not in self.own
        self._quiet = False
        show(self.sign, bool(self.own))
        named = ", ".join(f"{name} at {quality:g}" for name, quality in self.own.items())
        self.sign.description = f"{named if len(self.own) < 3 else f'{len(self.own)} layers on their own'}: link again"

    def set(self, own: Mapping[str, float]) -> None:
        """Set the qualities of these layers, and link all others."""
        self.own = {name.removesuffix(".weight"): quality for name, quality in own.items()}
        self.follow(self._common)

    def _moved(self, name: str, quality: float) -> None:
        if not self._quiet:
            self.own = {**self.own, name: quality}
            self._changed()

    def _link_all(self) -> None:
        self.own = {}
        self._changed()

    def _linked(self, name: str) -> None:
        self.own = {layer: quality for layer, quality in self.own.items() if layer != name}
        self._changed()
