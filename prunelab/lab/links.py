"""Links to the lab: the recipe, which parts of the page are shown, and which controls are locked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from prunelab import lesson_catalogue
from prunelab.errors import RecipeError
from prunelab.formatting import suggesting
from prunelab.recipe import LONGEST_QUERY, VERSION_KEY, Recipe, allowed, layer_in
from prunelab.recipe.field_kinds import quoted
from prunelab.views.registry import REGISTRY

PANELS = tuple(REGISTRY)
EXTRA = tuple(name for name, view in REGISTRY.items() if view.on_request)
BUTTONS = ("train", "prune", "retrain", "run", "pause", "reset", "measure")
SWITCHES = ("live", "stage", "big", "guess")  # options that are on or off
KEYS = ("show", "hide", "lock", *SWITCHES)  # keys of a link that are options
LESSON, PRESET = "lesson", "preset"  # keys of a link: what a lesson is about, and a comparison that begins at once
PAGE_KEYS = ("session", LESSON, PRESET)  # keys of a link that are for the page as a whole: neither recipe nor options
NEAR = 0.7  # least likeness, 0 to 1, of a misspelt key; other systems' keys are short words, and "page" is no "stage"
NAMED = 6  # unknown keys that a notice names; the others are counted


def ours(key: str) -> bool:
    """Whether a key of a link is an option, a field of the recipe, the quality of a layer ("quality.fc1"), or "v"."""
    return key in (*KEYS, VERSION_KEY) or key in allowed() or layer_in(key) != ""


@suggesting
@dataclass(frozen=True, kw_only=True)
class Options:
    """What the page shows, and what can be changed there.

    A name that is both a panel's and a control's (dropout) means both. Raises RecipeError for names that match nothing.
    """

    show: tuple[str, ...] = field(default=())
    """Panels, controls (fields of the recipe) and buttons to show, by name."""
    hide: tuple[str, ...] = field(default=())
    """Panels, controls and buttons to hide, by name; stronger than ``show``."""
    lock: tuple[str, ...] = field(default=())
    """Controls and buttons that stay visible but cannot be used."""
    live: bool = False
    """Letting go of a slider retrains from the dense network, through all rounds."""
    stage: bool = False
    """Only what a loop of the method needs, so large that it fills the window and nothing scrolls."""
    big: bool = False
    """Large type, for a projector."""
    guess: bool = False
    """Ask for a guess before a result is shown."""

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
        """Whether a panel is shown."""
        return panel not in self.hide and (panel not in EXTRA or panel in self.show)

    def frees(self, control: str) -> bool:
        """Whether a control or button can be used: neither locked nor hidden."""
        return control not in self.lock and control not in self.hide

    def toggled(self, panel: str, shown: bool) -> Options:
        """The options with one panel shown or hidden."""
        hide = tuple(name for name in self.hide if name != panel)
        show = tuple(name for name in self.show if name != panel)
        if shown:
            return replace(self, hide=hide, show=(*show, panel) if panel in EXTRA else show)
        return replace(self, show=show, hide=hide if panel in EXTRA else (*hide, panel))

    def pairs(self, over: Options) -> list[tuple[str, str]]:
        """(key, value) pairs of a link for what differs from the defaults or from ``over``."""
        pairs = []
        for f in fields(self):
            value = getattr(self, f.name)
            if value != f.default or value != getattr(over, f.name):
                pairs.append((f.name, str(value).lower() if isinstance(value, bool) else ",".join(value)))
        return pairs


Start = tuple[Recipe, Options]  # what a page starts with, before a link is applied
DEFAULT: Start = (Recipe(), Options())
NOTHING_SAID = Recipe().to_query()  # the link that leaves all to the defaults of today


def to_query(recipe: Recipe, options: Options, over: Start = DEFAULT) -> str:
    """Recipe and options as the query part of a link, without the question mark.

    Defaults are left out, and the version of the defaults that are meant comes first: "v=2".

    over: recipe and options that the page starts with before it applies the link; see ``from_query``.
    """
    return "&".join(filter(None, (recipe.to_query(over[0]), urlencode(options.pairs(over[1]), safe=","))))


def from_query(query: str, over: Start = DEFAULT) -> Start:
    """Recipe and options from the query part of a link.

    Keys that are not ours are left out: ``unknown_keys`` names them. They were added by others, or misspelt, and the
    rest can be meant without them. A bad value is different: it stands for a wish, and what the other values would do
    without it is not what anybody asked for (a run on other data, a lock that is missing). So it is refused.

    A lesson's number stands for what the lesson is about, where the link does not say otherwise itself.

    A link with keys of ours and no version is of version 1, and what it leaves out had the defaults of then; one with
    switches alone (``?stage``) was typed by hand, and means the lab of today.

    query: with or without the question mark. over: recipe and options that the page starts with, which hold for all
    that the link does not name; what is locked there stays locked. Raises RecipeError, naming key and value, for
    invalid ones.
    """
    if len(query) > LONGEST_QUERY:
        raise RecipeError(f"this link is {len(query)} characters long; at most {LONGEST_QUERY} are read")
    given: dict[str, Any] = {}
    recipe_pairs = []
    for key, text in _expanded(_pairs(query)):
        if key in SWITCHES:
            if text not in ("true", "false", ""):
                raise RecipeError(f"{key} = {text[:80]!r}: must be true or false")
            given[key] = text != "false"  # ?stage alone is enough
        elif key in KEYS:
            given[key] = (*given.get(key, ()), *filter(None, text.split(",")))
        elif ours(key):
            recipe_pairs.append((key, text))
    if not recipe_pairs and not given.keys() <= set(SWITCHES):
        recipe_pairs = [(VERSION_KEY, "1")]
    recipe, options = over
    given["lock"] = (*options.lock, *given.get("lock", ()))
    return Recipe.from_query(urlencode(recipe_pairs), recipe), Options(**{**vars(options), **given})


def last(query: str, key: str) -> str | None:
    """The value of a key of a link, the last if it stands there more than once; None if it does not."""
    return dict(_pairs(query)).get(key)


def _expanded(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    own = dict(pairs)
    if LESSON not in own:
        # Version 1 knew no presets.
        return [(VERSION_KEY, "2"), *pairs] if PRESET in own and VERSION_KEY not in own else pairs
    numbers = {str(number): number for number in range(len(lesson_catalogue.TITLES))}
    if own[LESSON] not in numbers:
        most = len(numbers) - 1
        raise RecipeError(f"lesson = {own[LESSON][:80]!r}: there is no such lesson; there are 0 to {most}")
    about = parse_qsl(lesson_catalogue.link(numbers[own[LESSON]]))
    return [*(pair for pair in about if pair[0] not in own), *pairs]


def unknown_keys(query: str) -> dict[str, str]:
    """The keys of a link that are not ours, each with the nearest one that is, or "" if it resembles none."""
    keys = dict.fromkeys(key for key, _ in _pairs(query) if not ours(key) and key not in PAGE_KEYS)
    return {key: _nearest(key) for key in keys}


def left_out(query: str) -> str:
    """A notice about misspelt keys of a link, in plain text; "" if there are none.

    Keys that resemble none of ours are those of hubs, course pages and mail programs: no reader can act on them.
    """
    misspelt = [(key, near) for key, near in unknown_keys(query).items() if near]
    words = [f"{quoted(key)} (did you mean {quoted(near)}?)" for key, near in misspelt]
    more = [f"{len(words) - NAMED} more"] if len(words) > NAMED else []
    named = ", ".join(words[:NAMED] + more)
    return f"Not settings of the lab, and left out of this link: {named}. The rest of it counts." if words else ""


def _nearest(key: str) -> str:
    name, dot, layer = key.partition(".")
    name = name.lower()
    if dot and layer and difflib.get_close_matches(name, ["quality"], cutoff=NEAR):
        return f"quality.{layer}"
    return next(iter(difflib.get_close_matches(key.lower(), [*KEYS, *allowed()], n=1, cutoff=NEAR)), "")


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query.removeprefix("?"), keep_blank_values=True)
