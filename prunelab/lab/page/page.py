"""All widgets of a lab: made, arranged as the options say, and drawn. On the widgets' thread, but for the making."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import ipywidgets as w

from prunelab.formatting import layer_of
from prunelab.lab import presets, wording
from prunelab.lab.links import KEYS, LESSON, Options
from prunelab.lab.messages import BUSY, LabState
from prunelab.lab.page import downloads
from prunelab.lab.page.bridge import Bridge, Soon
from prunelab.lab.page.buttons import Buttons
from prunelab.lab.page.compare_panel import ComparePanel
from prunelab.lab.page.controls import Controls
from prunelab.lab.page.draw_panel import DrawPanel
from prunelab.lab.page.guess import Guess
from prunelab.lab.page.hand import Hand
from prunelab.lab.page.layer_sliders import LayerSliders
from prunelab.lab.page.live import Live
from prunelab.lab.page.module_table import ModuleTable
from prunelab.lab.page.panel_chooser import PanelChooser
from prunelab.lab.page.panels import PANEL_KINDS, Panel
from prunelab.lab.page.presence import Presence
from prunelab.lab.page.preset_bar import PresetBar
from prunelab.lab.page.sensitivity_panel import SensitivityPanel
from prunelab.lab.page.status import Status
from prunelab.lab.page.timeline import Timeline
from prunelab.lab.page.tradeoff_panel import TradeoffPanel
from prunelab.lab.page.unheard import Unheard
from prunelab.lab.widgets.batching import Batching
from prunelab.lab.widgets.download_bar import DownloadBar
from prunelab.lab.widgets.shared_looks import show
from prunelab.recipe import VERSION_KEY, Recipe, allowed


class Page:
    """Makes the widgets, shows, hides and locks them as the options say, and draws states.

    Args:
        recipe: What the controls are set to.
        options: What is shown, hidden and locked.
        custom: {"model" or "data": their name in the recipe}, of what is the user's own.
        built_in: Widgets in the place of controls which a custom model leaves no choice in; see ``Controls``.
        hand: Hears of what somebody does on the page.
        bridge: The way to the widgets' thread.
        presence: Who looks at the page.

    Attributes: the widgets and groups of widgets that ``layout.whole`` puts on the page, by name. ``options`` is what
    the page follows from the next ``arrange`` on.
    """

    def __init__(
        self,
        recipe: Recipe,
        options: Options,
        custom: Mapping[str, str],
        built_in: Mapping[str, w.Widget],
        hand: Hand,
        bridge: Bridge,
        presence: Presence,
    ) -> None:
        self.options = options
        self.controls = Controls(recipe, custom, hand.change, hand.release, built_in)
        self.layers = LayerSliders(hand.preview, partial(hand.release, "quality"))
        self.live = Live(lambda on: hand.choose(replace(self.options, live=on)))
        self.modules = ModuleTable()
        self.buttons = Buttons(hand.press)
        self._presence = presence
        self._unheard = Unheard()

        def came() -> None:
            bridge.soon(self._unheard.say)
            hand.redraw()

        keys = [*KEYS, VERSION_KEY, *allowed(), LESSON]  # the link to the page says all that a lesson stands for
        self.status = Status(presence, came, title=wording.title(recipe), query_keys=keys)
        self.downloads = DownloadBar(items=list(downloads.ITEMS), post=bridge.soon)
        self.downloads.on_request(hand.request)
        self.exporter = downloads.Exporter(self.downloads, bridge.soon)
        self.guess = Guess(hand.do, bridge.soon)
        self.timeline = Timeline(hand.scrub)
        self._compare = ComparePanel(hand.submit, lambda: self.recipe, hand.redraw)
        self.panels = _panels(hand, self._compare, bridge.soon)
        self.batching = self.status.batching = Batching()
        for widget in (self.timeline.widget, *(panel.plot for panel in self.panels.values())):
            widget.batching = self.batching
        histograms = self.panels["weights"].plot
        histograms.slider = self.controls["quality"]
        histograms.on_drag(hand.drag)
        self._panel_chooser = PanelChooser(self.panels, lambda: self.options, hand.choose)
        self.choices, self.switches = self._panel_chooser.choices, self._panel_chooser.switches
        self.presets = PresetBar(hand.compare)

    @property
    def recipe(self) -> Recipe:
        """The recipe that the controls are set to. Raises RecipeError: their values give no valid recipe."""
        recipe = self.controls.recipe
        by_layer = self.layers.own if recipe.rule == "quality" else {}  # a density is not set per layer
        return recipe.changed(layer_quality=by_layer)

    def set_recipe(self, recipe: Recipe) -> None:
        """Set the controls."""
        self.controls.set(recipe)
        self.layers.set(dict(recipe.layer_quality))
        self.layers.follow(recipe.quality)

    @property
    def by_layer(self) -> bool:
        """Whether the cut is by quality, which each layer can have of its own."""
        return bool(self.controls["rule"].value == "quality")

    def expect(self, root: w.Widget) -> None:
        """A visitor has come, whose page is on its way. root: the widget that it shows."""
        self._unheard.begin(root)
        self._presence.expect(time.monotonic())

    def arrange(self) -> None:
        """Show, hide and lock as the options say."""
        options = self.options
        self.controls.arrange(options)
        self.buttons.arrange(options)
        for name, panel in self.panels.items():
            show(panel, options.shows(name))
        self.layers.disabled = not options.frees("quality")
        self.panels["weights"].plot.draggable = options.frees("quality") and self.by_layer
        self._panel_chooser.show(options)
        if not options.guess:
            self.guess.ask(None)

    def draw(self, state: LabState, notes: list[str], query: str | None) -> None:
        """Draw a state. notes: what is wrong beside the run. query: what the address should say; None: as it is."""
        options = self.options
        with self.batching.together():
            self.timeline.update(state)
            visible = self.visible(state)
            self.status.show(state, visible, notes)
            if query is not None:
                self.status.query = query
            self.buttons.show(state, options, stale=self.controls.differ(state.recipe))
            comparing = {"live": "A comparison is on the page: wait, or stop it"} if state.comparing else {}
            self.guess.allow(wording.reasons(state) | comparing)
            self.live.show(options.live, self.controls, state)
            if not self._presence.awaited:
                self._make(visible)
            self.presets.disable("compare" in wording.reasons(state))
            self.downloads.disabled = downloads.missing(replace(state, viewed=visible.viewed))
            self.modules.show(state.subject)
            for name, panel in self.panels.items():
                if options.shows(name):
                    panel.show(visible)
        self.layers.follow(self.controls["quality"].value)

    def _make(self, state: LabState) -> None:
        """Make the widgets that a state needs.

        Not while a page is on its way: it would hear of one before it has asked for those that there are, to which the
        new one refers, and never show it. The page is drawn again when it is there.
        """
        self.presets.offer(presets.presets(state.recipe))
        if state.snapshot is not None:
            self.layers.offer([layer_of(layer.name) for layer in state.snapshot.layers])
        if self.options.shows("compare"):
            self._compare.list_runs(state)

    def draw_unseen(self, state: LabState) -> None:
        """Draw the panels that are on no screen, too: whoever prints the page gets them all."""
        visible = self.visible(state)
        for name, panel in self.panels.items():
            if self.options.shows(name) and not panel.plot.visible:
                panel.unseen = True
                panel.show(visible)
                panel.unseen = False

    def visible(self, state: LabState) -> LabState:
        """The part of the state that the page may show: at the viewed snapshot, without what is still to be guessed."""
        if state.snapshot is not None:
            self.guess.objective = state.snapshot.objective
            latest = state.history[-1] if state.history else None
            busy = state.activity in (*BUSY, "paused")
            self.guess.tell(state.snapshot, latest, busy=busy, failures=state.failures)
        viewed = self.timeline.shown(state)
        # A warning is about the network as it is.
        visible = replace(state, viewed=viewed, warning=state.warning if viewed is None else None)
        guessing = self.options.guess and self.guess.objective.is_share
        return wording.concealed(visible, self.guess.waits) if guessing else visible


def _panels(hand: Hand, compare: ComparePanel, soon: Soon) -> dict[str, Panel]:
    panels: list[Panel] = [Panel(kind, hand.redraw) for kind in PANEL_KINDS]
    panels += [
        compare,
        DrawPanel(hand.submit, hand.redraw, soon),
        SensitivityPanel(hand.submit, hand.redraw),
        TradeoffPanel(hand.submit, hand.redraw, soon),
    ]
    return {panel.kind.name: panel for panel in panels}
