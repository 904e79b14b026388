"""The lab: the only package that imports ipywidgets. Controls -> commands -> runner -> states -> bridge -> views.

Names are imported on first use, so that a plot or a scrubber alone does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunelab.lab.app import Lab as Lab
    from prunelab.lab.widgets.plot import Plot as Plot

_HOMES = {"Lab": "app", "Plot": "widgets.plot"}

__all__ = ["Lab", "Plot"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
