"""Lab: the dashboard. Controls become commands, reports become pictures; nothing here trains or draws by itself."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets as w
from torch import nn

from prunelab.data import Data
from prunelab.errors import RecipeError
from prunelab.formatting import layer_of
from prunelab.lab import wording
from prunelab.lab.links import Options, from_query, to_query
from prunelab.lab.messages import BUSY, Action, Command, Report
from prunelab.lab.page import downloads, layout
from prunelab.lab.page.bridge import Bridge
from prunelab.lab.page.buttons import Buttons
from prunelab.lab.page.compare_panel import ComparePanel
from prunelab.lab.page.controls import Controls
from prunelab.lab.page.draw_panel import DrawPanel
from prunelab.lab.page.guess import QUESTIONS, Guess
from prunelab.lab.page.layer_sliders import LayerQualities
from prunelab.lab.page.panel_chooser import Chooser
from prunelab.lab.page.panels import KINDS, Panel
from prunelab.lab.page.presence import Presence
from prunelab.lab.page.sensitivity_panel import SensitivityPanel
from prunelab.lab.page.status import Status
from prunelab.lab.page.timeline import Moments
from prunelab.lab.widgets.batching import Delivery
from prunelab.lab.widgets.download_bar import Download
from prunelab.lab.widgets.plot import Drag
from prunelab.lab.worker.runner import Runner
from prunelab.lab.worker.session_source import Opener
from prunelab.recipe import OWN, TRAINING_FIELDS, Hand, Recipe, wished
from prunelab.serve import visitor
from prunelab.sessions.session import Session

SETTINGS = "PRUNELAB_LINK"  # environment variable: the query part of the link that a server starts labs with
SAVED = "PRUNELAB_SESSION"  # environment variable: the folder to save in, and to go on from
ANEW = ("train", "reset")  # buttons after which no guess can be answered any more


class Lab(w.VBox):
    """The laboratory as a widget: show it in a notebook, in Voila, or build it in a script without a screen.

    recipe: what to start with. model, data: your own (the model is copied, yours stays as it is), as for ``Session``.
    directory: save there after every phase, and go on from what is there; one lab at a time. show, hide: panels,
    controls and buttons by name; lock: controls and buttons that can be seen but not used (see ``options.Options``;
    RecipeError for names that match nothing). trained: the model has learned already, it can be pruned at once.
    measure: measure bytes and latency whenever a run has ended. start=False: build it without training. What goes wrong
    later does not raise: the page shows it.

    panels: by name, each a widget that can stand elsewhere by itself; likewise controls and buttons.
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
        trained: bool = False,
        measure: bool = True,
        start: bool = True,
    ) -> None:
        self.options = Options(show=tuple(show), hide=tuple(hide), lock=tuple(lock))
        self._own: dict[str, Any] = {
            name: OWN for name, given in (("model", model), ("data", data)) if given is not None
        }
        recipe = (recipe or Recipe()).changed(**self._own)
        self._start = recipe, self.options  # what links are read over
        self._unread: str | None = None  # why a link could not be followed
        self._unfit: str | None = None  # why the controls stand for no recipe
        self._adopted: Recipe | None = None
        self._bridge = Bridge(self._complain)
        self._listeners: list[Callable[[Report], object]] = []
        opener = Opener(model, data, None if directory is None else Path(directory).absolute(), trained=trained)
        presence = Presence()
        self._runner = Runner(
            recipe,
            opener,
            self._reported,
            measuring=measure,
            deserted=lambda: presence.deserted(time.monotonic()),
            make_way=lambda: self._bridge.rest(0.1),
        )
        self._first: Action = "train" if directory is None else "open"
        self.controls = Controls(recipe, self._own, self._changed)
        self.layers = LayerQualities(self._ask)
        self.buttons = Buttons(self._pressed)
        self.status = Status(presence, title=wording.title(recipe))
        self.downloads = Download(items=list(downloads.ITEMS), post=self._bridge.soon)
        self.downloads.on_request(self._requested)
        self._exporter = downloads.Exporter(self.downloads, self._bridge.soon)
        self.guess = Guess(self._do, self._bridge.soon)
        self.moments = Moments(self._redraw_at_once)
        self.panels = self._make_panels()
        self._delivery = self.status.delivery = Delivery()
        for panel in self.panels.values():
            panel.plot.delivery = self._delivery
        lines = self.panels["weights"].plot
        lines.slider = self.controls["quality"]
        lines.on_drag(self._dragged)
        self._chooser = Chooser(self.panels, lambda: self.options, self._chosen)
        self.choices, self.switches = self._chooser.choices, self._chooser.switches
        super().__init__(children=layout.whole(self), layout=w.Layout(width="100%"))
        self.add_class("prunelab")
        self._arrange()
        self._draw()
        self._runner.start()
        if start:
            self.start()

    def _make_panels(self) -> dict[str, Panel]:
        made: list[Panel] = [Panel(kind, self._redraw) for kind in KINDS]
        made += [
            ComparePanel(self._submit, lambda: self.recipe, self._redraw),
            DrawPanel(self._submit, self._redraw, self._bridge.soon),
            SensitivityPanel(self._submit, self._redraw),
        ]
        return {panel.kind.name: panel for panel in made}

    @classmethod
    def for_page(cls, **options: Any) -> Lab:
        """The lab of a page: by the server's settings first, then, when the visitor is there, by the visitor's link.

        Settings are environment variables: PRUNELAB_LINK, the query part of a link; PRUNELAB_SESSION, a directory.
        With preheated kernels the network is trained before anybody comes; this call then waits for the visitor. A
        saved session is opened only then: kernels that wait for their visitors would fight for it.
        """
        lab = cls(start=False, **{"directory": os.environ.get(SAVED) or None, **options})
        lab._take_up(os.environ.get(SETTINGS, ""))
        lab._start = lab.recipe, lab.options
        if lab._first == "open":
            query = visitor.query()
            lab.start()
        else:
            lab.start()
            query = visitor.query()
        lab.follow(query)
        return lab

    def start(self) -> None:
        """Open the saved session, if there is one; else train."""
        self._submit(self._first)

    def follow(self, query: str) -> None:
        """Do as a link says (its query part); what it does not name is as the lab was made, and what was locked then
        stays locked. One with bad values changes nothing, and the page says what was wrong.
        """
        if self._take_up(query):
            self._submit("follow")

    def link(self) -> str:
        """The query part of a link to this page as it stands: recipe, and what is shown and locked. "" by default."""
        return to_query(self.recipe, self.options, self._start)

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
        recipe = self.controls.recipe
        own = self.layers.own if recipe.rule == "quality" else {}  # a density is no matter of single layers
        return replace(recipe, layer_quality=own)  # type: ignore[arg-type]

    def on_report(self, callback: Callable[[Report], object], remove: bool = False) -> None:
        """``callback(report)`` for every report from now on, on the runner's thread, which waits for it meanwhile: it
        must be quick. remove: no longer.
        """
        if remove:
            self._listeners.remove(callback)
        else:
            self._listeners.append(callback)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until nothing runs and the page is up to date; False if that took more than ``timeout`` seconds."""
        done = self._runner.wait(timeout) and self._exporter.wait(timeout)
        self._bridge.flush()
        return done

    def stop(self) -> None:
        """End the lab's threads after the batch they are at. The lab can't be used afterwards."""
        self._exporter.end()
        self._runner.end()

    def close(self) -> None:
        """Take the lab off all pages, for good, and end its thread."""
        if hasattr(self, "_runner"):  # one that was refused is closed too
            self.stop()
        super().close()

    # From hands to commands: on whatever thread the browser's message arrives

    def _chosen(self, options: Options) -> None:
        self.options = options
        self._bridge.post("options", self._arrange)

    def _changed(self, name: str) -> None:
        if name in ("data", "model", "optimizer"):
            self._bridge.post("lengths", self._set_defaults)
        if name == "rule":
            self._bridge.post("options", self._arrange)
        if name in ("rule", "quality", "density", "unit", "scope"):
            self._ask()
        elif name in TRAINING_FIELDS:
            self._redraw()
        else:
            self._submit("change")

    def _ask(self) -> None:
        """What would be cut, as the sliders stand? Of what is now: whoever looked at an earlier moment comes back."""
        self._bridge.soon(self.moments.live)
        self._submit("preview")

    def _dragged(self, drag: Drag) -> None:
        """A threshold line was taken by hand: from now on its layer has a quality of its own."""
        if not self.options.frees("quality"):
            return
        self.layers.own = {**self.layers.own, layer_of(drag.layer): round(drag.quality, 3)}
        self._ask()

    def _pressed(self, name: str) -> None:
        if name == "pause":
            name = "resume" if self._runner.report.state == "paused" else "pause"
        if name in ANEW:
            self._bridge.soon(self.guess.drop)
        if self.options.guess and name in QUESTIONS:
            self._bridge.soon(partial(self.guess.ask, name))
            self._redraw()
        else:
            self._do(name)

    def _do(self, name: str) -> None:
        self._bridge.soon(self.moments.live)
        self._submit(name)

    def _submit(self, action: Any, about: Any = None) -> None:
        try:
            recipe = self.recipe
        except RecipeError as error:
            self._unfit = str(error)
            self._redraw()
            return
        self._unfit = None
        if action not in ("change", "preview", "follow", "read"):
            self._unread = None
        if action == "compare":
            self._bridge.soon(self.moments.live)
        hand = wished(recipe) if action in ("prune", "preview") else Hand()
        self._runner.submit(Command(action, recipe, hand, about))

    def _requested(self, name: str) -> None:
        """A download button was pressed."""
        if name == "link":
            self._bridge.soon(lambda: self.downloads.send_text("link", self._address()))
        elif name == "model":
            self._submit("export", about=partial(self._exporter.send, name))
        else:
            self._exporter.later(name, self.report)

    def _address(self) -> str:
        query = self.link()
        if not visitor.in_voila():
            return f"lab.follow({query!r})"
        return f"{self.status.address}?{query}" if query else self.status.address

    def _take_up(self, query: str) -> bool:
        """Put the page as a link says; False, and a note on the page, for one that cannot be followed."""
        if not query:
            return False
        try:
            recipe, options = from_query(query, self._start)
            asked = [name for name in ("data", "model") if getattr(recipe, name) == OWN and name not in self._own]
            if asked:
                raise RecipeError(f"{asked[0]} = own: whose own? A link cannot carry Python objects")
        except RecipeError as error:
            self._unread = f"This link could not be used: {error}. Nothing was changed."
            self._redraw()
            return False
        self._unread = None
        self.options = options
        self._set_controls(recipe.changed(**self._own))
        self._arrange()
        return True

    # From reports to pictures

    def _reported(self, report: Report) -> None:
        self._bridge.post("slider" if report.urgent else "run", self._draw)
        for callback in tuple(self._listeners):
            callback(report)

    def _redraw(self) -> None:
        self._bridge.post("controls", self._draw)

    def _redraw_at_once(self) -> None:
        self._bridge.post("slider", self._draw)

    def _complain(self, error: Exception) -> None:
        self.status.trouble = f"The page could not be brought up to date: {error}. The run goes on."

    def _arrange(self) -> None:
        """Show, hide and lock as the options say. On the widgets' own thread."""
        options = self.options
        self.controls.arrange(options)
        self.buttons.arrange(options)
        for name, panel in self.panels.items():
            panel.layout.display = None if options.shows(name) else "none"
        self.layers.disabled = not options.frees("quality")
        self.panels["weights"].plot.draggable = options.frees("quality") and self.controls["rule"].value == "quality"
        by_layer = "quality" not in options.hide and self.controls["rule"].value == "quality"
        (self.remove_class if by_layer else self.add_class)("pl-no-layers")
        self._chooser.show(options)
        (self.add_class if options.big else self.remove_class)("pl-big")
        if not options.guess:
            self.guess.ask(None)
        self._draw()

    def _draw(self) -> None:
        """Show the latest report. On the widgets' own thread."""
        with self._delivery.together():
            self._draw_report(self._runner.report)
        self.layers.follow(self.controls["quality"].value)

    def _draw_report(self, report: Report) -> None:
        if report.adopted is not None and report.adopted is not self._adopted:
            self._adopted = report.adopted
            self._set_controls(report.adopted)
        self.moments.update(report)
        seen = self._seen(report)
        self.status.show(report, seen, filter(None, (self._unread, self._unfit)))
        self.buttons.show(report, self.options, stale=self.controls.differ(report.recipe))
        self.downloads.disabled = downloads.missing(report)
        if report.snapshot is not None:
            self.layers.offer([layer_of(layer.name) for layer in report.snapshot.layers])
        for name, panel in self.panels.items():
            if self.options.shows(name):
                panel.show(seen)

    def _seen(self, report: Report) -> Report:
        """What the page shows of a report: the moment that is looked at, and nothing that is still to be guessed."""
        if report.snapshot is not None:
            accuracy = report.snapshot.test_accuracy
            self.guess.tell(report.snapshot.phase, accuracy, busy=report.state in (*BUSY, "paused"))
        seen = replace(report, moment=self.moments.shown(report))
        return wording.concealed(seen, self.guess.waits) if self.options.guess else seen

    def _set_controls(self, recipe: Recipe) -> None:
        self.controls.set(recipe)
        self.layers.set(dict(recipe.layer_quality))
        self.layers.follow(recipe.quality)

    def _set_defaults(self) -> None:
        self.controls.set_defaults()
        self._draw()
