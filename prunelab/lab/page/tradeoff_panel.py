"""The panel that draws the trade-off curve live, and brings a run of it onto the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from prunelab import views
from prunelab.formatting import percent, time_left
from prunelab.lab import wording
from prunelab.lab.messages import LabState
from prunelab.lab.page.bridge import Soon
from prunelab.lab.page.panels import Panel, PanelKind, Submit
from prunelab.lab.widgets import basics
from prunelab.lab.widgets.shared_looks import show
from prunelab.results.tradeoff import Point, Tradeoff

ABOUT = (
    "Cuts other networks, each to several densities; yours stays as it is. "
    "The iterative line goes on retraining from point to point, so its later points have trained longest."
)
CHOOSE = "Click a point, or choose it here, to load that run."


class TradeoffPanel(Panel):
    """Accuracy against kept connections, line by line. A point that is clicked, or chosen and loaded, comes onto the
    page as a run; while the curve is being drawn, a click only chooses it.

    submit: puts a command on the queue. redraw: called when the visibility changes. soon: runs a function on the
    widgets' thread.
    """

    def __init__(self, submit: Submit, redraw: Callable[[], None], soon: Soon) -> None:
        self._submit = submit
        self._points: tuple[Point, ...] = ()
        self._stays: str | None = "There is no curve yet"  # why no run may be loaded now
        self.button = basics.Button(
            description="Draw the curve", tooltip="Train and cut other networks, some forty runs"
        )
        self.halt = basics.Button(description="Stop", tooltip="Leave the curve as far as it is drawn")
        self.choice = basics.Dropdown(description="run", tooltip="A point of the curve")
        self.load = basics.Button(description="Load this run")
        self.hint = basics.HTML()
        draw, take = basics.HBox([self.button, self.halt, self.hint]), basics.HBox([self.choice, self.load])
        for bar in (draw, take):
            bar.add_class("pl-bar-of-controls")
        super().__init__(
            PanelKind("tradeoff", lambda state, _: views.tradeoff(state.tradeoff), growing=True), redraw, [draw, take]
        )
        self.button.on_click(lambda _: submit("tradeoff"))
        self.halt.on_click(lambda _: submit("halt"))
        self.load.on_click(lambda _: self._load())
        self.plot.on_click(lambda index: soon(partial(self._clicked, index)))

    def show(self, state: LabState) -> None:
        """Draw the curve so far, and say how far it is."""
        curve, tracing = state.tradeoff, state.activity == "tracing"
        no = wording.reasons(state)
        self._stays = no.get("load")
        self.button.disabled = "tradeoff" in no
        show(self.button, not tracing)
        show(self.halt, tracing)
        self.hint.value = f'<div class="pl-hint">{_hint(state)}</div>'
        self._offer(curve)
        self.load.disabled = self._stays is not None or self.choice.index is None
        self.load.tooltip = self._stays or "Make this network again, on the page"
        super().show(replace(state, preview=None, viewed=None))

    def _offer(self, curve: Tradeoff | None) -> None:
        """List the points, in the order in which they were made; a new one changes no choice."""
        points = () if curve is None else curve.points
        if points != self._points:
            chosen = self.choice.index if self._points == points[: len(self._points)] else None
            self._points = points
            assert curve is not None or not points
            self.choice.options = [(_name(point, curve), i) for i, point in enumerate(points) if curve is not None]
            self.choice.index = chosen if chosen is not None else 0 if points else None

    def _clicked(self, index: int) -> None:
        if 0 <= index < len(self._points):
            self.choice.index = index
            self._load()

    def _load(self) -> None:
        if self._stays is None and self.choice.index is not None:
            self._submit("load", about=self._points[self.choice.index])


def _hint(state: LabState) -> str:
    """How far the curve is, and when nothing is drawn, what can be done."""
    if state.activity == "tracing" and state.progress is not None:
        left = "" if state.left is None else f" · {time_left(state.left)} left"
        return f"{100 * state.progress:.0f} %{left}"
    return CHOOSE if state.tradeoff is not None and state.tradeoff.points else ABOUT


def _name(point: Point, curve: Tradeoff) -> str:
    seed = f", seed {point.recipe.seed}" if len(curve.seeds) > 1 else ""
    return f"{point.line}{seed}, {percent(point.density)} kept: {curve.objective.says(point.accuracy)}"
