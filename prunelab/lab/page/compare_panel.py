"""The panel that compares runs. Callbacks only put a command on the queue, by ``submit(action, about=...)``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as w

from prunelab import views
from prunelab.errors import RecipeError
from prunelab.lab import presets, runs, wording
from prunelab.lab.messages import LabState
from prunelab.lab.page.panels import Panel, PanelKind, Submit
from prunelab.lab.widgets import basics
from prunelab.recipe import Recipe
from prunelab.views.escaping import escaped
from prunelab.views.figure import View


class ComparePanel(Panel):
    """The kept runs and the one on the page in one picture, and presets: comparisons that make one point each.

    submit: puts a command on the queue. recipe: gives the page's recipe. redraw: called when a choice changes.
    """

    def __init__(self, submit: Submit, recipe: Callable[[], Recipe], redraw: Callable[[], None]) -> None:
        self._submit, self._recipe, self._redraw = submit, recipe, redraw
        self._hidden: set[int] = set()
        self._live: tuple[object, ...] = ()  # the mark of the run on the page
        self._listed: tuple[object, ...] = ()  # number, name and pin of the runs in ``rows``
        self._fresh = True  # no kept run was shown yet, and no comparison begun here
        self.rows = basics.VBox()
        self._presets = presets.presets(Recipe())
        self.preset = basics.Dropdown(
            options=[preset.name for preset in self._presets],
            description="compare",
            tooltip="A comparison that makes a point",
        )
        self.point = basics.HTML(_hint(self._presets[0].asks))  # a Label would not wrap
        self.button = basics.Button(
            description="Compare", tooltip="Run both, one after the other, from a new network each"
        )
        choices = [("all runs", "all"), ("this comparison", "preset"), ("weights side by side", "pair")]
        self.pair = basics.Dropdown(options=choices, description="show")
        bar = basics.HBox([self.preset, self.button, self.pair])
        bar.add_class("pl-bar-of-controls")
        super().__init__(PanelKind("compare", self._drawn), redraw, [bar, self.point, self.rows])
        self.preset.observe(lambda change: redraw(), "value")
        self.pair.observe(lambda change: redraw(), "value")
        self.button.on_click(lambda _: self._pressed())

    def show(self, state: LabState) -> None:
        """Draw the runs."""
        self.button.disabled = "compare" in wording.reasons(state)
        self._offer(state.recipe)
        if state.runs and self._fresh:
            self._fresh = False
            self._go_on_from(state.runs)
        self.point.value = _hint(self._question_or_answer(state))
        super().show(state)

    def list_runs(self, state: LabState) -> None:
        """Show a row for each run."""
        kept = self._kept(state)
        names = runs.names(kept)
        listed = tuple((run.number, names[run.number], run.pinned) for run in kept)
        if listed != self._listed:
            self._listed = listed
            self.rows.children = [self._row(run, names[run.number]) for run in kept]

    def _offer(self, recipe: Recipe) -> None:
        """Offer the presets that suit the page's model."""
        self._presets = presets.presets(recipe)
        offered = tuple(preset.name for preset in self._presets)
        if self.preset.options != offered:
            chosen = self.preset.value
            self.preset.options = offered
            self.preset.value = chosen if chosen in offered else offered[0]

    def _go_on_from(self, kept: Sequence[runs.Run]) -> None:
        """Show the comparison that the last runs are of: on a page that comes back it was the last thing to be seen."""
        labels = tuple(run.label for run in kept[-2:])
        of_both = [preset.name for preset in self._presets if preset.labels == labels]
        of_last = [preset.name for preset in self._presets if labels[-1] in preset.labels]
        for name in (of_both + of_last)[:1]:
            self.preset.value, self.pair.value = name, "preset"

    def _question_or_answer(self, state: LabState) -> str:
        """The question of the chosen preset or, once both of its runs are done, the answer."""
        chosen = self._presets[self.preset.index]
        latest = {run.label: run for run in state.runs}
        pair = [latest[label] for label in chosen.labels if label in latest]
        if len(pair) < 2:
            return chosen.asks
        of_one = next(p for p in presets.presets(pair[1].recipe) if p.name == chosen.name)
        if [plan.recipe for plan in of_one.plans(pair[1].recipe)] != [run.recipe for run in pair]:
            return chosen.asks  # the runs belong to different comparisons: one was deleted or is still to come
        return chosen.says((pair[0].snapshots[-1], pair[1].snapshots[-1]))

    def _kept(self, state: LabState) -> list[runs.Run]:
        settled = tuple(s for s in state.history if s.settled)
        marks = {runs.mark(run.snapshots[-1]): run.number for run in state.runs}
        if self._live in marks and runs.LIVE in self._hidden:  # the hidden run on the page is kept now: it stays hidden
            self._hidden = self._hidden - {runs.LIVE} | {marks[self._live]}
        if not any(s.phase == "pruned" for s in settled) or runs.mark(settled[-1]) in marks:
            return list(state.runs)
        self._live = runs.mark(settled[-1])
        return [*state.runs, runs.Run(runs.LIVE, settled[-1].recipe, settled)]

    def _drawn(self, state: LabState, _: str | None) -> View:
        kept = [run for run in self._kept(state) if run.number not in self._hidden]
        names = runs.names(kept)
        if self.pair.value == "preset":
            labels = self._presets[self.preset.index].labels
            latest = {run.label: run for run in kept if run.label in labels}
            if not latest and state.comparing:
                return views.empty("This comparison is being made. Your network comes back afterwards.")
            if not latest:
                return views.empty("This comparison has not been made yet: press Compare.")
            return views.compare({names[run.number]: run.snapshots for run in latest.values()})
        if self.pair.value == "pair":
            if len(kept) < 2:
                return views.empty("Two runs are needed: their weights stand side by side here.")
            left, right = kept[-2:]
            return views.side_by_side(names[left.number], left.snapshots[-1], names[right.number], right.snapshots[-1])
        return views.compare({names[run.number]: run.snapshots for run in kept})

    def _row(self, run: runs.Run, name: str) -> w.Widget:
        shown = basics.Checkbox(value=run.number not in self._hidden, description=name, indent=False)
        shown.observe(lambda change: self._toggled(run.number, change["new"]), "value")
        parts: list[w.Widget] = [shown]
        if run.number != runs.LIVE:
            pin = basics.Button(
                description="Unpin" if run.pinned else "Pin", tooltip=f"Keep {name}, whatever comes after it"
            )
            pin.on_click(lambda _: self._submit("pin", about=run.number))
            delete = basics.Button(description="Delete", tooltip=f"Forget {name}")
            delete.on_click(lambda _: self._submit("forget", about=run.number))
            parts += [pin, delete]
        row = basics.HBox(parts)
        row.add_class("pl-run")
        return row

    def _toggled(self, number: int, shown: bool) -> None:
        self._hidden = self._hidden - {number} if shown else self._hidden | {number}
        self._redraw()

    def compare(self, name: str) -> None:
        """Choose a preset and do its runs, as if Compare had been pressed."""
        self.preset.value = name
        self._pressed()

    def _pressed(self) -> None:
        try:
            recipe = self._recipe()
        except RecipeError:
            self._submit("change")  # which says what is wrong
            return
        self._fresh = False
        self.pair.value = "preset"
        preset = next(preset for preset in presets.presets(recipe) if preset.name == self.preset.value)
        self._submit("compare", about=preset.plans(recipe))


def _hint(text: str) -> str:
    return f'<div class="pl-hint">{escaped(text, 400)}</div>'
