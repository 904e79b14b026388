"""Everything about a run in one zip file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

from prunelab.exports.figures import FORMATS, figures
from prunelab.exports.html_report import report
from prunelab.exports.narrative import title
from prunelab.exports.script import snippet
from prunelab.exports.tables import modules_csv, recipe_json, snapshots_csv
from prunelab.exports.view_list import checked
from prunelab.recipe import Recipe
from prunelab.results.measurement import Measurement
from prunelab.results.snapshot import Snapshot
from prunelab.results.subject import Subject

ABOUT = {
    "report.html": "the run as a page, its pictures interactive; opens in any browser, without a network",
    "recipe.json": "what was trained and how it was pruned; prunelab.Recipe.from_json reads it",
    "snapshots.csv": "every snapshot of the run, a row for each layer and one for the whole network",
    "modules.csv": "which modules of the network are pruned, which are not, and why",
    "measurement.csv": "bytes by format, and latency by network, batch size and threads",
    "reproduce.py": "Python that does the run again",
    "model.prune": "the pruned network, packed; prunelab.sparse.load reads it",
    "figures/": "the views for print, for a column and for the width of a page",
}
COMPRESSED = (".png", ".pdf", ".safetensors")  # compressed already: stored as they are
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # fixed, so that equal content gives equal bytes


def bundle(
    recipe: Recipe,
    history: Sequence[Snapshot],
    measurement: Measurement | None = None,
    model: bytes | None = None,
    *,
    formats: str | Sequence[str] = FORMATS,
    subject: Subject | None = None,
) -> bytes:
    """A zip file with report, figures, tables, recipe, code, and a README.txt that lists them.

    Args:
        recipe: of the run.
        history: the snapshots of the run, oldest first.
        measurement: what was measured at the end. None: left out.
        model: the packed network, as ``prunelab.sparse.save`` writes it. None: left out.
        formats: of the figures: of svg, pdf and png; a string is one.
        subject: of the run, as ``Session.subject`` gives it. None: what the recipe alone tells.

    Raises:
        ValueError: the history is empty.
    """
    snapshots = checked(history)
    files: dict[str, str | bytes] = {
        "report.html": report(recipe, snapshots, measurement, subject),
        "recipe.json": recipe_json(recipe),
        "snapshots.csv": snapshots_csv(snapshots),
        "reproduce.py": snippet(recipe, snapshots, subject),
    }
    subject = subject or Subject.of(recipe)
    if subject.modules:
        files["modules.csv"] = modules_csv(subject.modules)
    if measurement is not None:
        files["measurement.csv"] = measurement.to_csv()
    if model is not None:
        files["model.prune"] = model
    printed = figures(recipe, snapshots, measurement, formats=formats)
    files |= {f"figures/{name}": content for name, content in printed.items()}
    included = {name: about for name, about in ABOUT.items() if any(file.startswith(name) for file in files)}
    lines = [title(subject, snapshots[-1]), "", *(f"{name}: {about}" for name, about in included.items()), ""]
    return zipped({"README.txt": "\n".join(lines), **files})


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """A zip file of {name: content}. Equal files give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(COMPRESSED) else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()
