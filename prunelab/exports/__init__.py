"""Exports of a run: an HTML report, figures for print, tables, Python code that repeats it, and a zip file of all.

Pure functions of recipe, history and measurement: they return text or bytes and write no files. The lab imports this
package only when needed: matplotlib is slow to import.
"""

from __future__ import annotations

from prunelab.exports.bundle import bundle, zipped
from prunelab.exports.figures import figures
from prunelab.exports.html_report import report
from prunelab.exports.script import snippet
from prunelab.exports.tables import modules_csv, recipe_json, snapshots_csv

__all__ = ["bundle", "figures", "modules_csv", "recipe_json", "report", "snapshots_csv", "snippet", "zipped"]
