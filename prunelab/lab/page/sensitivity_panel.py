"""The panel that shows how sensitive each layer is to cuts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import ipywidgets as w

from prunelab import views
from prunelab.lab.messages import BUSY, LabState
from prunelab.lab.page.panels import Panel, PanelKind, Submit


class SensitivityPanel(Panel):
    """Accuracy with each layer cut alone: which layers the network needs most. submit: puts a command on the queue."""

    def __init__(self, submit: Submit, redraw: Callable[[], None]) -> None:
        self.button = w.Button(
            description="Scan layers", tooltip="Cut one layer at a time, and measure; nothing is changed"
        )
        super().__init__(
            PanelKind("sensitivity", lambda r, _: views.sensitivity(r.sensitivity)),
            redraw,
            [self.button],
        )
        self.button.on_click(lambda _: submit("scan"))

    def show(self, state: LabState) -> None:
        self.button.disabled = state.activity in BUSY or state.snapshot is None
        super().show(replace(state, preview=None, viewed=None))
