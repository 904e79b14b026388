"""A recipe as an argument, which may be left out, and is easily taken for another one."""

from __future__ import annotations

from prunelab.recipe import Recipe


def recipe_or_default(recipe: Recipe | None) -> Recipe:
    """The recipe, or ``Recipe()`` for None. TypeError for anything else, such as a network that stands in its place."""
    if recipe is None:
        return Recipe()
    if isinstance(recipe, Recipe):
        return recipe
    what = f"the class {recipe.__name__}" if isinstance(recipe, type) else f"a {type(recipe).__name__}"
    raise TypeError(
        f"recipe is {what}: must be a Recipe, such as Recipe(quality=1.5); a network and data are given by their "
        "names, model=... and data=..."
    )
