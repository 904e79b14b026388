"""A recipe as the query part of a link, and back. Links can be hostile: all is checked, and lengths are limited.

A link leaves out what is at its default, so it names the version whose defaults it means. One that names none, but
anything else, is of version 1, which had no such key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from prunelab.errors import RecipeError
from prunelab.formatting import layer_of
from prunelab.recipe.field_kinds import DEPENDENT, USUAL, Allowed, known, link_text, parsed, quoted, refusal
from prunelab.recipe.target import naming_rule

LONGEST_QUERY = 8192
VERSION = 2
VERSION_KEY = "v"
# Defaults that have changed since, by the last version that had them.
EARLIER_DEFAULTS: dict[int, dict[str, Any]] = {1: {"retrain_rate": 0.1, "scope": "global"}}

Pairs = Iterable[tuple[str, float]]  # qualities by layer


def query(
    values: Mapping[str, Any], usual: Collection[str], start: Mapping[str, Any], start_usual: Collection[str],
    defaults: Mapping[str, Any],
) -> str:  # fmt: skip
    """The version and the fields of a recipe that a link has to name, without the question mark.

    values, start, defaults: fields by name, as ``Recipe.to_dict`` gives them: of the recipe, of the one that the reader
    starts from, and of ``Recipe()``. usual, start_usual: fields that are left to their usual value in the first two.
    """
    pairs = [(VERSION_KEY, str(VERSION))]
    layers, start_layers = values["layer_quality"], start["layer_quality"]
    for name, value in values.items():
        if name == "layer_quality":
            continue
        if name in usual:
            if name not in start_usual:
                pairs.append((name, USUAL))
        elif name in DEPENDENT or value != defaults[name] or value != start[name]:
            pairs.append((name, link_text(value)))
    if naming_rule(dict(pairs)).get("rule", start["rule"]) != values["rule"]:  # what the reader would take it for
        pairs.append(("rule", values["rule"]))
    pairs += [(f"quality.{layer}", USUAL) for layer in start_layers if layer not in layers]
    pairs += [(f"quality.{layer}", link_text(quality)) for layer, quality in layers.items()]
    return urlencode(pairs)


def read(text: str, table: Mapping[str, Allowed], start: Pairs) -> tuple[int, dict[str, Any]]:
    """The version of a link, and the fields that it names, for ``Recipe.changed``.

    table: allowed values by field. start: qualities by layer of the recipe that the reader starts from. Raises
    RecipeError for unknown or repeated keys, for values that cannot be parsed, and for versions that are not known.
    """
    if len(text) > LONGEST_QUERY:
        raise RecipeError(f"this link is {len(text)} characters long; at most {LONGEST_QUERY} are read")
    values: dict[str, Any] = {}
    layers: dict[str, Any] = {}
    versions: list[int] = []
    pairs = parse_qsl(text.removeprefix("?"), keep_blank_values=True)
    for key, value in pairs:
        if key == VERSION_KEY:
            versions.append(_version(value))
            if len(versions) > 1:
                raise RecipeError(f"{quoted(key)} stands twice in this link; keep one")
            continue
        layer = layer_in(key)
        target, slot = (layers, layer) if layer else (values, key)
        if slot in target:
            raise RecipeError(f"{quoted(key)} stands twice in this link; keep one")
        name = "layer_quality" if layer else key
        rule = table[name] if layer else known(key, table)
        try:
            target[slot] = None if layer and value == USUAL else parsed(name, value, rule)
        except ValueError:
            raise refusal(key, value, rule) from None
    if layers:
        named = set(map(layer_of, layers))
        kept = {layer: quality for layer, quality in start if layer_of(layer) not in named}
        values["layer_quality"] = kept | {layer: quality for layer, quality in layers.items() if quality is not None}
    return versions[0] if versions else 1 if pairs else VERSION, values


def earlier_defaults(version: int) -> dict[str, Any]:
    """The defaults of a version of links that are others now, by field."""
    found: dict[str, Any] = {}
    for last in sorted(EARLIER_DEFAULTS, reverse=True):
        found |= EARLIER_DEFAULTS[last] if last >= version else {}
    return found


def _version(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise RecipeError(f"{VERSION_KEY} = {quoted(text)}: must be the version of the link, 1 to {VERSION}")
    if int(text) > VERSION:
        raise RecipeError(
            f"{VERSION_KEY} = {quoted(text)}: this link is of a newer prunelab, and its defaults are not known here; "
            f"this one reads versions 1 to {VERSION}: update prunelab"
        )
    return int(text)


def layer_in(key: str) -> str:
    """The layer that a key of a link is the quality of, "fc1" of "quality.fc1"; "" for other keys."""
    return key.removeprefix("quality.") if key.startswith("quality.") else ""
