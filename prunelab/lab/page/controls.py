"""One widget for each field of the recipe, made from the recipe's own table of ranges and meanings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ipywidgets as w

from prunelab.errors import RecipeError
from prunelab.lab.links import Options
from prunelab.recipe import OWN, Recipe, allowed, help_text
from prunelab.recipe_fields import Choice, Flag, Number

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
BUILT_IN = ("dropout", "batch_norm")  # a model of the user's own has these, or has not
DEFAULTS = ("learning_rate", "epochs", "retrain_epochs")  # what suits the data, the model and the optimizer


def make(name: str, value: Any) -> w.Widget:
    """The control of one field, showing ``value``; its class tells the page whose it is, wherever it stands."""
    made = _made(name, value)
    made.add_class("prunelab-control")
    return made


def _made(name: str, value: Any) -> w.Widget:
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
        # Beside a picture in somebody's own row too there has to be a track to drag along.
        common["layout"].min_width = "min(300px, 100%)"
        return w.FloatSlider(value=value, **span(name, value), **common)
    if rule.integer:
        return w.BoundedIntText(value=value, min=int(rule.low), max=int(rule.high), **common)
    return w.BoundedFloatText(value=value, min=rule.low, max=rule.high, step=None, **common)


def span(name: str, value: float) -> dict[str, Any]:
    """Range, step and readout of a slider that can show ``value``, of a link for instance, as it is."""
    (most, step), rule = SLIDERS[name], allowed()[name]
    assert isinstance(rule, Number)
    low = step if rule.above else rule.low
    digits = next(digits for digits in (2, 3, 4, 5, 6, 9) if digits == 9 or round(value, digits) == round(value, 9))
    steps = (value - low) / step
    even = value >= low and abs(steps - round(steps)) < 1e-6
    return {
        "min": min(low, value), "max": max(most, value), "step": step if even else 10.0**-digits,
        "readout_format": f".{digits}f",
    }  # fmt: skip


def _widen(slider: w.FloatSlider, wide: Mapping[str, Any]) -> None:
    """Let a slider show what ``wide`` is the span of. A longer range than that stays."""
    slider.max = max(slider.max, wide["max"])
    slider.min = min(slider.min, wide["min"])
    slider.step, slider.readout_format = wide["step"], wide["readout_format"]


class Controls(Mapping[str, w.Widget]):
    """The controls of the screen, by field name: together they stand for a recipe.

    recipe: what they show at first. own: fields whose value is the user's own object, which nothing here can change.
    moved: called with the name of a control that a hand has moved.
    """

    def __init__(self, recipe: Recipe, own: Mapping[str, str], moved: Callable[[str], None]) -> None:
        self._base = recipe
        self._own = own
        self._quiet = False  # they are being set, not by a hand
        values = recipe.to_dict()
        self._made = {name: make(name, values[name]) for shown, more in GROUPS.values() for name in shown + more}

        def heard(name: str) -> None:
            if not self._quiet:
                moved(name)

        for name, control in self._made.items():
            control.observe(lambda _, name=name: heard(name), "value")

    def __getitem__(self, name: str) -> w.Widget:
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    @property
    def recipe(self) -> Recipe:
        """The recipe that they stand for; fields without a control are those of the last one that was set.

        RecipeError if they stand for none.
        """
        values = self._base.to_dict() | {name: control.value for name, control in self.items()}
        if values["rule"] == "quality":
            values["unit"] = "weight"  # whole neurons are cut to a density only
        return Recipe.from_dict(values)

    def set(self, recipe: Recipe) -> None:
        """Show this recipe; fields without a control come along too."""
        self._base = recipe
        with self._quietly():
            for name, value in recipe.to_dict().items():
                control = self.get(name)
                if control is not None and name not in self._own:
                    if isinstance(control, w.FloatSlider):
                        _widen(control, span(name, value))
                    control.value = value

    def set_defaults(self) -> None:
        """Other data, models and optimizers take other times and rates to learn: show what suits these."""
        usual = Recipe(**{name: self[name].value for name in ("data", "model", "optimizer")})
        with self._quietly():
            for name in DEFAULTS:
                self[name].value = getattr(usual, name)

    def differ(self, recipe: Recipe) -> bool:
        """Whether they ask for another dense network than ``recipe``; where they stand for none they do, too."""
        try:
            return not recipe.trains_like(self.recipe)
        except RecipeError:
            return True

    def arrange(self, options: Options) -> None:
        """Show and lock them as the options say; what the rule has no use for is not shown."""
        idle = IDLE[self["rule"].value]
        for name, control in self.items():
            control.layout.display = "none" if name in options.hide or name in idle else None
            control.disabled = name in options.lock or name in self._own or (name in BUILT_IN and "model" in self._own)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False
