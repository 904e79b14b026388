"""Controls: one widget for each field of the recipe, made from the recipe's own table of ranges and meanings."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from prunelab.recipe import OWN, Choice, Flag, Number, Recipe, allowed, help_text

# Where each field stands on the screen: the visible ones, and those behind "more".
GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "train": (
        ("data", "model", "regularizer", "dropout", "batch_norm"),
        ("seed", "epochs", "optimizer", "learning_rate", "batch_size", "strength"),
    ),
    "prune": (("rule", "quality", "density", "unit"), ("std", "scope", "adjust_dropout", "recalibrate")),
    "retrain": (("rounds", "retrain_epochs"), ("retrain_rate", "ramp")),
}
LABELS = {
    "regularizer": "penalty",
    "batch_norm": "batch normalisation",
    "strength": "penalty factor",
    "std": "deviation of",
    "rule": "cut by",
    "unit": "cut whole",
    "adjust_dropout": "adjust dropout",
    "recalibrate": "renew batch norm",
    "retrain_epochs": "epochs",
    "retrain_rate": "learning rate x",
    "ramp": "raise quality by round",
}
# (most, step) of what is dragged rather than typed; the recipe may go further, and then the slider does.
SLIDERS = {"quality": (3.0, 0.05), "dropout": (0.9, 0.05), "density": (1.0, 0.01)}
# What each rule has no use for.
IDLE = {"quality": ("density", "unit", "scope"), "density": ("quality", "std", "ramp")}


def make(name: str, value: Any) -> w.Widget:
    """The control of one field, showing ``value``."""
    rule, text = allowed()[name], help_text(name)
    common: dict[str, Any] = {
        "description": LABELS.get(name, name.replace("_", " ")),
        "tooltip": text,
        "layout": w.Layout(width="auto"),
    }
    if isinstance(rule, Flag):
        return w.Checkbox(value=value, indent=False, **common)
    if isinstance(rule, Choice):
        options = [option for option in rule.options if option != OWN or value == OWN]
        return w.Dropdown(value=value, options=options, disabled=value == OWN, **common)
    assert isinstance(rule, Number)
    if name in SLIDERS:
        most, step = SLIDERS[name]
        low = step if rule.above else rule.low
        return w.FloatSlider(value=value, min=low, max=max(most, value), step=step, readout_format=".2f", **common)
    if rule.integer:
        return w.BoundedIntText(value=value, min=int(rule.low), max=int(rule.high), **common)
    return w.BoundedFloatText(value=value, min=rule.low, max=rule.high, step=None, **common)


def make_all(recipe: Recipe) -> dict[str, w.Widget]:
    """All controls of the screen, by field name."""
    values = recipe.to_dict()
    names = [name for shown, more in GROUPS.values() for name in shown + more]
    return {name: make(name, values[name]) for name in names}


def recipe_of(controls: dict[str, w.Widget], base: Recipe) -> Recipe:
    """The recipe that the controls stand for; fields without a control are those of ``base``."""
    values = base.to_dict() | {name: control.value for name, control in controls.items()}
    if values["rule"] == "quality":
        values["unit"] = "weight"  # whole neurons are cut to a density only
    return Recipe.from_dict(values)
