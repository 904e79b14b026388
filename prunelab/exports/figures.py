"""The views in print quality, as SVG, PDF and PNG, in the widths of a column and of a page."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Iterator, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from matplotlib import style
from matplotlib.figure import Figure

from prunelab import views
from prunelab.exports import matplotlib_drawing
from prunelab.exports.narrative import plain
from prunelab.exports.view_list import PICTURES, checked, shows_something
from prunelab.formatting import as_list, file_part, layer_of
from prunelab.recipe import Recipe
from prunelab.results.measurement import Measurement
from prunelab.results.snapshot import Snapshot
from prunelab.results.tradeoff import Tradeoff
from prunelab.views import summary
from prunelab.views.figure import View

WIDTHS = {"column": 8.5, "page": 17.4}  # cm
FORMATS = ("svg", "pdf", "png")
DPI = 300
LAYERS = 6  # layers with separate figures by default; as many as the view of all weights shows

# Text stays text, so that it can be searched, edited and read aloud. A fixed salt makes the ids in SVG reproducible.
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "prunelab",
    "pdf.fonttype": 42,
    "font.family": ["DejaVu Sans"],
}
_STYLE_LOCK = threading.Lock()  # matplotlib's settings are global to the process


def figures(
    recipe: Recipe,
    history: Sequence[Snapshot],
    measurement: Measurement | None = None,
    *,
    layers: str | Sequence[str] | None = None,
    formats: str | Sequence[str] = FORMATS,
    tradeoff: Tradeoff | None = None,
) -> dict[str, bytes]:
    """The views at the last snapshot as files by name, such as "column/fc1-weights.svg".

    Equal input gives equal bytes. Empty views are left out.

    Args:
        recipe: of the run.
        history: the snapshots of the run, oldest first.
        measurement: what was measured at the end. None: without the views of it.
        layers: parameter names of the layers with separate figures (a string is one). None: the first six.
        formats: of svg, pdf and png (300 dpi); a string is one.
        tradeoff: the trade-off curve. None: without the view of it.

    Raises:
        ValueError: the history is empty, or a format is unknown.
        KeyError: a name is not a layer.
    """
    formats = as_list(formats)
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise ValueError(f"formats: {unknown[0]!r} is none of {', '.join(FORMATS)}")
    files: dict[str, bytes] = {}
    if not formats:
        return files
    for name, view, widths in _views(checked(history), measurement, layers):
        for width in widths:
            files |= _files(f"{width}/{name}", view, WIDTHS[width], formats, recipe)
    curve = views.tradeoff(tradeoff)
    if shows_something(curve):
        files |= printed("tradeoff", curve, recipe, formats)
    return files


def printed(name: str, view: View, recipe: Recipe, formats: str | Sequence[str] = FORMATS) -> dict[str, bytes]:
    """Any view as files by name, such as "page/tradeoff.svg", in both widths.

    Args:
        name: of the files.
        view: of prunelab.views.
        recipe: of what it shows; its key is in the files.
        formats: of svg, pdf and png (300 dpi); a string is one.
    """
    files: dict[str, bytes] = {}
    for width, centimetres in WIDTHS.items():
        files |= _files(f"{width}/{name}", view, centimetres, as_list(formats), recipe)
    return files


def _views(
    history: list[Snapshot], measurement: Measurement | None, layers: str | Sequence[str] | None
) -> Iterator[tuple[str, View, tuple[str, ...]]]:
    """(name, view, widths to draw it in). The weights of all layers side by side need the width of a page."""
    now = history[-1]
    chosen = [now.layer(name) for name in as_list(layers)] if layers is not None else list(now.layers[:LAYERS])
    stems = distinct([layer_of(layer.name) for layer in chosen])
    for picture in PICTURES:
        if picture.measured and measurement is None:
            continue
        if picture.name in ("weights", "mask"):
            for layer, stem in zip(chosen, stems, strict=True):
                yield f"{stem}-{picture.name}", picture.draw(history, measurement, layer.name), ("column",)
            if picture.by_layer:
                continue
        view = picture.draw(history, measurement, None)
        if shows_something(view):
            yield picture.name, view, ("page",) if picture.name == "weights" else ("column", "page")


def distinct(names: list[str]) -> list[str]:
    """Names as parts of file names: safe on every system, and unique even where case is ignored."""
    stems: list[str] = []
    for name in names:
        stem = file_part(name) or "layer"
        taken = {other.lower() for other in stems}
        candidates = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        stems.append(next(candidate for candidate in candidates if candidate.lower() not in taken))
    return stems


def _files(stem: str, view: View, width: float, formats: Sequence[str], recipe: Recipe) -> dict[str, bytes]:
    with _STYLE_LOCK, style.context(["default", STYLE]):
        figure = matplotlib_drawing.draw(view, width)
        return {f"{stem}.{format}": _file(figure, format, view, recipe.key) for format in formats}


def inline_svg(view: View, width: float = WIDTHS["page"]) -> str:
    """Any view as SVG for a page or a notebook: ``width`` cm wide, with its summary as the text alternative."""
    with _STYLE_LOCK, style.context(["default", STYLE]):
        drawn = _file(matplotlib_drawing.draw(view, width), "svg", view).decode()
    picture = drawn[drawn.index("<svg") :]  # without the XML declaration, which has no place within a page
    return picture.replace("<svg", f'<svg role="img" aria-label={quoteattr(plain(summary(view)))}', 1)


def _file(figure: Figure, format: str, view: View, key: str | None = None) -> bytes:
    title, about = plain(view["layout"]["title"]["text"]), plain(summary(view))
    metadata: dict[str, dict[str, Any]] = {
        "svg": {"Title": title, "Description": about, "Identifier": key, "Date": None},
        "pdf": {"Title": title, "Subject": about, "Keywords": key, "CreationDate": None},
        "png": {"Title": title, "Description": about},
    }
    buffer = io.BytesIO()
    figure.savefig(buffer, format=format, dpi=DPI, metadata=metadata[format])
    content = buffer.getvalue()
    if format == "svg":  # fallback for readers without that font: Verdana's letters are as wide
        content = content.replace(b"'DejaVu Sans'", b"'DejaVu Sans', Verdana, sans-serif")
    return content
