"""Lab: the dashboard. Controls become commands, reports become pictures; nothing here trains or draws by itself."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as w
from torch import nn

from prunelab.data import Data
from prunelab.lab import controls, page, words
from prunelab.lab.bridge import Bridge
from prunelab.lab.opening import Opener
from prunelab.lab.options import Options, from_query, to_query
from prunelab.lab.panels import KINDS, Panel
from prunelab.lab.presence import Presence
from prunelab.lab.report import Action, Command, Report
from prunelab.lab.runner import Runner
from prunelab.lab.status import Status
from prunelab.recipe import OWN, TRAINING_FIELDS, Recipe, RecipeError
from prunelab.session import Session

SETTINGS = "PRUNELAB_LINK"  # environment variable: the query part of the link that a server starts labs with
SAVED = "PRUNELAB_SESSION"  # environment variable: the folder to save in, and to go on from


class Lab(w.VBox):
    """The laboratory as a widget: show it in a notebook, in Voila, or build it in a script without a screen.

    recipe: what to start with. model, data: your own (the model is copied, yours stays as it is), as for ``Session``.
    directory: save there after every phase, and go on from what is there; one lab at a time. show, hide: panels,
    controls and buttons by name; lock: controls and buttons that can be seen but not used (see ``options.Options``;
    RecipeError for names that match nothing). measure: measure bytes and latency whenever a run has ended. start=False:
    build it without training. What goes wrong later does not raise: the page shows it.
    """

    def __init__(
        self,
        recipe: Recipe | None = None,
        *,
        model: nn.Module | None = None,
        data: Data | tuple[Any, Any] | None = None,
        directory: str | Path | None = None,
        show: Iterable[str] = (),
        hide: Iterable[str] = (),
        lock: Iterable[str] = (),
        measure: bool = True,
        start: bool = True,
    ) -> None:
        self.options = Options(show=tuple(show), hide=tuple(hide), lock=tuple(lock))
        self._own: dict[str, Any] = {
            name: OWN for name, given in (("model", model), ("data", data)) if given is not None
        }
        self._recipe = replace(recipe or Recipe(), **self._own)
        self._quiet = False  # controls are being set by the lab itself, not by a hand
        self._note: str | None = None  # trouble that the controls or a link made, not the run
        self._adopted = 0
        self._bridge = Bridge(self._complain)
        opener = Opener(model, data, None if directory is None else Path(directory).absolute())
        presence = Presence()
        self._runner = Runner(
            self._recipe,
            opener,
            self._reported,
            measuring=measure,
            deserted=lambda: presence.deserted(time.monotonic()),
        )
        self._first: Action = "train" if directory is None else "open"
        self.controls = controls.make_all(self._recipe)
        self.buttons = {name: w.Button() for name in words.BUTTONS}
        self.status = Status(presence, title=words.title(self._recipe))
        self.panels = {kind.name: Panel(kind, self._redraw) for kind in KINDS}
        self.choices = {name: w.Checkbox(description=name, indent=False) for name in self.panels}
        body = page.body(self.controls, self.buttons, self.panels.values(), list(self.choices.values()))
        super().__init__(children=[self.status, body], layout=w.Layout(width="100%"))
        self.add_class("prunelab")
        self._arrange()
        self._listen()
        self._draw()
        self._runner.start()
        if start:
            self.start()

    @classmethod
    def for_page(cls, **options: Any) -> Lab:
        """The lab of a page: by the server's settings first, then, when the visitor is there, by the visitor's link.

        Settings are environment variables: PRUNELAB_LINK, the query part of a link; PRUNELAB_SESSION, a directory.
        With preheated kernels the network is trained before anybody comes; this call then waits for the visitor. A
        saved session is opened only then: kernels that wait for their visitors would fight for it.
        """
        lab = cls(start=False, **{"directory": os.environ.get(SAVED) or None, **options})
        lab._take_up(os.environ.get(SETTINGS, ""))
        if lab._first == "open":
            query = _visitors_query()
            lab.start()
        else:
            lab.start()
            query = _visitors_query()
        lab.follow(query)
        return lab

    def start(self) -> None:
        """Open the saved session, if there is one; else train."""
        self._submit(self._first)

    def follow(self, query: str) -> None:
        """Do as a link says (its query part). One with bad values changes nothing, and the page says what was wrong."""
        if self._take_up(query):
            self._submit("follow")

    def link(self) -> str:
        """The query part of a link to this page as it stands: recipe, and what is shown and locked. "" by default."""
        return to_query(self.recipe, self.options)

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

    def close(self) -> None:
        """Take the lab off all pages, for good, and end its thread."""
        if hasattr(self, "_runner"):  # one that was refused is closed too
            self.stop()
        super().close()

    # From hands to commands: on whatever thread the browser's message arrives

    def _listen(self) -> None:
        for name, control in self.controls.items():
            control.observe(lambda change, name=name: self._changed(name), "value")
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: self._pressed(name))
        for name, choice in self.choices.items():
            choice.observe(lambda change, name=name: self._chosen(name, change["new"]), "value")

    def _chosen(self, panel: str, shown: bool) -> None:
        if not self._quiet and self.options.shows(panel) is not shown:
            self.options = self.options.toggled(panel, shown)
            self._bridge.post("options", self._arrange)

    def _changed(self, name: str) -> None:
        if self._quiet:
            return
        if name == "data":
            self._bridge.post("lengths", self._set_lengths)
        if name == "quality":
            self._submit("preview", quality=self.controls["quality"].value)
        elif name in TRAINING_FIELDS:
            self._redraw()
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
            self._redraw()
            return
        if action not in ("change", "preview", "follow"):
            self._note = None
        self._runner.submit(Command(action, recipe, quality))

    def _take_up(self, query: str) -> bool:
        """Put the page as a link says; False, and a note on the page, for one that cannot be followed."""
        if not query:
            return False
        try:
            recipe, options = from_query(query)
            asked = [name for name in ("data", "model") if getattr(recipe, name) == OWN and name not in self._own]
            if asked:
                raise RecipeError(f"{asked[0]} = own: whose own? A link cannot carry Python objects")
        except RecipeError as error:
            self._note = f"This link could not be used: {error}. Nothing was changed."
            self._redraw()
            return False
        self._note = None
        self.options = options
        self._set_controls(replace(recipe, **self._own))
        self._arrange()
        return True

    # From reports to pictures

    def _reported(self, report: Report) -> None:
        self._bridge.post("slider" if report.urgent else "run", self._draw)

    def _redraw(self) -> None:
        self._bridge.post("controls", self._draw)

    def _complain(self, error: Exception) -> None:
        self.status.trouble = f"The page could not be brought up to date: {error}. The run goes on."

    def _arrange(self) -> None:
        """Show, hide and lock as the options say. On the widgets' own thread."""
        options = self.options
        for name, part in {**self.controls, **self.buttons}.items():
            part.layout.display = "none" if name in options.hide else None
        for name, control in self.controls.items():
            control.disabled = name in options.lock or name in self._own
        for name, panel in self.panels.items():
            panel.layout.display = None if options.shows(name) else "none"
        self._quiet = True
        for name, choice in self.choices.items():
            choice.value = options.shows(name)
        self._quiet = False
        self._draw()

    def _draw(self) -> None:
        """Show the latest report. On the widgets' own thread."""
        report = self._runner.report
        if report.adopted != self._adopted:
            self._adopted = report.adopted
            self._set_controls(report.recipe)
        with self.status.hold_sync():
            self.status.title = words.title(report.recipe)
            self.status.text = words.status(report)
            self.status.progress = report.progress
            self.status.trouble = "\n".join(text for text in (self._note, report.words) if text)
            self.status.cards = words.cards(report)
            self.status.story = words.story(report)
            self.status.attributes = words.attributes(report)
        self._draw_buttons(report)
        for name, panel in self.panels.items():
            if self.options.shows(name):
                panel.show(report)

    def _draw_buttons(self, report: Report) -> None:
        why_not = words.reasons(report) | dict.fromkeys(self.options.lock, "Locked on this page")
        for name, button in self.buttons.items():
            button.description = words.label(name, report)
            button.disabled = name in why_not
            button.tooltip = why_not.get(name, words.TIPS[name])
        if report.snapshot is not None and self._stale(report.recipe):
            self.buttons["train"].description = "Train with new settings"

    def _stale(self, recipe: Recipe) -> bool:
        """Whether the controls under 1 Train ask for another network than the one on the page."""
        there = (name for name in TRAINING_FIELDS if name in self.controls)
        return any(self.controls[name].value != getattr(recipe, name) for name in there)

    def _set_controls(self, recipe: Recipe) -> None:
        """Put the controls to a recipe; fields without a control come along too."""
        self._quiet = True
        try:
            self._recipe = recipe
            for name, value in recipe.to_dict().items():
                control = self.controls.get(name)
                if control is not None and name not in self._own:
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


def _visitors_query() -> str:
    """The query part of the visitor's address, in Voila; "" elsewhere."""
    if not any(name.startswith("VOILA_") for name in os.environ):
        return ""
    from voila.utils import get_query_string  # a second to import, and only there in Voila

    return get_query_string() or ""
