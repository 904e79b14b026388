"""One widget for each field of the recipe, made from the recipe's own table of ranges and meanings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import ipywidgets as w

from prunelab.errors import RecipeError
from prunelab.lab.links import Options
from prunelab.lab.widgets import basics
from prunelab.lab.widgets.number_field import NumberField
from prunelab.lab.widgets.shared_looks import shared_layout, show
from prunelab.recipe import CHOICES, DEPENDENT, OWN, Recipe, allowed, help_text
from prunelab.recipe.field_kinds import Choice, Flag, Number

# The fields on the deck, by step.
DECK: dict[str, tuple[str, ...]] = {"prune": ("quality", "density"), "retrain": ("rounds",)}
# The settings of each step: the visible ones, and those behind "more".
GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "train": (
        ("data", "model", "regularizer", "dropout", "batch_norm"),
        ("seed", "epochs", "optimizer", "learning_rate", "batch_size", "strength"),
    ),
    "prune": (("rule", "unit"), ("std", "scope", "criterion", "regrow", "adjust_dropout", "recalibrate")),
    "retrain": (
        ("retrain_epochs",),
        ("retrain_rate", "retrain_schedule", "ramp", "gradual", "rewind", "rewind_epoch", "distill"),
    ),
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
    "retrain_schedule": "rate schedule",
    "ramp": "raise quality by round",
    "gradual": "cut within one cycle",
    "rewind_epoch": "rewind to epoch",
}
# Fields with a track, and where it goes from and to; for a value beyond it is widened.
TRACKS: dict[str, dict[str, Any]] = {
    "quality": {"min": 0.0, "max": 3.0, "step": 0.05, "decimals": 2},
    "dropout": {"min": 0.0, "max": 0.9, "step": 0.05, "decimals": 2},
    "density": {"min": 0.005, "max": 1.0, "logarithmic": True},  # on a linear track the last percents are a pixel each
    "rounds": {"min": 1, "max": 10, "step": 1},
}
SWITCHES = ("rule", "unit", "criterion", "gradual", "rewind")  # the fields that decide which others are used
CUTTING = ("rule", "quality", "density", "unit", "scope", "criterion", "regrow")  # the fields that a preview shows
# Fields that a recipe takes only where they are used, and what they are elsewhere.
UNUSED: dict[str, Any] = {"unit": "weight", "criterion": "magnitude", "regrow": 0.0, "gradual": False, "rewind": "none"}


def idle(values: Mapping[str, Any]) -> set[str]:
    """The fields that are not used, by the values of SWITCHES."""
    unused = (
        {"density", "unit", "scope", "criterion", "regrow"}
        if values["rule"] == "quality"
        else {"quality", "std", "ramp"}
    )
    if values["rule"] == "density" and values["unit"] == "neuron":
        unused |= {"criterion", "regrow"}
    elif values["criterion"] == "random":
        unused |= {"regrow"}
    if values["gradual"]:
        unused |= {"rewind"}
    rewinds = values["rewind"] != "none" and not values["gradual"]
    return unused | ({"retrain_epochs", "retrain_rate", "retrain_schedule", "gradual"} if rewinds else {"rewind_epoch"})


def label(name: str) -> str:
    """What a field is called on the page."""
    return LABELS.get(name, name.replace("_", " "))


def make(name: str, value: Any) -> w.Widget:
    """The control of one field, set to ``value``. Its CSS class styles it wherever it is shown."""
    control = _control(name, value)
    control.add_class("prunelab-control")
    return control


def _control(name: str, value: Any) -> w.Widget:
    rule, text = allowed()[name], help_text(name)
    common: dict[str, Any] = {
        "description": label(name),
        "tooltip": text,
        "layout": shared_layout(width="auto"),
    }
    if isinstance(rule, Flag):
        return basics.Checkbox(value=value, indent=False, **common)
    if isinstance(rule, Choice):
        options = [option for option in rule.options if option != OWN or value == OWN]
        return basics.Dropdown(value=value, options=options, disabled=value == OWN, **common)
    assert isinstance(rule, Number)
    span = TRACKS.get(name, {"track": False})
    if name in TRACKS:
        # Long enough to drag, also in a narrow row of the user's own.
        common["layout"] = shared_layout(width="auto", min_width="min(300px, 100%)")
    limits = {"low": rule.low, "high": rule.high, "above": rule.above, "integer": rule.integer}
    return NumberField(value=value, **limits, **span, **common)


class Controls(Mapping[str, w.Widget]):
    """The controls of the page, by field name: together they give a recipe.

    A field that was left to its usual value stays so, and follows data, model and optimizer, until the user changes it;
    changed back to the usual value it follows them again. What was given, by user, link or code, is kept.

    recipe: their initial values. own: fields whose value is a custom object, which no control can change. moved: called
    with the name of a control that the user has changed. built_in: widgets that take the place of controls which a
    custom model leaves no choice in; they only show, the recipe keeps its values.
    """

    def __init__(
        self,
        recipe: Recipe,
        own: Mapping[str, str],
        moved: Callable[[str], None],
        released: Callable[[str], None] = lambda name: None,
        built_in: Mapping[str, w.Widget] | None = None,
    ) -> None:
        self._base = recipe
        self._own = own
        self._quiet = False  # they are being set by code, not by the user
        values = recipe.to_dict()
        fields = [*DECK.values(), *(shown + more for shown, more in GROUPS.values())]
        self._controls = {name: make(name, values[name]) for names in fields for name in names} | dict(built_in or {})
        self._fixed = (*own, *(built_in or ()))

        self._usual = set(recipe.usual)  # the fields that are left to their usual value

        def changed(name: str) -> None:
            if self._quiet:
                return
            if name in DEPENDENT:
                back = self[name].value == self._choice.usual_value(name)
                self._usual = self._usual | {name} if back else self._usual - {name}
            moved(name)

        for name, control in self._controls.items():
            control.observe(lambda _, name=name: changed(name), "value")
            if isinstance(control, NumberField):
                control.on_release(partial(released, name))
        self._say_usual()

    def __getitem__(self, name: str) -> w.Widget:
        return self._controls[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._controls)

    def __len__(self) -> int:
        return len(self._controls)

    @property
    def recipe(self) -> Recipe:
        """The recipe that they are set to; fields without a control are those of the last ``set``.

        Raises RecipeError if their values give no valid recipe.
        """
        values: dict[str, Any] = {
            name: control.value for name, control in self.items() if name in self._own or name not in self._fixed
        }
        values |= {name: UNUSED[name] for name in idle(self._switched) if name in UNUSED}
        return self._base.changed(**{**values, **dict.fromkeys(self._usual)})

    def set(self, recipe: Recipe) -> None:
        """Set them to this recipe, and keep its fields without a control."""
        self._base, self._usual = recipe, set(recipe.usual)
        with self._quietly():
            for name, value in recipe.to_dict().items():
                control = self.get(name)
                if control is not None and name not in self._fixed:
                    control.value = value
        self._say_usual()

    def set_defaults(self) -> None:
        """Show the usual values for what is chosen, where they were left to the usual."""
        choice = self._choice
        with self._quietly():
            for name in self._usual:
                self[name].value = choice.usual_value(name)
        self._say_usual()

    @property
    def _choice(self) -> Recipe:
        """The recipe of which only the fields that usual values depend on are chosen."""
        return Recipe(rule="density", **{name: self[name].value for name in CHOICES})  # which goes with every unit

    def _say_usual(self) -> None:
        """Say in the tooltips what is usual, so that the user finds the way back to it."""
        choice = self._choice
        for name in DEPENDENT:
            value = choice.usual_value(name)
            usual = value if isinstance(value, str) else f"{value:g}"
            self[name].tooltip = f"{help_text(name)} Usual here: {usual}."

    def differ(self, recipe: Recipe) -> bool:
        """Whether they give another dense network than ``recipe``; True if their values give no valid recipe."""
        try:
            return not recipe.trains_like(self.recipe)
        except RecipeError:
            return True

    def arrange(self, options: Options) -> None:
        """Show and lock them as the options say; fields that are not used are hidden."""
        unused = idle(self._switched)
        for name, control in self.items():
            show(control, name not in options.hide and name not in unused)
            control.disabled = name in options.lock or name in self._fixed

    @property
    def _switched(self) -> dict[str, Any]:
        """The values of SWITCHES."""
        return {name: self[name].value for name in SWITCHES}

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False
