"""The panel with a sheet to draw a digit on, and its classification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from prunelab import views
from prunelab.lab.messages import LabState
from prunelab.lab.page.bridge import Soon
from prunelab.lab.page.panels import Panel, PanelKind, Submit
from prunelab.lab.widgets.drawing import Drawing
from prunelab.lab.widgets.shared_looks import is_shown, show
from prunelab.views.figure import View


class DrawPanel(Panel):
    """A sheet to draw a digit on, which the dense and the pruned network classify at once; while a cut is previewed,
    the network as this cut would leave it.

    submit: puts a command on the queue. redraw: called when a choice changes. soon: runs a function on the widgets'
    thread.
    """

    def __init__(self, submit: Submit, redraw: Callable[[], None], soon: Soon) -> None:
        self.sheet = Drawing()
        self._examples = 0
        super().__init__(PanelKind("draw", self._drawn), redraw, [self.sheet])
        self.sheet.observe(lambda change: submit("read", about=self.sheet.prepared()), "ink")
        self.sheet.on_example(lambda: soon(self._example))
        self._state: LabState | None = None

    def show(self, state: LabState) -> None:
        """Fit the sheet to the data, and draw the classification."""
        self._state = state
        shape = () if state.data is None else state.data.input_shape
        classifies = state.snapshot is None or state.snapshot.objective.classifies
        fits = classifies and len(shape) == 3 and shape[0] == 1 and max(shape[1:]) <= 64
        show(self.sheet, fits)
        if fits and tuple(self.sheet.size) != tuple(shape[1:]):
            self.sheet.size = tuple(shape[1:])
        super().show(replace(state, preview=None, viewed=None))

    def _drawn(self, state: LabState, _: str | None) -> View:
        if state.snapshot is not None and not state.snapshot.objective.classifies:
            return views.empty("Classification only: this network does not tell classes apart.")
        if not is_shown(self.sheet):
            return views.empty("No drawing: the inputs of this network are not small grey pictures.")
        read = state.classification
        if read.preview is not None:
            return views.probabilities(read.dense, read.preview, preview=True)
        return views.probabilities(read.dense, read.pruned)

    def _example(self) -> None:
        """Put a test sample on the sheet, a different one each time."""
        data = self._state.data if self._state else None
        if data is not None:
            self._examples += 1
            picture = data.test_x[(37 * self._examples) % len(data.test_x), 0]
            self.sheet.value = (255 * picture.clamp(0, 1)).round().byte().numpy().tobytes()
