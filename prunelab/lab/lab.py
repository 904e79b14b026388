"""Lab: the dashboard. Controls become commands, reports become pictures; nothing here trains or draws by itself."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets as w
from torch import nn

from prunelab import data as data_module
from prunelab import views
from prunelab.data import Data
from prunelab.lab import controls, words
from prunelab.lab.bridge import Bridge
from prunelab.lab.plots import Plot
from prunelab.lab.runner import Command, Report, Runner
from prunelab.lab.status import Status
from prunelab.masks import layer_of
from prunelab.recipe import OWN, TRAINING_FIELDS, Recipe, RecipeError
from prunelab.session import Session
from prunelab.storage import INDEX
from prunelab.views.base import View

SETTINGS = "PRUNELAB_LINK"  # environment variable: the query part of the link that a server starts labs with
HEADINGS = {"train": ("1", "Train"), "prune": ("2", "Prune"), "retrain": ("3", "Retrain")}
HINTS = {
    "train": "",
    "prune": "Drag: what lies between the dotted lines is cut.",
    "retrain": "The survivors learn again; what is cut stays zero.",
}


@dataclass(frozen=True)
class Panel:
    """A view on the page: its plot and how to draw it from a report."""

    plot: Plot
    draw: Callable[[Report], View]


class Lab(w.VBox):
    """The laboratory as a widget: show it in a notebook, in Voila, or build it in a script without a screen.

    recipe: what to start with. model, data: your own (the model is copied, yours stays as it is), as for ``Session``.
    directory: save there after every phase, and go on from what is there. start=False: build it without training.
    Nothing raises that can be shown on the page instead.
    """

    def __init__(
        self,
        recipe: Recipe | None = None,
        *,
        model: nn.Module | None = None,
        data: Data | tuple[Any, Any] | None = None,
        directory: str | Path | None = None,
        start: bool = True,
    ) -> None:
        values = (recipe or Recipe()).to_dict()
        values |= {name: OWN for name, given in (("model", model), ("data", data)) if given is not None}
        self._recipe = Recipe.from_dict(values)
        self._model, self._data, self._directory = model, data, directory
        self._loaded: tuple[tuple[str, int], Data] | None = None
        self._quiet = False  # controls are being set by the lab itself, not by a hand
        self._note: str | None = None  # trouble that the controls or a link made, not the run
        self._begun = False
        self._bridge = Bridge()
        self._runner = Runner(self._recipe, self._make_session, self._reported)
        self.controls = controls.make_all(self._recipe)
        self.buttons = {name: w.Button() for name in words.BUTTONS}
        self.layer = w.Dropdown(description="layer", layout=w.Layout(width="180px"), tooltip="Whose mask to show")
        self.status = Status(title=words.title(self._recipe))
        self.panels = self._make_panels()
        super().__init__(children=[self.status, self._body()], layout=w.Layout(width="100%"))
        self.add_class("prunelab")
        self._listen()
        self._draw()
        self._runner.start()
        if start:
            self._submit("train")

    @classmethod
    def for_page(cls, **options: Any) -> Lab:
        """The lab of a page: by the server's settings first, then, when the visitor is there, by the visitor's link.

        Settings are environment variables: PRUNELAB_LINK, the query part of a link; PRUNELAB_SESSION, a directory.

        With preheated kernels the network is trained before anybody comes; this call then waits for the visitor.
        """
        lab = cls(start=False, **{"directory": os.environ.get("PRUNELAB_SESSION") or None, **options})
        lab.follow(os.environ.get(SETTINGS, ""))
        if lab.report.state == "starting" and not lab._begun:
            lab._submit("train")
        lab.follow(_visitors_query())
        return lab

    def follow(self, query: str) -> None:
        """Do as a link says (its query part). One with bad values changes nothing, and the page says what was wrong."""
        if not query:
            return
        try:
            recipe = Recipe.from_query(query)
        except RecipeError as error:
            self._note = f"This link could not be used: {error}. Nothing was changed."
            self._bridge.post("controls", self._draw)
            return
        self._note = None
        self._set_controls(recipe)
        self._submit("train" if self._stale(self._runner.report.recipe) or not self._begun else "change")

    # For scripts, notebooks and tests

    @property
    def session(self) -> Session | None:
        """The session behind the page; look at it while nothing runs."""
        return self._runner.session

    @property
    def report(self) -> Report:
        """How things stand."""
        return self._runner.report

    @property
    def recipe(self) -> Recipe:
        """The recipe that the controls stand for. RecipeError if they stand for none."""
        return controls.recipe_of(self.controls, self._recipe)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until nothing runs and the page is up to date; False if that took more than ``timeout`` seconds."""
        done = self._runner.wait(timeout)
        self._bridge.flush()
        return done

    def stop(self) -> None:
        """End the lab's thread after the batch it is at. The lab can't be used afterwards."""
        self._runner.end()

    # Building

    def _make_panels(self) -> dict[str, Panel]:
        def panel(name: str, draw: Callable[[Report], View]) -> Panel:
            return Panel(Plot(name=name), draw)

        return {
            "weights": panel("weights", lambda r: views.weights(_shown(r))),
            "accuracy": panel("accuracy", lambda r: views.accuracy(r.history or [_shown(r)], r.preview)),
            "connections": panel("connections", lambda r: views.connections(_shown(r))),
            "mask": panel("mask", lambda r: views.mask(_shown(r), self.layer.value)),
            "pixels": panel("pixels", lambda r: views.pixels(_shown(r))),
            "dropout": panel("dropout", lambda r: views.dropout([*r.history, _shown(r)])),
        }

    def _body(self) -> w.Widget:
        runs = _box([_box([self.buttons["pause"], self.buttons["reset"]], "pl-buttons")], "pl-runs")
        side = _box([*(self._group(name) for name in controls.GROUPS), runs], "pl-side")
        cells = [
            _box([*([self.layer] if name == "mask" else []), panel.plot], "pl-panel", f"pl-{name}")
            for name, panel in self.panels.items()
        ]
        return _box([side, _box(cells, "pl-grid")], "pl-body")

    def _group(self, name: str) -> w.Widget:
        number, heading = HEADINGS[name]
        shown, more = controls.GROUPS[name]
        own = {"train": ["train"], "prune": ["prune"], "retrain": ["retrain", "run"]}[name]
        for button in own:
            self.buttons[button].button_style = "primary" if button in HEADINGS else ""
        parts: list[w.Widget] = [
            w.HTML(f'<h2 class="pl-heading"><span class="pl-number">{number}</span>{heading}</h2>'),
            *(self.controls[field] for field in shown),
        ]
        if HINTS[name]:
            parts.append(w.HTML(f'<div class="pl-hint">{HINTS[name]}</div>'))
        details = w.Accordion(children=[w.VBox([self.controls[field] for field in more])], titles=("more",))
        details.selected_index = None
        parts += [details, _box([self.buttons[button] for button in own], "pl-buttons")]
        return _box(parts, "pl-group", f"pl-{name}")

    def _listen(self) -> None:
        for name, control in self.controls.items():
            control.observe(lambda change, name=name: self._changed(name), "value")
        self.layer.observe(lambda change: self._bridge.post("layer", self._draw), "value")
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: self._pressed(name))

    # From hands to commands: on whatever thread the browser's message arrives

    def _changed(self, name: str) -> None:
        if self._quiet:
            return
        if name == "data":
            self._bridge.post("lengths", self._set_lengths)
        if name == "quality":
            self._submit("preview", quality=self.controls["quality"].value)
        elif name in TRAINING_FIELDS:
            self._bridge.post("controls", self._draw)
        else:
            self._submit("change")

    def _pressed(self, name: str) -> None:
        if name == "pause":
            name = "resume" if self._runner.report.state == "paused" else "pause"
        quality = self.controls["quality"].value if name == "prune" else None
        self._submit(name, quality=quality)

    def _submit(self, action: Any, quality: float | None = None) -> None:
        try:
            recipe = self.recipe
        except RecipeError as error:
            self._note = str(error)
            self._bridge.post("controls", self._draw)
            return
        if action not in ("change", "preview"):
            self._note = None
        self._begun = self._begun or action in ("train", "run")
        self._runner.submit(Command(action, recipe, quality))

    # From reports to pictures

    def _reported(self, report: Report) -> None:
        self._bridge.post("slider" if report.urgent else "run", self._draw)

    def _draw(self) -> None:
        """Show the latest report. On the widgets' own thread."""
        report = self._runner.report
        trouble = self._note or report.trouble or ""
        with self.status.hold_sync():
            self.status.title = words.title(report.recipe)
            self.status.text = words.status(report)
            self.status.progress = report.progress
            self.status.trouble = trouble
            self.status.cards = words.cards(report)
            self.status.attributes = words.attributes(report)
        self._draw_buttons(report)
        if report.snapshot is not None:
            names = tuple((layer_of(layer.name), layer.name) for layer in report.snapshot.layers)
            if self.layer.options != names:
                self.layer.options = names
                self.layer.index = 0  # new options select nothing by themselves
            for panel in self.panels.values():
                self._draw_panel(panel, report)

    def _draw_panel(self, panel: Panel, report: Report) -> None:
        view = panel.draw(report)
        layout = view["layout"]
        if report.preview is None and _same(panel.plot.figure, view):
            return
        layout["meta"] = {**layout.get("meta", {}), "revision": _revision(report)}
        panel.plot.summary = views.summary(view)
        panel.plot.figure = view

    def _draw_buttons(self, report: Report) -> None:
        labels = {"train": "Train", "prune": "Prune", "retrain": "Retrain", "run": "Run all", "reset": "Reset"}
        labels["pause"] = "Resume" if report.state == "paused" else "Pause"
        tips = {
            "train": "Train a dense network from the start, by the settings above",
            "prune": "Cut what lies below quality x deviation, now",
            "retrain": "Train the survivors",
            "run": "Train if needed, then prune and retrain round after round",
            "pause": "Hold the run after this batch, or go on",
            "reset": "Back to the dense trained network",
        }
        why_not = words.reasons(report)
        for name, button in self.buttons.items():
            button.description = labels[name]
            button.disabled = name in why_not
            button.tooltip = why_not.get(name, tips[name])
        stale = report.snapshot is not None and self._stale(report.recipe)
        self.buttons["train"].description = "Train with new settings" if stale else "Train"

    def _stale(self, recipe: Recipe) -> bool:
        """Whether the controls under 1 Train ask for another network than the one on the page."""
        shown = (name for name in TRAINING_FIELDS if name in self.controls)
        return any(self.controls[name].value != getattr(recipe, name) for name in shown)

    def _set_controls(self, recipe: Recipe) -> None:
        """Put the controls to a recipe; fields without a control come along too."""
        self._quiet = True
        try:
            self._recipe = recipe
            for name, value in recipe.to_dict().items():
                control = self.controls.get(name)
                if control is not None and not control.disabled:
                    if isinstance(control, w.FloatSlider):
                        control.max = max(control.max, value)
                    control.value = value
        finally:
            self._quiet = False

    def _set_lengths(self) -> None:
        """Other data take other times to learn: put the epochs to what suits them."""
        usual = Recipe(data=self.controls["data"].value)
        self.controls["epochs"].value = usual.epochs
        self.controls["retrain_epochs"].value = usual.retrain_epochs
        self._draw()

    # On the runner's thread

    def _make_session(self, recipe: Recipe) -> Session:
        if self._directory is not None and self._runner.session is None and (Path(self._directory) / INDEX).exists():
            return Session.load(self._directory, model=copy.deepcopy(self._model), data=self._data)
        data = self._data
        if data is None:
            key = (recipe.data, recipe.seed)
            if self._loaded is None or self._loaded[0] != key:
                self._loaded = (key, data_module.load(recipe.data, seed=recipe.seed))
            data = self._loaded[1]
        return Session(recipe, model=copy.deepcopy(self._model), data=data, directory=self._directory)


def _visitors_query() -> str:
    """The query part of the visitor's address, in Voila; "" elsewhere."""
    if not any(name.startswith("VOILA_") for name in os.environ):
        return ""
    from voila.utils import get_query_string  # a second to import, and only there in Voila

    return get_query_string() or ""


def _shown(report: Report) -> Any:
    return report.preview or report.snapshot


def _same(drawn: dict[str, Any], view: View) -> bool:
    """Whether a view would draw what is drawn already, its revision aside."""
    if not drawn:
        return False
    meta = {key: value for key, value in drawn["layout"].get("meta", {}).items() if key != "revision"}
    old = {**drawn["layout"], "meta": meta}
    return drawn["data"] == view["data"] and old == {"meta": {}, **view["layout"]}


def _revision(report: Report) -> str:
    """Names the moment a plot shows, for whoever waits for it: phase, round, step, quality."""
    shown = _shown(report)
    quality = "" if shown.quality is None else f"{shown.quality:.2f}"  # a dragged 1.7 arrives as 1.7000000000000002
    return f"{shown.phase}:{shown.round}:{shown.clock}:{quality}"


def _box(children: list[w.Widget], *classes: str) -> w.Widget:
    box = w.VBox(children)
    for name in classes:
        box.add_class(name)
    return box
