"""What the link of a page has set, and what its address has to say."""

from __future__ import annotations

from collections.abc import Callable

from prunelab.errors import RecipeError
from prunelab.lab import presets
from prunelab.lab.links import PRESET, Options, Start, from_query, last, left_out, to_query
from prunelab.recipe import OWN, Recipe


class PageLink:
    """Reads links that a page is to follow, and makes the link to the page as it is.

    Args:
        start: What a link that says nothing means.
        custom: {"model" or "data": their name in the recipe}, of what is the user's own.

    Attributes:
        start: As above.
        error: Why the last link could not be followed; None if it could.
        notice: What was left out of it, in words.
        preset: The preset that it asks for, until its comparison has begun; "" if none.
        from_host: Names the link of a workshop's host that was followed last; "" if none was.
    """

    def __init__(self, start: Start, custom: dict[str, str]) -> None:
        self.start = start
        self._custom = custom
        self.error: str | None = None
        self.notice = ""
        self.preset = ""
        self.from_host = ""
        self._address_says: str | None = None  # None: the address is not ours

    def read(self, query: str) -> Start | None:
        """What a link that is not empty asks for, to be followed. None, and ``error``, if nobody can."""
        try:
            recipe, options = from_query(query, self.start)
            recipe = recipe.changed(**self._custom)
            asked = last(query, PRESET)
            preset = "" if asked is None else presets.named(asked, recipe)
            missing = [name for name in ("data", "model") if getattr(recipe, name) == OWN and name not in self._custom]
            if missing:
                raise RecipeError(f"{missing[0]} = own: whose own? A link cannot carry Python objects")
        except RecipeError as error:
            self.error = f"This link could not be used: {error}. Nothing was changed."
            return None
        self.error, self.notice, self.preset = None, left_out(query), preset
        return recipe, options

    def forget(self) -> None:
        """Say no more about the last link."""
        self.error, self.notice = None, ""

    def to(self, recipe: Recipe, options: Options) -> str:
        """The link to a page that is set so: the query part, without the question mark."""
        return to_query(recipe, options, self.start)

    def stand_in_address(self, query: str) -> None:
        """From now on the page's address says this, and follows the page."""
        self._address_says = query

    def news(self, link: Callable[[], str]) -> str | None:
        """What the address has to say now; None if it stays as it is. link: the link to the page, if it is asked for.

        A page that has no valid recipe says so elsewhere, and its address keeps the last that was valid.
        """
        if self._address_says is None:
            return None
        try:
            query = link()
        except RecipeError:
            return None
        if query == self._address_says:
            return None
        self._address_says = query
        return query
