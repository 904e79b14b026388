"""Fitting: what of a recipe a session can take up without being trained anew."""

from __future__ import annotations

from dataclasses import replace

from prunelab.recipe import OWN, TRAINING_FIELDS, Recipe
from prunelab.session import Session


def differs(session: Session, recipe: Recipe) -> bool:
    """Whether the recipe asks for another dense network. A model and data of the user's own are what they are."""
    now, wanted = session.recipe.to_dict(), recipe.to_dict()
    own = {name for name in ("model", "data") if now[name] == OWN}
    return any(now[name] != wanted[name] for name in TRAINING_FIELDS if name not in own)


def fitted(session: Session, recipe: Recipe) -> tuple[Recipe, list[str]]:
    """The recipe with the training settings that the session was trained by; and the layers that this network lacks.

    Qualities of those are left out: a link may be meant for another network.
    """
    unknown = []
    for name, _ in recipe.layer_quality:
        try:
            session.masks.resolve(name)
        except ValueError:
            unknown.append(name)
    trained = {name: getattr(session.recipe, name) for name in TRAINING_FIELDS}
    known = tuple(pair for pair in recipe.layer_quality if pair[0] not in unknown)
    return replace(recipe, **trained, layer_quality=known), unknown
