"""The switch "live", and how long a run takes that a hand starts by letting go of a slider."""

from __future__ import annotations

import math
from collections.abc import Callable

from prunelab.errors import RecipeError
from prunelab.formatting import time_left
from prunelab.lab.messages import LabState
from prunelab.lab.page.controls import Controls
from prunelab.lab.widgets import basics

QUICK = 3.0  # seconds: a run up to this needs no word about its length


class Live:
    """The switch (``switch``) and the words below it (``hint``). switched: called with its value when it is pressed."""

    def __init__(self, switched: Callable[[bool], None]) -> None:
        tooltip = "On: letting go of a slider retrains from the dense network, through all rounds"
        self.switch = basics.Checkbox(description="live", indent=False, tooltip=tooltip)
        self.hint = basics.Label("")
        self.hint.add_class("pl-hint")
        self._quiet = False  # it is being set by code, not by the user
        self.switch.observe(lambda change: None if self._quiet else switched(change["new"]), "value")

    def show(self, on: bool, controls: Controls, state: LabState) -> None:
        """Show whether it is on, and how long a run by these controls takes."""
        self._quiet = True
        self.switch.value = on
        self._quiet = False
        self.hint.value = hint(on and not state.comparing, seconds(controls, state))


def seconds(controls: Controls, state: LabState) -> float | None:
    """How long all rounds take, at the speed of the training before; None without one, or without a valid recipe."""
    if state.step_seconds is None or state.data is None:
        return None
    steps = math.ceil(len(state.data.train_y) / controls["batch_size"].value)
    try:
        epochs = controls.recipe.retraining_epochs
    except RecipeError:  # the page says so elsewhere
        return None
    return epochs * steps * state.step_seconds


def hint(on: bool, run_seconds: float | None) -> str:
    """What letting go of a slider does, in a few words."""
    if not on:
        return "letting go only shows the cut"
    if run_seconds is None or run_seconds <= QUICK:
        return "letting go retrains"
    return f"letting go retrains, {time_left(run_seconds)}"
