"""What of the lab is shown, and what may be changed: with the recipe, all that a link carries."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from prunelab.errors import RecipeError
from prunelab.recipe import LONGEST_QUERY, Recipe, allowed
from prunelab.views.registry import REGISTRY

PANELS = tuple(REGISTRY)
EXTRA = tuple(name for name, view in REGISTRY.items() if view.on_request)
BUTTONS = ("train", "prune", "retrain", "run", "pause", "reset", "measure")
KEYS = ("show", "hide", "lock", "big", "guess")


@dataclass(frozen=True, kw_only=True)
class Options:
    """show, hide: panels, controls (fields of the recipe) and buttons by name; what is named in both is hidden. lock:
    controls and buttons that stay visible but cannot be used. big: large type, for a projector. guess: ask for a guess
    before a result is shown.

    A name that is a panel's and a control's (dropout) means both. Raises RecipeError for names that match nothing.
    """

    show: tuple[str, ...] = field(default=())
    hide: tuple[str, ...] = field(default=())
    lock: tuple[str, ...] = field(default=())
    big: bool = False
    guess: bool = False

    def __post_init__(self) -> None:
        controls = {*allowed(), *BUTTONS}
        for key, known in (("show", {*controls, *PANELS}), ("hide", {*controls, *PANELS}), ("lock", controls)):
            names = getattr(self, key)
            if isinstance(names, str) or not isinstance(names, Iterable):
                raise RecipeError(f"{key} = {names!r}: must be a list of names")
            object.__setattr__(self, key, tuple(dict.fromkeys(names)))
            for name in getattr(self, key):
                if name not in known:
                    near = difflib.get_close_matches(str(name), known, n=1)
                    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
                    raise RecipeError(f"{key} = {str(name)[:80]!r}: no panel, control or button of that name; {hint}")

    def shows(self, panel: str) -> bool:
        """Whether a panel is on the page."""
        return panel not in self.hide and (panel not in EXTRA or panel in self.show)

    def frees(self, control: str) -> bool:
        """Whether a control can be used."""
        return control not in self.lock and control not in self.hide

    def toggled(self, panel: str, shown: bool) -> Options:
        """With a panel shown, or not."""
        hide = tuple(name for name in self.hide if name != panel)
        show = tuple(name for name in self.show if name != panel)
        if shown:
            return replace(self, hide=hide, show=(*show, panel) if panel in EXTRA else show)
        return replace(self, show=show, hide=hide if panel in EXTRA else (*hide, panel))

    def pairs(self, over: Options) -> list[tuple[str, str]]:
        """What differs from the defaults or from ``over``, as keys and values of a link."""
        found = []
        for f in fields(self):
            value = getattr(self, f.name)
            if value != f.default or value != getattr(over, f.name):
                found.append((f.name, str(value).lower() if isinstance(value, bool) else ",".join(value)))
        return found


Start = tuple[Recipe, Options]  # what a page starts with, before any link
USUAL: Start = (Recipe(), Options())


def to_query(recipe: Recipe, options: Options, over: Start = USUAL) -> str:
    """Recipe and options as the query part of a link, without the question mark; what is usual is left out.

    over: what the page that opens the link starts with; see ``from_query``.
    """
    return "&".join(filter(None, (recipe.to_query(over[0]), urlencode(options.pairs(over[1]), safe=","))))


def from_query(query: str, over: Start = USUAL) -> Start:
    """What ``to_query`` wrote. RecipeError, naming key and value, for anything that cannot be.

    over: what the page starts with: holds for all that the link does not name. What is locked there stays locked.
    """
    if len(query) > LONGEST_QUERY:
        raise RecipeError(f"this link is {len(query)} characters long; at most {LONGEST_QUERY} are read")
    given: dict[str, Any] = {}
    rest = []
    for key, text in parse_qsl(query.removeprefix("?"), keep_blank_values=True):
        if key not in KEYS:
            rest.append((key, text))
        elif key in ("big", "guess"):
            if text not in ("true", "false"):
                raise RecipeError(f"{key} = {text[:80]!r}: must be true or false")
            given[key] = text == "true"
        else:
            given[key] = (*given.get(key, ()), *filter(None, text.split(",")))
    recipe, options = over
    given["lock"] = (*options.lock, *given.get("lock", ()))
    return Recipe.from_query(urlencode(rest), recipe), Options(**{**vars(options), **given})
