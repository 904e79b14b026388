"""A recipe as the query part of a link, and back. Links can be hostile: all is checked, and lengths are limited."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from prunelab.errors import RecipeError
from prunelab.formatting import layer_of
from prunelab.recipe_fields import DEPENDENT, USUAL, Allowed, known, link_text, parsed, quoted, refusal

LONGEST_QUERY = 8192

Pairs = Iterable[tuple[str, float]]  # qualities by layer


def query(
    values: Mapping[str, Any], usual: Collection[str], start: Mapping[str, Any], start_usual: Collection[str],
    defaults: Mapping[str, Any],
) -> str:  # fmt: skip
    """The fields of a recipe that a link has to name, without the question mark.

    values, start, defaults: fields by name, as ``Recipe.to_dict`` gives them: of the recipe, of the one that the reader
    starts from, and of ``Recipe()``. usual, start_usual: fields that are left to their usual value in the first two.
    """
    pairs = []
    layers, start_layers = values["layer_quality"], start["layer_quality"]
    for name, value in values.items():
        if name == "layer_quality":
            continue
        if name in usual:
            if name not in start_usual:
                pairs.append((name, USUAL))
        elif name in DEPENDENT or value != defaults[name] or value != start[name]:
            pairs.append((name, link_text(value)))
    pairs += [(f"quality.{layer}", USUAL) for layer in start_layers if layer not in layers]
    pairs += [(f"quality.{layer}", link_text(quality)) for layer, quality in layers.items()]
    return urlencode(pairs)


def read(text: str, table: Mapping[str, Allowed], start: Pairs) -> dict[str, Any]:
    """The fields that a link names, for ``Recipe.changed``.

    table: allowed values by field. start: qualities by layer of the recipe that the reader starts from. Raises
    RecipeError for unknown or repeated keys, and for values that cannot be parsed.
    """
    if len(text) > LONGEST_QUERY:
        raise RecipeError(f"this link is {len(text)} characters long; at most {LONGEST_QUERY} are read")
    values: dict[str, Any] = {}
    layers: dict[str, Any] = {}
    for key, value in parse_qsl(text.removeprefix("?"), keep_blank_values=True):
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
    return values


def layer_in(key: str) -> str:
    """The layer that a key of a link is the quality of, "fc1" of "quality.fc1"; "" for other keys."""
    return key.removeprefix("quality.") if key.startswith("quality.") else ""
