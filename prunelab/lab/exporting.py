"""Exporting: what the download buttons give. Made on the runner's thread, from what the page shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prunelab.lab.download import Download
from prunelab.lab.report import Report
from prunelab.session import Session


@dataclass(frozen=True)
class Made:
    """A file, or, where ``mime`` is empty, a text for the clipboard."""

    filename: str
    mime: str
    content: bytes


ITEMS = (
    {"name": "link", "label": "Copy link", "tooltip": "A link to this page as it stands", "copy": True},
    {"name": "report", "label": "Report", "tooltip": "The run as one page that opens anywhere, offline"},
    {"name": "figures", "label": "Figures", "tooltip": "All pictures for print: PNG, SVG and PDF, zipped"},
    {"name": "data", "label": "Data", "tooltip": "Every snapshot as CSV, the recipe as JSON, zipped"},
    {"name": "model", "label": "Model", "tooltip": "The network as a packed file: prunelab.sparse.load"},
    {"name": "python", "label": "Python", "tooltip": "The lines of Python that do this run again"},
)
NEED_A_RUN = tuple(str(item["name"]) for item in ITEMS if item["name"] != "link")


def missing(report: Report) -> dict[str, str]:
    """Which buttons cannot be pressed now, and why."""
    return {} if report.history else dict.fromkeys(NEED_A_RUN, "Nothing is trained yet")


def send(
    name: str, downloads: Download, soon: Callable[[Callable[[], object]], None], report: Report, session: Session
) -> None:
    """Make what a button stands for, and send it to the pages that asked. soon: runs a function where widgets are
    written."""
    try:
        made = make(name, report, session)
    except Exception as error:  # said beside the button; the run goes on
        words = f"This could not be made: {error}"
        soon(lambda: downloads.send_error(name, words))
        return
    soon(lambda: downloads.send_file(name, made.filename, made.mime, made.content))


def make(name: str, report: Report, session: Session) -> Made:
    """What a button stands for (except the link). ValueError for a name that is none."""
    from prunelab import exports, sparse  # matplotlib, SciPy: not before somebody asks

    recipe, history, measured = report.recipe, report.history, report.measurement
    stem = f"prunelab-{recipe.key}"
    if name == "report":
        return Made(f"{stem}.html", "text/html", exports.report(recipe, history, measured).encode())
    if name == "figures":
        return Made(
            f"{stem}-figures.zip", "application/zip", exports.zipped(exports.figures(recipe, history, measured))
        )
    if name == "data":
        files = {"snapshots.csv": exports.snapshots_csv(history), "recipe.json": exports.recipe_json(recipe)}
        if measured is not None:
            files["measurement.csv"] = measured.to_csv()
        return Made(f"{stem}-data.zip", "application/zip", exports.zipped(files))
    if name == "model":
        packed = sparse.files.packed(session.model, masks=session.masks)
        return Made(f"{stem}.prune", "application/octet-stream", packed)
    if name == "python":
        return Made(f"{stem}.py", "text/x-python", exports.snippet(recipe, history).encode())
    raise ValueError(f"{name!r} is nothing that can be exported")
