"""A run for others. A page, figures for print, tables, the code that does it again, and all of it in one file.

Pure functions of recipe, history and measurement: they return text or bytes and write nothing. Loaded late, not by the
lab at its start: matplotlib takes a while.
"""

from __future__ import annotations

from prunelab.exports.bundle import bundle, zipped
from prunelab.exports.figures import figures
from prunelab.exports.html_report import report
from prunelab.exports.script import snippet
from prunelab.exports.tables import recipe_json, snapshots_csv

__all__ = ["bundle", "figures", "recipe_json", "report", "snapshots_csv", "snippet", "zipped"]
