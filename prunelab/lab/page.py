"""Page: how controls, buttons and panels stand on the screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import ipywidgets as w

from prunelab.lab import controls

HEADINGS = {"train": ("1", "Train"), "prune": ("2", "Prune"), "retrain": ("3", "Retrain")}
HINTS = {
    "prune": "Drag: what lies between the dotted lines is cut.",
    "retrain": "The survivors learn again; what is cut stays zero.",
}
OWN_BUTTONS = {"train": ("train",), "prune": ("prune",), "retrain": ("retrain", "run")}
LOOSE_BUTTONS = ("pause", "reset", "measure")


def body(
    fields: Mapping[str, w.Widget],
    buttons: Mapping[str, w.Button],
    panels: Iterable[w.Widget],
    choices: list[w.Widget],
) -> w.Widget:
    """The three steps at the side, and what to show; the panels beside them."""
    runs = box([box([buttons[name] for name in LOOSE_BUTTONS], "pl-buttons")], "pl-runs")
    side = box(
        [*(_group(name, fields, buttons) for name in controls.GROUPS), runs, _folded("panels", choices)], "pl-side"
    )
    return box([side, box(list(panels), "pl-grid")], "pl-body")


def box(children: list[w.Widget], *classes: str) -> w.Widget:
    """A column that CSS knows by its classes."""
    made = w.VBox(children)
    for name in classes:
        made.add_class(name)
    return made


def _group(name: str, fields: Mapping[str, w.Widget], buttons: Mapping[str, w.Button]) -> w.Widget:
    number, heading = HEADINGS[name]
    shown, more = controls.GROUPS[name]
    for button in OWN_BUTTONS[name]:
        buttons[button].button_style = "primary" if button in HEADINGS else ""
    parts: list[w.Widget] = [
        w.HTML(f'<h2 class="pl-heading"><span class="pl-number">{number}</span>{heading}</h2>'),
        *(fields[field] for field in shown),
    ]
    if name in HINTS:
        parts.append(w.HTML(f'<div class="pl-hint">{HINTS[name]}</div>'))
    parts += [
        _folded("more", [fields[field] for field in more]),
        box([buttons[button] for button in OWN_BUTTONS[name]], "pl-buttons"),
    ]
    return box(parts, "pl-group", f"pl-{name}")


def _folded(title: str, parts: list[w.Widget]) -> w.Widget:
    made = w.Accordion(children=[w.VBox(parts)], titles=(title,))
    made.selected_index = None
    made.add_class(f"pl-{title}")
    return made
