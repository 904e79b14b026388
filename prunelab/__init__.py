"""A laboratory for neural-network pruning. Train, prune below quality x deviation, retrain, repeat.

Names are imported on first use: ``import prunelab`` alone loads neither torch nor widgets, so that ``prunelab --help``
starts quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from prunelab._version import __version__ as __version__

if TYPE_CHECKING:
    from prunelab import data as data
    from prunelab import lessons as lessons
    from prunelab import models as models
    from prunelab import sparse as sparse
    from prunelab import views as views
    from prunelab.data import Data as Data
    from prunelab.errors import PrunelabError as PrunelabError
    from prunelab.errors import PrunelabWarning as PrunelabWarning
    from prunelab.errors import RecipeError as RecipeError
    from prunelab.experiments.sensitivity import sensitivity as sensitivity
    from prunelab.experiments.sweep import sweep as sweep
    from prunelab.lab import Lab as Lab
    from prunelab.lab.show import show as show
    from prunelab.pruning.dropout import adjust_dropout as adjust_dropout
    from prunelab.pruning.masks import Masks as Masks
    from prunelab.recipe import Recipe as Recipe
    from prunelab.results.snapshot import Snapshot as Snapshot
    from prunelab.results.sweep import Sweep as Sweep
    from prunelab.sessions.session import Session as Session
    from prunelab.training.objective import Metric as Metric

_HOMES = {
    "Data": "data",
    "Lab": "lab",
    "Masks": "pruning.masks",
    "Metric": "training.objective",
    "Recipe": "recipe",
    "PrunelabError": "errors",
    "PrunelabWarning": "errors",
    "RecipeError": "errors",
    "Session": "sessions.session",
    "Snapshot": "results.snapshot",
    "Sweep": "results.sweep",
    "adjust_dropout": "pruning.dropout",
    "sensitivity": "experiments.sensitivity",
    "show": "lab.show",
    "sweep": "experiments.sweep",
}
_MODULES = ("data", "lessons", "models", "sparse", "views")

__all__ = [
    "Data",
    "Lab",
    "Masks",
    "Metric",
    "PrunelabError",
    "PrunelabWarning",
    "Recipe",
    "RecipeError",
    "Session",
    "Snapshot",
    "Sweep",
    "adjust_dropout",
    "data",
    "lessons",
    "models",
    "sensitivity",
    "show",
    "sparse",
    "sweep",
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
