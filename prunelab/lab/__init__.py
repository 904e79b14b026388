"""The lab: the only floor that knows ipywidgets. Controls -> commands -> runner -> reports -> bridge -> views."""

from __future__ import annotations

from prunelab.lab.app import Lab
from prunelab.lab.widgets.plot import Plot

__all__ = ["Lab", "Plot"]
