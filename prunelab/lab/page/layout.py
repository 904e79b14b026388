"""The layout of controls, buttons and panels on the page."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from prunelab.lab.page import controls

HEADINGS = {"train": ("1", "Train"), "prune": ("2", "Prune"), "retrain": ("3", "Retrain")}
HINTS = {
    "prune": "Drag: what lies between the dotted lines is cut.",
    "retrain": "The survivors learn again; what is cut stays zero.",
}
STEP_BUTTONS = {"train": ("train",), "prune": ("prune",), "retrain": ("retrain", "run")}
RUN_BUTTONS = ("pause", "reset", "measure")


def whole(lab: Any) -> list[w.Widget]:
    """All widgets of a Lab, from top to bottom: status, downloads, the guess, the body, the scrubber."""
    panels = box(list(lab.panels.values()), "pl-grid")
    body = box([_side(lab), panels], "pl-body")
    foot = box([lab.timeline.widget], "pl-foot")
    return [lab.status, lab.downloads, lab.guess, body, foot]


def box(children: list[w.Widget], *classes: str) -> w.Widget:
    """A column with these CSS classes."""
    column = w.VBox(children)
    for name in classes:
        column.add_class(name)
    return column


def _side(lab: Any) -> w.Widget:
    """The side bar: the three steps of the method, the buttons for runs, the choices for the page."""
    groups = [_group(name, lab) for name in controls.GROUPS]
    runs = box([box([lab.buttons[name] for name in RUN_BUTTONS], "pl-buttons")], "pl-runs")
    page = _folded("page", [*lab.choices.values(), *lab.switches.values()])
    return box([*groups, runs, page], "pl-side")


def _group(name: str, lab: Any) -> w.Widget:
    number, heading = HEADINGS[name]
    shown, more = controls.GROUPS[name]
    for button in STEP_BUTTONS[name]:
        lab.buttons[button].button_style = "primary" if button in HEADINGS else ""
    parts: list[w.Widget] = [
        w.HTML(f'<h2 class="pl-heading"><span class="pl-number">{number}</span>{heading}</h2>'),
        *(lab.controls[field] for field in shown),
    ]
    if name in HINTS:
        parts.append(w.HTML(f'<div class="pl-hint">{HINTS[name]}</div>'))
    if name == "prune":
        parts.append(_folded("layers", [lab.layers], "per layer"))
    parts.append(_folded("more", [lab.controls[field] for field in more]))
    parts.append(box([lab.buttons[button] for button in STEP_BUTTONS[name]], "pl-buttons"))
    return box(parts, "pl-group", f"pl-{name}")


def _folded(name: str, parts: list[w.Widget], title: str | None = None) -> w.Widget:
    accordion = w.Accordion(children=[w.VBox(parts)], titles=(title or name,))
    accordion.selected_index = None
    accordion.add_class(f"pl-{name}")
    return accordion
