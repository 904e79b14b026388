"""The lab: the only floor that knows ipywidgets. Controls -> commands -> runner -> reports -> bridge -> views."""

from prunelab.lab.lab import Lab
from prunelab.lab.plots import Plot

__all__ = ["Lab", "Plot"]
