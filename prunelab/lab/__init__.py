"""The lab: the only package that imports ipywidgets. Controls -> commands -> runner -> states -> bridge -> views."""

from __future__ import annotations

from prunelab.lab.app import Lab
from prunelab.lab.widgets.plot import Plot

__all__ = ["Lab", "Plot"]
