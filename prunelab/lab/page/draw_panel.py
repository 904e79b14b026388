"""The panel with a sheet to draw a digit on, and its classification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from prunelab import views
from prunelab.lab.messages import LabState
from prunelab.lab.page.bridge import Soon
from prunelab.lab.page.panels import Panel, PanelKind, Submit
from prunelab.lab.widgets.drawing import Drawing, cells_of_ink
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
        self._awaited: tuple[tuple[int, int], bytes] | None = None  # a drawing of before, until its data are there

    @property
    def drawing(self) -> tuple[tuple[int, int], bytes] | None:
        """((height, width), ink) of the sheet; None if it is blank.

        Assigned, it is shown as soon as there are data of this size; ValueError for bytes that do not fit it.
        """
        return self._awaited or ((self.sheet.size, self.sheet.ink) if any(self.sheet.ink) else None)

    @drawing.setter
    def drawing(self, drawing: tuple[tuple[int, int], bytes] | None) -> None:
        if drawing is not None and (min(drawing[0]) < 1 or len(drawing[1]) != cells_of_ink(drawing[0])):
            raise ValueError(f"the drawing has {len(drawing[1])} bytes, which do not fit its size {drawing[0]}")
        self._awaited = drawing

    def show(self, state: LabState) -> None:
        """Fit the sheet to the data, and draw the classification."""
        self._state = state
        shape = () if state.data is None else state.data.input_shape
        classifies = state.snapshot is None or state.snapshot.objective.classifies
        fits = classifies and len(shape) == 3 and shape[0] == 1 and max(shape[1:]) <= 64
        show(self.sheet, fits)
        if fits and tuple(self.sheet.size) != tuple(shape[1:]):
            self.sheet.size = tuple(shape[1:])
        if fits and self._awaited is not None and self._awaited[0] == tuple(shape[1:]):
            self.sheet.ink, self._awaited = self._awaited[1], None
        super().show(replace(state, preview=None, viewed=None))

    def _drawn(self, state: LabState, _: str | None) -> View:
        if state.snapshot is not None and not state.snapshot.objective.classifies:
            return views.empty("Classification only: this network does not tell classes apart.")
        if not is_shown(self.sheet):
            return views.empty("No drawing: the inputs of this network are not small grey pictures.")
        read, before = state.classification, "dense" if state.snapshot is None else state.snapshot.origin.label
        if read.preview is not None:
            return views.probabilities(read.dense, read.preview, preview=True, before=before)
        return views.probabilities(read.dense, read.pruned, before=before)

    def _example(self) -> None:
        """Put a test sample on the sheet, a different one each time."""
        data = self._state.data if self._state else None
        if data is not None:
            self._examples += 1
            picture = data.test_x[(37 * self._examples) % len(data.test_x), 0]
            self.sheet.value = (255 * picture.clamp(0, 1)).round().byte().numpy().tobytes()
