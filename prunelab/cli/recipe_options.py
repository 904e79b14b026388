"""Command-line options for the fields of a Recipe, made from the recipe's table, and the recipe that they give."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from prunelab.cli.errors import BAD_INPUT, CommandError
from prunelab.errors import RecipeError
from prunelab.recipe import LEARNING_RATES, OWN, RETRAIN_EPOCHS, TRAIN_EPOCHS, Recipe, allowed, help_text, parsed
from prunelab.recipe.field_kinds import Choice, Flag, Number
from prunelab.recipe.target import RULES

LAYERS = "layer_quality"  # the only field that is a mapping: given as layer=quality, may be repeated
LENGTHS = {"epochs": TRAIN_EPOCHS, "retrain_epochs": RETRAIN_EPOCHS}


def with_recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each field of a Recipe to ``command``, which gets them as ``given``, by field name.

    ``given`` contains only the options that the user wrote: texts, booleans, and for layer_quality a list of texts.
    """
    return _with_options(command, _parameter)


def with_grid_options(command: Callable[..., None]) -> Callable[..., None]:
    """As ``with_recipe_options``, with an option for the values of each field; booleans are texts, too."""
    return _with_options(command, _values_parameter)


def _with_options(
    command: Callable[..., None], parameter_of: Callable[[str], inspect.Parameter]
) -> Callable[..., None]:
    table = allowed()
    parameters = inspect.signature(command, eval_str=True).parameters
    kept = [parameter for name, parameter in parameters.items() if name != "given"]

    def called(**values: Any) -> None:
        fields = {name: values.pop(name) for name in table}
        command(given={name: value for name, value in fields.items() if value not in (None, [])}, **values)

    signature = inspect.Signature([*kept, *(parameter_of(name) for name in table)])
    called.__signature__ = signature  # type: ignore[attr-defined]
    called.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    called.__name__, called.__doc__ = command.__name__, command.__doc__
    return called


def recipe_from(given: Mapping[str, Any], file: Path | None = None) -> Recipe:
    """The recipe of ``file`` (None: the defaults), changed by the options ``given``.

    A quality, or a density, names the rule as well. CommandError if the recipe is invalid, or would take no notice of
    an option.
    """
    start = Recipe() if file is None else _read(file)
    try:
        values = {name: _parsed(name, value) for name, value in given.items() if name != LAYERS}
        values["rule"] = rule = _rule(given, values, start)
        if LAYERS in given and rule == "density":
            raise CommandError(
                f"--layer-quality {given[LAYERS][0]}: the rule of this run is density, and it takes no notice of "
                "qualities; leave it out, or give --rule quality",
                BAD_INPUT,
            )
        return start.changed(**{**values, LAYERS: dict(start.layer_quality) | _layers(given.get(LAYERS, []))})
    except RecipeError as error:
        raise CommandError(str(error), BAD_INPUT) from error


def grid_from(given: Mapping[str, Any], file: Path | None = None) -> tuple[Recipe, dict[str, Any]]:
    """(recipe of ``file``, or the defaults; values of each field) by the options ``given``; seeds change fastest.

    Values are separated by commas; of whole numbers 0:3 is 0, 1, 2, and 0:9:2 every second. Qualities of layers hold
    for all runs. CommandError for an invalid file or range; values are checked by the grid.
    """
    start = recipe_from({}, file)
    settings: dict[str, Any] = {name: _values(name, text) for name, text in given.items() if name != LAYERS}
    if LAYERS in given:
        settings[LAYERS] = dict(start.layer_quality) | _layers(given[LAYERS])
    if "seed" in settings:
        settings["seed"] = settings.pop("seed")
    return start, settings


def _values(name: str, text: str) -> Iterable[Any]:
    rule = allowed()[name]
    ranged = isinstance(rule, Number) and rule.integer
    parts = [_range(name, part) if ranged and ":" in part else [_parsed(name, part)] for part in text.split(",")]
    return itertools.chain.from_iterable(parts)  # not a list: a range may be longer than any grid


def _range(name: str, text: str) -> Iterable[int]:
    try:
        return range(*map(int, text.split(":")))
    except (TypeError, ValueError) as error:  # too many parts, no numbers, or steps of 0
        raise CommandError(
            f"--{name.replace('_', '-')} {text}: a range is first:end or first:end:step, as in 0:3 for 0, 1, 2",
            BAD_INPUT,
        ) from error


