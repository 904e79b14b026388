"""Panels: one picture each, as a separate widget. What a panel shows depends on the state of the lab alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets as w

from prunelab import lesson_catalogue, views
from prunelab.formatting import layer_of
from prunelab.lab.messages import BUSY, LabState
from prunelab.lab.widgets import basics
from prunelab.lab.widgets.plot import Plot
from prunelab.lab.widgets.shared_looks import shared_layout
from prunelab.recipe import OWN
from prunelab.views import glossary
from prunelab.views.figure import View
from prunelab.views.registry import REGISTRY, Entry

Submit = Callable[..., None]
MIN_FILL = 0.35  # part of an axis that a changing picture must fill for the axis to stay
AXIS_KEYS = ("range", "tickvals", "ticktext")  # what an axis that stays keeps


@dataclass(frozen=True)
class PanelKind:
    """A kind of panel: the name of its view, and how to draw it from the lab's state and the chosen layer's name.

    growing: its axes are as long as what they show.
    """

    name: str
    draw: Callable[[LabState, str | None], View]
    growing: bool = False

    @property
    def view(self) -> Entry:
        """What the registry says of the view."""
        return REGISTRY[self.name]


def _weights(state: LabState) -> View:
    by_layer = {f"{layer_of(name)}.weight" for name, _ in state.shown.recipe.layer_quality}
    return views.weights(state.shown, before=None if state.viewed else state.snapshot, own=by_layer)


def _flips(state: LabState) -> View:
    data, shown = state.data, state.shown
    if not shown.objective.classifies:
        return views.empty("Classification only: this network does not tell classes apart.")
    trained = next((s for s in state.history if s.phase == "trained"), None)
    if data is None or trained is None:
        return views.empty("Nothing to compare with yet: the dense network is still being trained.")
    if shown.test_accuracy is None:
        return views.empty("No gallery before the guess: say first what you expect.")
    if not shown.exact:
        return views.empty("The gallery follows: when the slider rests,<br>all test samples are looked at.")
    what = "sample" if shown.recipe.data == OWN else "digit"
    return views.flips(data.test_x.numpy(), data.test_y.numpy(), trained.predicted, shown.predicted, what=what)


PANEL_KINDS: tuple[PanelKind, ...] = (
    PanelKind("weights", lambda r, _: _weights(r), growing=True),
    PanelKind("distribution", lambda r, _: views.distribution([*r.past, r.shown]), growing=True),
    PanelKind("accuracy", lambda r, _: views.accuracy(r.history or [r.shown], r.preview, r.viewed), growing=True),
    PanelKind("connections", lambda r, _: views.connections(r.shown)),
    PanelKind("mask", lambda r, layer: views.mask(r.shown, layer)),
    PanelKind("pixels", lambda r, _: views.pixels(r.shown)),
    PanelKind("bands", lambda r, _: views.bands(r.shown)),
    PanelKind("dropout", lambda r, _: views.dropout([*r.past, r.shown])),
    PanelKind("size", lambda r, _: views.size(r.measurement)),
    PanelKind("speed", lambda r, _: views.speed(r.measurement)),
    PanelKind("graph", lambda r, _: views.graph(r.shown)),
    PanelKind("digits", lambda r, _: _flips(r)),
)


class Panel(basics.VBox):
    """A picture on the page, with a choice of the layer where it shows one.

    redraw: called when the layer or the visibility changes. more: widgets below the picture.
    A picture that is on no screen is not drawn until it is visible.
    """

    def __init__(self, kind: PanelKind, redraw: Callable[[], None], more: list[w.Widget] | None = None) -> None:
        self.kind = kind
        term = kind.view.term
        lesson = {"number": kind.view.lesson, "title": lesson_catalogue.title(kind.view.lesson)}
        self.plot = Plot(name=kind.name, term=term, about=glossary.about(term), lesson=lesson)
        self.unseen = False  # draw it although it is on no screen
        self._now: tuple[str, int] | None = None  # (phase, clock) of the run when this was drawn last
        self.layer = basics.Dropdown(
            description="layer", layout=shared_layout(width="180px"), tooltip="Which layer to show"
        )
        super().__init__([*([self.layer] if kind.view.by_layer else []), self.plot, *(more or [])])
        self.add_class("pl-panel")
        self.add_class(f"pl-{kind.name}")
        if kind.view.timeless:
            self.add_class("pl-timeless")
        self.layer.observe(lambda change: redraw(), "value")
        self.plot.on_visible(lambda visible: redraw() if visible else None)

    def show(self, state: LabState) -> None:
        """Draw the state; if that fails, show the error in place of the picture. On the widgets' thread."""
        if state.snapshot is None or not (self.plot.visible or self.unseen):
            return
        names = tuple((layer_of(layer.name), layer.name) for layer in state.snapshot.layers)
        if self.kind.view.by_layer and self.layer.options != names:
            self.layer.options = names
            self.layer.index = 0  # new options select nothing by themselves
        try:
            view = self.kind.draw(state, self.layer.value)
        except Exception as error:  # a picture that fails must not stop the others or the run
            self.plot.trouble = f"This picture could not be made: {error}"
            return
        self.plot.trouble = ""
        if self.kind.growing:
            view = self._steady(state, view)
        current = revision(state)
        live = state.preview is None and state.viewed is None
        if _same(self.plot.figure, view) and (
            live or self.kind.view.timeless or _revision(self.plot.figure) == current
        ):
            return
        layout = view["layout"]
        layout["meta"] = {**layout.get("meta", {}), "revision": current}
        with self.plot.hold_sync():  # one message
            self.plot.summary = views.summary(view)
            self.plot.figure = view

    def _steady(self, state: LabState, view: View) -> View:
        """The view with steady axes during a run and while a slider moves, else with the best-fitting ones."""
        assert state.snapshot is not None
        last, self._now = self._now, (state.snapshot.phase, state.snapshot.clock)
        return steady(view, self.plot.figure) if state.activity in BUSY or last == self._now else view


