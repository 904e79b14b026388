"""A sheet to draw a digit on, and what the networks make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from prunelab import views
from prunelab.lab.messages import Report
from prunelab.lab.page.panels import Kind, Panel, Submit
from prunelab.lab.widgets.drawing import Draw
from prunelab.views.figure import View


class DrawPanel(Panel):
    """A sheet to draw a digit on, and what the dense and the pruned network read in it, at once."""

    def __init__(
        self, submit: Submit, redraw: Callable[[], None], soon: Callable[[Callable[[], object]], None]
    ) -> None:
        self.sheet = Draw()
        self._examples = 0
        super().__init__(Kind("draw", self._drawn, timeless=True), redraw, [self.sheet])
        self.sheet.observe(lambda change: submit("read", about=self.sheet.prepared()), "ink")
        self.sheet.on_example(lambda: soon(self._example))
        self._report: Report | None = None

    def show(self, report: Report) -> None:
        """Fit the sheet to the data, and draw what was read."""
        self._report = report
        shape = () if report.data is None else report.data.input_shape
        fits = len(shape) == 3 and shape[0] == 1 and max(shape[1:]) <= 64
        self.sheet.layout.display = None if fits else "none"
        if fits and tuple(self.sheet.size) != tuple(shape[1:]):
            self.sheet.size = tuple(shape[1:])
        super().show(replace(report, preview=None, moment=None))

    def _drawn(self, report: Report, _: str | None) -> View:
        if self.sheet.layout.display == "none":
            return views.empty("No drawing: the inputs of this network are not small grey pictures.")
        return views.probabilities(report.reading.dense, report.reading.pruned)

    def _example(self) -> None:
        """A test sample, each time another."""
        data = self._report.data if self._report else None
        if data is not None:
            self._examples += 1
            picture = data.test_x[(37 * self._examples) % len(data.test_x), 0]
            self.sheet.value = (255 * picture.clamp(0, 1)).round().byte().numpy().tobytes()