def _read(file: Path) -> Recipe:
    try:
        return Recipe.from_json(_text_of(file))
    except RecipeError as error:
        raise CommandError(f"--recipe {file}: {error}", BAD_INPUT) from error


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")  # Windows' editors put a mark before the text
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise CommandError(f"--recipe {file} cannot be read: {reason}", BAD_INPUT) from error


def _parsed(name: str, value: Any) -> Any:
    """A text as the field's type; unchanged if it cannot be parsed, so that the recipe raises its own error."""
    if not isinstance(value, str):
        return value
    try:
        return parsed(name, value)
    except ValueError:
        return value


def _rule(given: Mapping[str, Any], values: Mapping[str, Any], start: Recipe) -> Any:
    """The rule of a run: what --rule says, else that of the quality or density given, else that of ``start``."""
    targets = [target for target in RULES if target in values]
    rule = values.get("rule")
    for target in targets:
        if rule in RULES and rule != target:
            raise CommandError(
                f"--{target} {given[target]}: the rule of this run is {rule}, and it takes no notice of a {target}; "
                "leave out one of the two",
                BAD_INPUT,
            )
    if len(targets) > 1 and rule is None:
        both = " and ".join(f"--{target} {given[target]}" for target in targets)
        raise CommandError(f"{both}: a run has one rule; give one of them (a sweep takes both)", BAD_INPUT)
    return rule or (targets[0] if targets else start.rule)


def _layers(texts: Iterable[str]) -> dict[str, Any]:
    """The qualities of layers. CommandError for a layer that is given twice."""
    qualities: dict[str, Any] = {}
    for text in texts:
        layer, quality = _layer(text)
        if layer in qualities:
            raise CommandError(
                f"--layer-quality {text}: {layer} has a quality already; give each layer once", BAD_INPUT
            )
        qualities[layer] = quality
    return qualities


def _layer(text: str) -> tuple[str, Any]:
    layer, equals, quality = text.rpartition("=")
    if not equals or not layer:
        raise CommandError(f"--layer-quality {text!r}: must be layer=quality, as in fc1=1.2", BAD_INPUT)
    return layer, _parsed(LAYERS, quality)


def _parameter(name: str) -> inspect.Parameter:
    """The option of a field. Its value is read as text and checked by the recipe, for the recipe's error messages."""
    rule, flag = allowed()[name], "--" + name.replace("_", "-")
    text = help_text(name)
    default = getattr(Recipe(), name)
    option: Any
    if name == LAYERS:
        option = typer.Option(flag, help=text, metavar="LAYER=QUALITY")
        kind: Any = list[str] | None
    elif isinstance(rule, Flag):
        option = typer.Option(f"{flag}/--no-{flag[2:]}", help=f"{text} [default: {'yes' if default else 'no'}]")
        kind = bool | None
    else:
        option = typer.Option(flag, help=f"{text} [default: {_default(name, default)}]", metavar=_metavar(rule))
        kind = str | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])


def _values_parameter(name: str) -> inspect.Parameter:
    """The option for the values of a field."""
    one = _parameter(name)
    if name == LAYERS:
        return one
    rule, text = allowed()[name], help_text(name)
    default = (
        str(getattr(Recipe(), name)).lower() if isinstance(rule, Flag) else _default(name, getattr(Recipe(), name))
    )
    metavar = "true,false" if isinstance(rule, Flag) else f"{_metavar(rule)},..."
    option: Any = typer.Option(f"--{name.replace('_', '-')}", help=f"{text} [default: {default}]", metavar=metavar)
    return one.replace(annotation=Annotated[str | None, option])


def _default(name: str, value: Any) -> str:
    if name == "learning_rate":
        return ", ".join(
            f"{model} " + " or ".join(f"{rate:g} ({optimizer})" for optimizer, rate in rates.items())
            for model, rates in LEARNING_RATES.items()
            if model != OWN
        )
    if name == "scope":
        return f"{value}, layer for neurons"
    lengths = LENGTHS.get(name)
    if lengths is None:
        return str(value)
    return ", ".join(f"{length} on {data}" for data, length in lengths.items() if data != OWN)


def _metavar(rule: Any) -> str:
    if isinstance(rule, Choice):
        return "|".join(option for option in rule.options if option != OWN)
    assert isinstance(rule, Number)
    return "INTEGER" if rule.integer else "NUMBER"
