"""The panel that shows how sensitive each layer is to cuts, and sets each layer's quality by that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from prunelab import views
from prunelab.lab import wording
from prunelab.lab.messages import LabState
from prunelab.lab.page.panels import Panel, PanelKind, Submit
from prunelab.lab.widgets import basics

SCAN = "Cut one layer at a time, and measure; nothing is changed"
USE = "Set each layer's own quality so that all cuts together cost at most a point of accuracy"


class SensitivityPanel(Panel):
    """Accuracy with each layer cut alone: which layers the network needs most. submit: puts a command on the queue."""

    def __init__(self, submit: Submit, redraw: Callable[[], None]) -> None:
        self.button = basics.Button(description="Scan layers", tooltip=SCAN)
        self.use = basics.Button(description="Use these", tooltip=USE)
        bar = basics.HBox([self.button, self.use])
        bar.add_class("pl-bar-of-controls")
        super().__init__(
            PanelKind("sensitivity", lambda r, _: views.sensitivity(r.sensitivity)),
            redraw,
            [bar],
        )
        self.button.on_click(lambda _: submit("scan"))
        self.use.on_click(lambda _: submit("budget"))

    def show(self, state: LabState) -> None:
        taken, missing = wording.reasons(state).get("scan"), _missing(state)
        self.button.disabled, self.button.tooltip = taken is not None, taken or SCAN
        self.use.disabled, self.use.tooltip = missing is not None, missing or USE
        super().show(replace(state, preview=None, viewed=None))


def _missing(state: LabState) -> str | None:
    """Why the scan cannot set qualities now; None if it can."""
    taken = wording.reasons(state).get("budget")
    if taken or state.snapshot is None:
        return taken
    if state.sensitivity is None or not state.sensitivity.complete:
        return "Scan the layers first, to the end"
    if state.snapshot.kept < state.snapshot.total:
        if state.snapshot.began_sparse:
            return "Qualities are of dense weights: this network was sparse from the start"
        return "Qualities are of dense weights: press Reset, and scan the dense network"
    return None
