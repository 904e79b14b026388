"""Layers: a quality for each layer, linked to the common one until a hand moves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets as w

MOST, STEP = 3.0, 0.05


class LayerQualities(w.VBox):
    """One slider a layer. own: qualities of the layers that a hand has moved; ``changed`` is called when one has, and
    is to see to it that ``follow`` is called, where widgets are written. links: the buttons that take it back."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self.add_class("prunelab-control")
        self._changed = changed
        self._quiet = False
        self._followed: tuple[object, ...] = ()
        self._common = 0.0
        self.own: dict[str, float] = {}
        self.sliders: dict[str, w.FloatSlider] = {}
        self.links: dict[str, w.Button] = {}
        self._disabled = False

    @property
    def disabled(self) -> bool:
        """Whether they can be seen but not used."""
        return self._disabled

    @disabled.setter
    def disabled(self, value: bool) -> None:
        self._disabled = value
        for name, slider in self.sliders.items():
            slider.disabled = value
            self.links[name].disabled = value or name not in self.own

    def offer(self, layers: list[str]) -> None:
        """Sliders for these layers ("fc1"); what was set for others is forgotten."""
        if layers == list(self.sliders):
            return
        self.own = {name: quality for name, quality in self.own.items() if name in layers}
        self.sliders, self.links, rows = {}, {}, []
        for name in layers:
            tip = f"Quality of {name} alone"
            slider = w.FloatSlider(
                min=0, max=MOST, step=STEP, readout_format=".2f", description=name, tooltip=tip,
                layout=w.Layout(width="auto"),
            )  # fmt: skip
            link = w.Button(description="link", tooltip=f"Let {name} follow the common quality again")
            slider.observe(lambda change, name=name: self._moved(name, change["new"]), "value")
            link.on_click(lambda _, name=name: self._linked(name))
            self.sliders[name], self.links[name] = slider, link
            row = w.HBox([slider, link])
            row.add_class("pl-layer-quality")
            rows.append(row)
        self.children = rows
        self.disabled = self._disabled
        self.follow(self._common)

    def follow(self, quality: float) -> None:
        """The common quality has moved: layers without their own go along."""
        asked = (quality, self.own, self.sliders)
        if asked == self._followed:
            return
        self._common, self._quiet, self._followed = quality, True, asked
        for name, slider in self.sliders.items():
            value = self.own.get(name, quality)
            slider.max = max(slider.max, value)
            slider.value = value
            self.links[name].disabled = self._disabled or name not in self.own
        self._quiet = False

    def set(self, own: Mapping[str, float]) -> None:
        """Put these qualities, and link all other layers."""
        self.own = {name.removesuffix(".weight"): quality for name, quality in own.items()}
        self.follow(self._common)

    def _moved(self, name: str, quality: float) -> None:
        if not self._quiet:
            self.own = {**self.own, name: quality}
            self._changed()

    def _linked(self, name: str) -> None:
        self.own = {layer: quality for layer, quality in self.own.items() if layer != name}
        self._changed()
