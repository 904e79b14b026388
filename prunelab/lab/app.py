"""The dashboard: one widget that holds the page, the thread that trains, and what goes between them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets as w
from torch import nn

from prunelab.data import Data
from prunelab.errors import RecipeError
from prunelab.formatting import suggesting
from prunelab.lab.links import Options
from prunelab.lab.messages import BUSY, OPENING, Action, LabState
from prunelab.lab.page import layout
from prunelab.lab.page.bridge import Bridge
from prunelab.lab.page.built_in import built_in
from prunelab.lab.page.hand import Hand
from prunelab.lab.page.host_line import HostLine
from prunelab.lab.page.page import Page
from prunelab.lab.page.page_link import PageLink
from prunelab.lab.page.presence import Presence
from prunelab.lab.served import Served
from prunelab.lab.worker.limits import Limits
from prunelab.lab.worker.listeners import Listeners
from prunelab.lab.worker.runner import Runner
from prunelab.lab.worker.session_source import SessionOpener
from prunelab.pruning.masks import Masks
from prunelab.recipe import OWN, Recipe
from prunelab.recipe.argument import recipe_or_default
from prunelab.serve import visitor
from prunelab.sessions.session import Session
from prunelab.training.objective import LossLike, MetricLike

REST = 2.0  # seconds without a new picture, after which those that nobody sees are drawn


@suggesting
class Lab(w.VBox):
    """The laboratory as a widget: show it in a notebook or in Voila, or build it in a script without a screen.

    Errors after the start do not raise: the page shows them.

    Args:
        recipe: the recipe to start with; by default ``Recipe()``.
        model: a custom model, as for ``Session``. The lab trains a copy.
        data: custom data, as for ``Session``.
        loss: what is trained for, as for ``Session``; by default classification.
        metric: what stands in place of accuracy, as for ``Session``.
        directory: folder to save in after every phase, and to continue from. Only one lab at a time can use it.
        show: names of panels, controls and buttons to show that are hidden by default.
        hide: names of panels, controls and buttons to hide.
        lock: names of controls and buttons that are shown but cannot be used. See ``links.Options`` for the names.
        trained: the custom model is trained already and can be pruned at once.
        masks: masks of the custom model, as for ``Session``; None: its zeros are taken as cut, and stay zero.
        measure: measure bytes and latency after every run and retraining.
        start: False builds the lab without training.

    Attributes:
        panels: {name: widget}; each widget can also be shown elsewhere, by itself.
        controls: {field of the recipe: widget}, likewise.
        buttons: {name: widget}, likewise.
        modules: the table of the network's modules, pruned or not, and why; likewise.

    Raises:
        RecipeError: a name in ``show``, ``hide`` or ``lock`` matches nothing.
    """

    def __init__(
        self,
        recipe: Recipe | None = None,
        *,
        model: nn.Module | None = None,
        data: Data | tuple[Any, Any] | None = None,
        loss: LossLike = None,
        metric: MetricLike = None,
        directory: str | Path | None = None,
        show: Iterable[str] = (),
        hide: Iterable[str] = (),
        lock: Iterable[str] = (),
        trained: bool = False,
        masks: Masks | None = None,
        measure: bool = True,
        start: bool = True,
    ) -> None:
        named: dict[str, Any] = {"show": show, "hide": hide, "lock": lock}  # Options refuses what is no list of names
        options = Options(**named)
        custom = {name: OWN for name, given in (("model", model), ("data", data)) if given is not None}
        recipe = recipe_or_default(recipe).changed(**custom)
        self._link = link = PageLink((recipe, options), custom)
        self._host_says = ""  # a word of the host of a workshop
        self._adopted: Recipe | None = None  # the last ``LabState.adopted`` that the controls were set to
        self._bridge = bridge = Bridge(self._complain)
        folder = None if directory is None else Path(directory).absolute()
        self._opener = SessionOpener(model, data, folder, loss=loss, metric=metric, trained=trained, masks=masks)
        self._listeners = Listeners(lambda: self.hand.redraw())
        self._presence = presence = Presence()
        self._served: Served | None = None  # what a served page has beside the lab; None elsewhere
        self._line: HostLine | None = None  # to the host of a workshop; None elsewhere
        self._runner = runner = Runner(
            recipe,
            self._opener,
            self._reported,
            measuring=measure,
            deserted=lambda: presence.deserted(time.monotonic()),
            make_way=lambda: bridge.rest(0.1),
        )
        self._first: Action = "train" if directory is None else "open"
        self.hand = hand = Hand(
            link, bridge, send=runner.submit, state=lambda: runner.state,
            arrange=self._arrange, draw=self._draw, keep=self._keep_page,
        )  # fmt: skip
        self._page = hand.page = page = Page(recipe, options, custom, built_in(model), hand, bridge, presence)
        self.panels, self.controls, self.buttons, self.modules = page.panels, page.controls, page.buttons, page.modules
        self.status, self.downloads, self.guess, self.timeline = page.status, page.downloads, page.guess, page.timeline
        self.layers, self.live, self.presets = page.layers, page.live, page.presets
        self.choices, self.switches = page.choices, page.switches
        super().__init__(children=layout.whole(page), layout=w.Layout(width="100%"))
        self.add_class("prunelab")
        self._arrange()
        self._draw()
        self._runner.start()
        if start:
            self.start()

    @classmethod
    def for_page(cls, **options: Any) -> Lab:
        """The lab of a served page: set by the server's settings first, then by the visitor's link.

        The settings are environment variables: PRUNELAB_LINK, the query part of a link, and PRUNELAB_SESSION, a
        directory. With preheated kernels the network is trained before the visitor comes; the call then blocks until
        one does. A saved session is opened only after that, or waiting kernels would compete for its folder. Without
        such a folder each page is saved as it goes, under an id in its address: see ``served``.

        Args:
            **options: as for ``Lab``, except ``start``.
        """
        lab = cls(start=False, **{"directory": os.environ.get(visitor.SESSION) or None, **options})
        lab._apply_link(os.environ.get(visitor.LINK, ""))
        lab._link.start = lab.recipe, lab.options
        lab._runner.limit(Limits.from_environment(os.environ))
        if visitor.in_voila() and lab._first != "open":
            lab._served = Served(lab)
        elif lab._first == "open":
            query = visitor.query()
            lab.start()
            lab.follow(query)
        else:
            lab.start()
            lab.follow(visitor.query())
        if visitor.in_voila():
            lab._link.stand_in_address(lab.link())
        if os.environ.get(visitor.HOST_LINE):
            lab._line = HostLine(lab)
        return lab

    def start(self) -> None:
        """Open the saved session, if there is one, else train. Returns at once."""
        self.hand.submit(self._first, OPENING)

    def follow(self, query: str) -> None:
        """Set the page as a link says. Returns at once.

        What the link does not name is set as when the lab was made, and what was locked then stays locked. A link with
        invalid values changes nothing, and the page says what is wrong; keys that are not the lab's are left out, and
        the page names them.

        Args:
            query: the query part of a link, with or without the question mark.
        """
        asked = self._apply_link(query)
        if asked is not None:
            self.hand.submit("follow", recipe=asked)

    def hear_host(self, words: str) -> None:
        """Show a word of the host of a workshop on the page, on any thread; "": none any more."""
        self._host_says = words
        self.hand.redraw()

    def link(self) -> str:
        """The query part of a link to the page as it is now: the recipe, and what is shown, hidden and locked.

        Returns:
            Its version, and what differs from the start of the page.

        Raises:
            RecipeError: the controls give no valid recipe.
        """
        return self._link.to(self.recipe, self.options)

    # For scripts, notebooks and tests

    @property
    def session(self) -> Session | None:
        """The session behind the page, None before there is one. Use it only while nothing runs (see ``wait``)."""
        return self._runner.session

    @property
    def options(self) -> Options:
        """What is shown, hidden and locked now."""
        return self._page.options

    @property
    def state(self) -> LabState:
        """The latest state of the lab: immutable, may be read at any time."""
        return self._runner.state

    @property
    def recipe(self) -> Recipe:
        """The recipe that the controls are set to.

        Raises:
            RecipeError: their values give no valid recipe.
        """
        return self._page.recipe

    def on_state(self, callback: Callable[[LabState], object], remove: bool = False) -> None:
        """Call ``callback(state)`` for the latest state at once, and for every new one when the page shows it.

        That is on the runner's thread, which waits meanwhile: it must be quick. What it raises is told on the page, and
        the run goes on.

        Args:
            remove: stop calling it.
        """
        if remove:
            self._listeners.remove(callback)
        else:
            self._listeners.add(callback)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until nothing runs (or the run is paused) and the page is up to date.

        Args:
            timeout: seconds for the run, and again for pending downloads. None: no limit.

        Returns:
            False if the time was over before that.
        """
        done = self._runner.wait(timeout) and self._page.exporter.wait(timeout)
        self._bridge.flush()
        return done

    def stop(self) -> None:
        """End the lab's threads after the current batch. The lab cannot be used afterwards, and its pages say so."""
        self.status.ended = True
        if self._served is not None:
            self._served.end()
        self._page.exporter.end()
        self._runner.end()

    def close(self) -> None:
        """Remove the lab from all pages, permanently, and end its threads."""
        if hasattr(self, "_runner"):  # ipywidgets also closes a lab whose constructor raised
            self.stop()
        super().close()

    def _keep_page(self) -> None:
        if self._served is not None:
            self._bridge.post("page", self._served.keep_page)

    def _apply_link(self, query: str) -> Recipe | None:
        """Set the page as a link says: by which recipe. None for an empty link, or, with an error on the page, for an
        invalid one.
        """
        if not query:
            return None
        asked = self._link.read(query)
        if asked is None:
            self.hand.redraw()
            return None
        recipe, self._page.options = asked
        self._page.set_recipe(recipe)
        recipe = self._page.recipe
        self._arrange()
        return recipe

    # From states to pictures

    def _reported(self, state: LabState) -> None:
        self._bridge.post("slider" if state.urgent else "run", self._draw)
        if self._link.preset and state.activity == "ready":
            self._bridge.soon(partial(self._begin_preset, state.recipe))
        self._listeners.tell(state)

    def _complain(self, error: Exception) -> None:
        self.status.trouble = f"The page could not be brought up to date: {error}. The run goes on."

    def _arrange(self) -> None:
        """Show, hide and lock as the options say. On the widgets' thread, as all that follows."""
        options = self.options
        self._page.arrange()
        by_layer = "quality" not in options.hide and self._page.by_layer
        for name, on in (("pl-no-layers", not by_layer), ("pl-big", options.big), ("pl-stage", options.stage)):
            (self.add_class if on else self.remove_class)(name)
        self._draw()

    def _draw(self) -> None:
        """Draw the latest state."""
        state = self._runner.state
        if state.adopted is not None and state.adopted is not self._adopted:
            self._adopted = state.adopted
            self._page.set_recipe(state.adopted)
            self._bridge.post("options", self._arrange)  # its rule may need other controls
        unsaved = None if self._served is None else self._served.trouble
        ours = (self.hand.error, self._listeners.error, unsaved)
        notes = (self._host_says, self._link.error, self._link.notice, *ours)
        self._page.draw(state, [note for note in notes if note], self._link.news(self.link))
        if state.activity not in BUSY:
            self._bridge.at_rest(lambda: self._page.draw_unseen(self._runner.state), REST)

    def _begin_preset(self, recipe: Recipe) -> None:
        """Begin the comparison that a link asks for, once its network is there. recipe: of the network that is."""
        name = self._link.preset
        try:
            there = recipe.trains_like(self.recipe)
        except RecipeError:  # a hand has set the controls to something else
            there, name = True, ""
        if there:
            self._link.preset = ""
            if name:
                self.hand.compare(name)
