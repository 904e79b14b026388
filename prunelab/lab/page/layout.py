"""The layout of controls, buttons and panels on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as w

from prunelab.lab.page import controls, settings_help
from prunelab.lab.widgets import basics

if TYPE_CHECKING:
    from prunelab.lab.page.page import Page

STEPS = {"train": "Train", "prune": "Prune", "retrain": "Retrain"}
STEP_BUTTONS = {"train": ("train",), "prune": ("prune",), "retrain": ("retrain", "run")}
RUN_BUTTONS = ("pause", "reset", "measure")
SETTINGS = {"train": "Training", "prune": "Pruning", "retrain": "Retraining"}


def whole(page: Page) -> list[w.Widget]:
    """All widgets of a lab, from top to bottom: status, gallery and presets, tools, deck, body, modules, scrubber.

    The deck is what one works with; settings and pictures lie below it. On a stage (see stage.css) only status, deck,
    two pictures and the scrubber are left, and fill the window.
    """
    offers = box([box(list(page.choices.values()), "pl-gallery"), page.presets], "pl-offers")
    tools = box([page.downloads, box(list(page.switches.values()), "pl-switches")], "pl-tools")
    panels = box(list(page.panels.values()), "pl-grid")
    body = box([_settings(page), panels], "pl-body")
    foot = box([page.timeline.widget], "pl-foot")
    return [page.status, offers, tools, _deck(page), body, page.modules, foot]


def box(children: list[w.Widget], *classes: str) -> w.Widget:
    """A column with these CSS classes."""
    column = basics.VBox(children)
    for name in classes:
        column.add_class(name)
    return column


def _deck(page: Page) -> w.Widget:
    """The method as a diagram: three steps with their sliders and buttons, and the switch between the sliders.

    The guess is asked for here, under the button that was pressed.
    """
    live = box([page.live.switch, page.live.hint], "pl-live")
    runs = box([page.buttons[name] for name in RUN_BUTTONS], "pl-runs")
    train, prune, retrain = (_step(number, name, page) for number, name in enumerate(STEPS, 1))
    return box([train, prune, live, retrain, runs, page.guess], "pl-deck")


def _step(number: int, name: str, page: Page) -> w.Widget:
    for button in STEP_BUTTONS[name]:
        page.buttons[button].button_style = "primary" if button in STEPS else ""
    heading = basics.HTML(f'<h2 class="pl-heading"><span class="pl-number">{number}</span>{STEPS[name]}</h2>')
    fields = [page.controls[field] for field in controls.DECK.get(name, ())]
    if name == "prune":
        fields.append(page.layers.sign)
    buttons = box([page.buttons[button] for button in STEP_BUTTONS[name]], "pl-buttons")
    return box([heading, *fields, buttons], "pl-step", f"pl-{name}")


def _settings(page: Page) -> w.Widget:
    """The side bar: the settings of each step."""
    return box([_group(name, page) for name in SETTINGS], "pl-side")


def _group(name: str, page: Page) -> w.Widget:
    shown, more = controls.GROUPS[name]
    parts: list[w.Widget] = [
        basics.HTML(settings_help.heading(name, SETTINGS[name])),
        *(page.controls[field] for field in shown),
    ]
    if name == "prune":
        parts.append(_folded("layers", [page.layers], "per layer"))
    parts.append(_folded("more", [page.controls[field] for field in more]))
    return box(parts, "pl-group")


def _folded(name: str, parts: list[w.Widget], title: str | None = None) -> w.Widget:
    accordion = basics.Accordion(children=[basics.VBox(parts)], titles=(title or name,))
    accordion.selected_index = None
    accordion.add_class(f"pl-{name}")
    return accordion