def steady(view: View, drawn: dict[str, Any]) -> View:
    """The view with the axes of ``drawn`` where they still fit.

    An axis that moves at every step of a run or of a slider is hard to follow, and slow to draw.
    """
    layout, old = view["layout"], drawn.get("layout", {})
    axes = {name: part for name, part in layout.items() if "axis" in name and "range" in part and name in old}
    return {**view, "layout": layout | {name: _steady(part, old[name]) for name, part in axes.items()}}


def _steady(axis: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    (start, end), (low, high) = axis["range"], old.get("range", (0, 0))
    inside = min(low, high) <= min(start, end) and max(start, end) <= max(low, high)
    if inside and (start < end) == (low < high) and abs(end - start) >= MIN_FILL * abs(high - low):
        return axis | {key: old[key] for key in AXIS_KEYS if key in old}
    return axis


def revision(state: LabState) -> dict[str, Any]:
    """Identifies the snapshot that a plot shows, for scripts that wait for it."""
    shown = state.shown
    quality = None if shown.quality is None else round(shown.quality, 2)  # a dragged 1.7 arrives as 1.7000000000000002
    return {"phase": shown.phase, "round": shown.round, "clock": shown.clock, "quality": quality}


def _revision(drawn: dict[str, Any]) -> Any:
    return drawn["layout"].get("meta", {}).get("revision")


def _same(drawn: dict[str, Any], view: View) -> bool:
    """Whether a view equals the drawn one, except for its revision."""
    if not drawn:
        return False
    meta = {key: value for key, value in drawn["layout"].get("meta", {}).items() if key != "revision"}
    old = {**drawn["layout"], "meta": meta}
    return drawn["data"] == view["data"] and old == {"meta": {}, **view["layout"]}
