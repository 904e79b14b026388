"""prunelab: a laboratory for neural-network pruning. Train, prune below quality x deviation, retrain, repeat.

Names are imported when they are first used: ``import prunelab`` alone loads neither torch nor widgets, so that
``prunelab --help`` answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunelab import sparse as sparse
    from prunelab import views as views
    from prunelab.data import Data as Data
    from prunelab.dropout import adjust_dropout as adjust_dropout
    from prunelab.lab import Lab as Lab
    from prunelab.masks import Masks as Masks
    from prunelab.recipe import Recipe as Recipe
    from prunelab.recipe import RecipeError as RecipeError
    from prunelab.scan import sensitivity as sensitivity
    from prunelab.session import Session as Session
    from prunelab.snapshot import Snapshot as Snapshot

__version__ = "0.1.0"

_HOMES = {
    "Data": "data",
    "Lab": "lab",
    "Masks": "masks",
    "Recipe": "recipe",
    "RecipeError": "recipe",
    "Session": "session",
    "Snapshot": "snapshot",
    "adjust_dropout": "dropout",
    "sensitivity": "scan",
}
_MODULES = ("sparse", "views")

__all__ = [
    "Data",
    "Lab",
    "Masks",
    "Recipe",
    "RecipeError",
    "Session",
    "Snapshot",
    "adjust_dropout",
    "sensitivity",
    "sparse",
    "views",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"prunelab.{_HOMES[name]}"), name)
    if name in _MODULES:
        return import_module(f"prunelab.{name}")
    raise AttributeError(f"module 'prunelab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
