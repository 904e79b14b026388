"""Turns what somebody does on the page into commands, on whatever thread the browser's message arrives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from prunelab.errors import RecipeError
from prunelab.formatting import layer_of
from prunelab.lab.links import Options
from prunelab.lab.messages import OPENING, Command, LabState
from prunelab.lab.page.bridge import Bridge
from prunelab.lab.page.compare_panel import ComparePanel
from prunelab.lab.page.controls import CUTTING, SWITCHES
from prunelab.lab.page.guess import QUESTIONS
from prunelab.lab.page.page_link import PageLink
from prunelab.lab.widgets.plot import Drag
from prunelab.recipe import CHOICES, TRAINING_FIELDS, Recipe
from prunelab.serve import visitor

if TYPE_CHECKING:
    from prunelab.lab.page.page import Page

LIVE = ("quality", "density", "rounds")  # controls that retrain at once when a hand lets go of them
# Actions that no button of the deck asks for, and that bring something else onto the page, or move the controls.
GOES_LIVE = ("compare", "load", "follow", "budget")
DROPS_GUESS = ("train", "reset", "load", "follow")  # actions that discard the run: a guess about it gets no result


class Hand:
    """What the page calls when somebody acts on it.

    Args:
        link: What the link of the page has set.
        bridge: The way to the widgets' thread.
        send: Takes a command.
        state: Gives the latest state.
        arrange: Shows, hides and locks as the options say. On the widgets' thread, as the next.
        draw: Draws the latest state.
        keep: Has what the page is set to saved, if it is; on any thread.

    Attributes:
        page: The page; set as soon as it is made.
        error: Why the controls give no valid recipe; None if they do.
    """

    page: Page

    def __init__(
        self,
        link: PageLink,
        bridge: Bridge,
        *,
        send: Callable[[Command], object],
        state: Callable[[], LabState],
        arrange: Callable[[], None],
        draw: Callable[[], None],
        keep: Callable[[], None],
    ) -> None:
        self.error: str | None = None
        self._link = link
        self._bridge = bridge
        self._send = send
        self._state = state
        self._arrange = arrange
        self._draw = draw
        self._keep = keep

    def redraw(self) -> None:
        """The page is to be drawn again."""
        self._bridge.post("controls", self._draw)

    def scrub(self) -> None:
        """The same, at the pace of a slider: another moment is to be shown."""
        self._bridge.post("slider", self._draw)

    def choose(self, options: Options) -> None:
        """Something else is to be shown, hidden or switched on."""
        self.page.options = options
        self._bridge.post("options", self._arrange)
        self._keep()

    def change(self, name: str) -> None:
        """A control has another value."""
        if name in CHOICES:
            self._bridge.post("lengths", self._set_defaults)
        if name in SWITCHES:
            self._bridge.post("options", self._arrange)
        if name in CUTTING:
            self.preview()
            return
        self._read_controls()
        self.redraw()
        if name in TRAINING_FIELDS:
            self._keep()
        else:
            self.submit("change")

    def _set_defaults(self) -> None:
        self.page.controls.set_defaults()
        self._draw()

    def compare(self, name: str) -> None:
        """A preset was chosen at the top of the page: its panel is shown, and its runs begin."""
        options, panel = self.page.options, self.page.panels["compare"]
        if not options.shows("compare"):
            self.choose(options.toggled("compare", True))
        assert isinstance(panel, ComparePanel)
        self._bridge.soon(partial(panel.compare, name))

    def preview(self) -> None:
        """Ask for a preview of a cut by the sliders. It is of the current network: the scrubber goes back to live."""
        self._bridge.soon(self.page.timeline.live)
        self.submit("preview")

    def drag(self, drag: Drag) -> None:
        """A threshold line was moved: from now on its layer has its own quality."""
        if not self.page.options.frees("quality"):
            return
        layers = self.page.layers
        layers.own = {**layers.own, layer_of(drag.layer): round(drag.quality, 3)}
        self.preview()
        if drag.final:
            self.release("quality")

    def release(self, name: str) -> None:
        """Nobody holds a control any more: with the switch "live", the whole run is done anew."""
        if self.page.options.live and name in LIVE:
            self.press("live")

    def press(self, name: str) -> None:
        """A button was pressed. Some results are to be guessed first."""
        if name == "pause":
            name = "resume" if self._state().activity == "paused" else "pause"
        guess = self.page.guess
        if self.page.options.guess and guess.asks(name):
            self._bridge.soon(partial(guess.ask, name))
            self.redraw()
        else:
            self.do(name)

    def do(self, name: str) -> None:
        """Do what a button asks for."""
        self._bridge.soon(self.page.timeline.live)
        self.submit(name)

    def submit(self, action: Any, about: Any = None, *, recipe: Recipe | None = None) -> None:
        """Send a command by a recipe.

        recipe: None: that of the controls; where they give none, the page says why. Controls may be set back for a
        moment, by a recipe that the runner has adopted before.
        """
        guess = self.page.guess
        recipe = recipe or self._read_controls()
        if recipe is None:
            if action in QUESTIONS:
                self._bridge.soon(guess.drop)  # nothing is done, and no result will come
            self.redraw()
            return
        if action not in ("change", "preview", "follow", "read", "visit") and about != OPENING:
            self._link.forget()
        if action in DROPS_GUESS:
            self._bridge.soon(guess.drop)
        if action in GOES_LIVE:
            self._bridge.soon(self.page.timeline.live)
        self._keep()
        target = recipe.final_target if action in ("prune", "preview") else None
        self._send(Command(action, recipe, target, about))

    def _read_controls(self) -> Recipe | None:
        """The recipe that the controls are set to; None, with an error on the page, if it is not valid."""
        try:
            recipe = self.page.recipe
        except RecipeError as error:
            self.error = str(error)
            return None
        self.error = None
        return recipe

    def request(self, name: str) -> None:
        """A download button was pressed."""
        exporter = self.page.exporter
        if name == "link":
            self._bridge.soon(self._send_link)
        elif name == "model":  # whatever the controls are set to
            self._send(Command("export", about=partial(exporter.send, name)))
        else:
            state = self._state()
            exporter.later(name, replace(state, viewed=self.page.timeline.shown(state)))

    def _send_link(self) -> None:
        downloads = self.page.downloads
        try:
            downloads.send_text("link", self._address())
        except RecipeError as error:
            downloads.send_error("link", str(error))

    def _address(self) -> str:
        query = self._link.to(self.page.recipe, self.page.options)
        if not visitor.in_voila():
            return f"lab.follow({query!r})"
        address = self.page.status.address
        return f"{address}?{query}" if query else address
