"""The layout of controls, buttons and panels on the page."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from prunelab.lab.page import controls, settings_help

STEPS = {"train": "Train", "prune": "Prune", "retrain": "Retrain"}
STEP_BUTTONS = {"train": ("train",), "prune": ("prune",), "retrain": ("retrain", "run")}
RUN_BUTTONS = ("pause", "reset", "measure")
SETTINGS = {"train": "Training", "prune": "Pruning", "retrain": "Retraining"}


def whole(lab: Any) -> list[w.Widget]:
    """All widgets of a Lab, from top to bottom: status, gallery, presets, tools, deck, body, modules, scrubber.

    The deck is what one works with; settings and pictures lie below it. On a stage (see lab.css) only status, deck, two
    pictures and the scrubber are left, and fill the window.
    """
    gallery = box(list(lab.choices.values()), "pl-gallery")
    tools = box([lab.downloads, box(list(lab.switches.values()), "pl-switches")], "pl-tools")
    panels = box(list(lab.panels.values()), "pl-grid")
    body = box([_settings(lab), panels], "pl-body")
    foot = box([lab.timeline.widget], "pl-foot")
    return [lab.status, gallery, lab.presets, tools, _deck(lab), body, lab.modules, foot]


def box(children: list[w.Widget], *classes: str) -> w.Widget:
    """A column with these CSS classes."""
    column = w.VBox(children)
    for name in classes:
        column.add_class(name)
    return column


def _deck(lab: Any) -> w.Widget:
    """The method as a diagram: three steps with their sliders and buttons, and the switch between the sliders.

    The guess is asked for here, under the button that was pressed.
    """
    live = box([lab.live.switch, lab.live.hint], "pl-live")
    runs = box([lab.buttons[name] for name in RUN_BUTTONS], "pl-runs")
    train, prune, retrain = (_step(number, name, lab) for number, name in enumerate(STEPS, 1))
    return box([train, prune, live, retrain, runs, lab.guess], "pl-deck")


def _step(number: int, name: str, lab: Any) -> w.Widget:
    for button in STEP_BUTTONS[name]:
        lab.buttons[button].button_style = "primary" if button in STEPS else ""
    heading = w.HTML(f'<h2 class="pl-heading"><span class="pl-number">{number}</span>{STEPS[name]}</h2>')
    fields = [lab.controls[field] for field in controls.DECK.get(name, ())]
    if name == "prune":
        fields.append(lab.layers.sign)
    buttons = box([lab.buttons[button] for button in STEP_BUTTONS[name]], "pl-buttons")
    return box([heading, *fields, buttons], "pl-step", f"pl-{name}")


def _settings(lab: Any) -> w.Widget:
    """The side bar: the settings of each step."""
    return box([_group(name, lab) for name in SETTINGS], "pl-side")


def _group(name: str, lab: Any) -> w.Widget:
    shown, more = controls.GROUPS[name]
    parts: list[w.Widget] = [
        w.HTML(settings_help.heading(name, SETTINGS[name])),
        *(lab.controls[field] for field in shown),
    ]
    if name == "prune":
        parts.append(_folded("layers", [lab.layers], "per layer"))
    parts.append(_folded("more", [lab.controls[field] for field in more]))
    return box(parts, "pl-group")


def _folded(name: str, parts: list[w.Widget], title: str | None = None) -> w.Widget:
    accordion = w.Accordion(children=[w.VBox(parts)], titles=(title or name,))
    accordion.selected_index = None
    accordion.add_class(f"pl-{name}")
    return accordion
