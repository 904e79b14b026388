"""What a page is set to, as it is saved under its visitor's id."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qsl

from prunelab.lab import presets
from prunelab.lab.links import LESSON, PRESET, Options, last, ours
from prunelab.recipe import Recipe


@dataclass(frozen=True)
class PageSettings:
    """What a page was set to. query: of the address that it was opened with; link: of a link to it as it was.

    earlier: links to it as it was before. The address follows the page a little later, so that it may still be one of
    these when the page is left. drawing: ((height, width), ink) of the sheet, see ``Drawing``; None if it is blank.
    preset: the comparison that a link had asked for and that had not begun; "" if none. guess: (action, answer in %) of
    one that waited for its result; None if none did. from_host: see ``PageLink``.
    """

    recipe: Recipe
    options: Options
    query: str = ""
    link: str = ""
    earlier: tuple[str, ...] = ()
    drawing: tuple[tuple[int, int], bytes] | None = None
    preset: str = ""
    guess: tuple[str, float] | None = None
    from_host: str = ""

    def opened_by(self, query: str) -> bool:
        """Whether an address with this query asks for nothing but this page; one that says nothing does."""
        known = map(_settings, ("", self.query, self.link, *self.earlier))
        return _settings(query) in known and _wishes(query) in ({}, _wishes(self.query))

    def to_dict(self) -> dict[str, Any]:
        """All fields, as JSON types."""
        return {
            **vars(self),
            "recipe": self.recipe.to_dict(usual=True),
            "options": vars(self.options),
            "drawing": _drawing_out(self.drawing),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of ``to_dict``."""
        recipe, preset, guess = Recipe.from_dict(values["recipe"]), str(values.get("preset", "")), values.get("guess")
        return cls(
            recipe,
            Options(**values["options"]),
            query=str(values["query"]),
            link=str(values["link"]),
            earlier=tuple(map(str, values.get("earlier", ()))),
            drawing=_drawing_in(values.get("drawing")),
            preset=preset and presets.named(preset, recipe),
            guess=None if guess is None else (str(guess[0]), float(guess[1])),
            from_host=str(values.get("from_host", "")),
        )


def _drawing_out(drawing: tuple[tuple[int, int], bytes] | None) -> dict[str, Any] | None:
    return None if drawing is None else {"size": drawing[0], "ink": base64.b64encode(drawing[1]).decode()}


def _drawing_in(values: dict[str, Any] | None) -> tuple[tuple[int, int], bytes] | None:
    if values is None:
        return None
    height, width = values["size"]
    return (int(height), int(width)), base64.b64decode(values["ink"], validate=True)


def _settings(query: str) -> list[tuple[str, str]]:
    """What a query says about a page, in a fixed order; keys that are not the lab's do not count."""
    return sorted((key, text) for key, text in parse_qsl(query, keep_blank_values=True) if ours(key))


def _wishes(query: str) -> dict[str, str]:
    """The lesson and the preset that a query asks for: they stay in the address of the page that was opened by them."""
    return {key: text for key in (LESSON, PRESET) if (text := last(query, key)) is not None}
