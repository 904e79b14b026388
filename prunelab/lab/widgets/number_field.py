"""A number that is dragged on a track, typed, or moved by keyboard.

Callbacks (``observe``, ``on_release``) run on the thread that the page's message came in on: they must only put a
command on a queue.

What is typed is taken as it is or refused in words on the page; nothing is rounded or clipped in silence. Both 1.5 and
1,5 are understood. A vertical swipe over the track scrolls the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets

from prunelab.lab.widgets.shared_code import SharedCode
from prunelab.lab.widgets.shared_looks import SharedLooks
from prunelab.lab.widgets.whole_state import WholeState
from prunelab.resources import joined_script

HERE = Path(__file__).parent


class NumberFieldCode(SharedCode):
    """Shared by all number fields of a page."""

    @traitlets.default("code")
    def _our_code(self) -> str:
        return joined_script(HERE / "number_field.js")

    @traitlets.default("style")
    def _our_style(self) -> str:
        return (HERE / "number_field.css").read_text(encoding="utf-8")


class NumberField(WholeState, SharedLooks, anywidget.AnyWidget):
    """A number with a name, with a track to drag it on or without.

    value: the number, an int if ``integer``. low, high: the allowed values; above: low itself is not allowed.
    track: whether there is one; it goes from ``min`` to ``max``, which widens for a value outside.
    step: of the track and of arrow keys. logarithmic: equal ratios are equally long on the track, which needs min > 0;
    values on it are rounded to two digits. decimals: digits after the point that are always shown.
    """

    _esm = joined_script(HERE / "number_field_loader.js")

    library = traitlets.Instance(NumberFieldCode, help="where the rest of the script comes from").tag(
        sync=True, **ipywidgets.widget_serialization
    )
    value = traitlets.Union([traitlets.Int(), traitlets.Float()], default_value=0.0).tag(sync=True)
    low = traitlets.Float(-math.inf)
    high = traitlets.Float(math.inf)
    bounds: traitlets.List[float | None] = traitlets.List(help="[low, high] for the page, which knows no inf").tag(
        sync=True
    )
    above = traitlets.Bool(False).tag(sync=True)
    integer = traitlets.Bool(False).tag(sync=True)
    track = traitlets.Bool(True).tag(sync=True)
    logarithmic = traitlets.Bool(False).tag(sync=True)
    min = traitlets.Float(0.0).tag(sync=True)
    max = traitlets.Float(1.0).tag(sync=True)
    step = traitlets.Float(0.05).tag(sync=True)
    decimals = traitlets.Int(0).tag(sync=True)
    description = traitlets.Unicode("").tag(sync=True)
    tooltip = traitlets.Unicode("").tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(self, **values: Any) -> None:
        self._released: list[Callable[[], None]] = []
        low, high = values.get("low", -math.inf), values.get("high", math.inf)
        bounds = [bound if math.isfinite(bound) else None for bound in (low, high)]
        if "value" in values:  # before the traits are set one by one, which would check it against the others' defaults
            values["min"] = min(values.get("min", values["value"]), values["value"])
            values["max"] = max(values.get("max", values["value"]), values["value"])
        super().__init__(**values, bounds=bounds)
        self.on_msg(self._heard)

    def on_release(self, callback: Callable[[], None]) -> None:
        """Call ``callback()`` whenever a hand has let go of the number: after a drag, a typed value, the last key."""
        self._released.append(callback)

    def focus(self) -> None:
        """Let the field take the focus, on every page that shows it."""
        self.send({"kind": "focus"})

    def released(self) -> None:
        """A hand has let go; also for scripts and tests, after they have set ``value``."""
        for callback in tuple(self._released):
            callback()

    def _heard(self, _: Any, content: Any, __: Any) -> None:
        if content.get("kind") == "released":
            self.released()

    @traitlets.default("library")
    def _library(self) -> NumberFieldCode:
        return NumberFieldCode.shared()

    @traitlets.validate("value")
    def _check_value(self, proposal: dict[str, Any]) -> float:
        value = proposal["value"]
        if not self.low <= value <= self.high or (self.above and value == self.low):
            raise traitlets.TraitError(f"{self.description} = {value!r}: must be {self.low:g} to {self.high:g}")
        if not self.integer:
            return float(value)
        if value != int(value):
            raise traitlets.TraitError(f"{self.description} = {value!r}: must be a whole number")
        return int(value)

    @traitlets.observe("value")
    def _widen(self, change: Any) -> None:
        with self.hold_sync():
            self.min, self.max = min(self.min, self.value), max(self.max, self.value)
