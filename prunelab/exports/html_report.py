"""A run as one HTML file that opens offline, with interactive pictures."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import prunelab
from prunelab.exports import narrative
from prunelab.exports.script import differing, snippet
from prunelab.exports.tables import recipe_json
from prunelab.exports.view_list import PICTURES, Picture, checked, figures_of, harmless, shows_something
from prunelab.formatting import count, layer_of, percent
from prunelab.recipe import Recipe, help_text
from prunelab.resources import joined_script, plotly_script
from prunelab.results.measurement import Measurement
from prunelab.results.objective import CLASSIFYING, Objective
from prunelab.results.snapshot import Snapshot
from prunelab.results.subject import Subject
from prunelab.views.figure import View

HERE = Path(__file__).parent
# Limits the size of the file: cells of all masks at all stops of the scrubber. As many as 45 stops of LeNet-300-100.
MAX_CELLS = 12_000_000
MAX_IMAGE_CELLS = 640_000  # cells of a mask image: views shrink larger masks
MAX_STOPS = 60  # of the scrubber
LAYERS = 6  # masks to choose from; as many layers as the view of all weights shows


def report(
    recipe: Recipe,
    history: Sequence[Snapshot],
    measurement: Measurement | None = None,
    subject: Subject | None = None,
) -> str:
    """A self-contained HTML page about a run: what was done, the results, every view, a scrubber over its snapshots.

    The scrubber stops at the end of each phase and at the last snapshot; of a long run it shows as many of these,
    evenly chosen, as keep the file to a few megabytes. The page loads nothing from a network; all text from outside is
    escaped.

    Args:
        recipe: of the run.
        history: the snapshots of the run, oldest first.
        measurement: what was measured at the end. None: without bytes and speed.
        subject: of the run, as ``Session.subject`` gives it. None: what the recipe alone tells.

    Raises:
        ValueError: the history is empty.
    """
    snapshots, subject = checked(history), subject or Subject.of(recipe)
    now = snapshots[-1]
    stops = [i for i, s in enumerate(snapshots) if s.settled or s is now]
    shown = _thinned(stops, now)
    panels, views = _panels(snapshots, shown, measurement)
    moments = [f"{snapshots[i].moment} · {figures_of(snapshots[i])}" for i in shown]
    left_out = "" if len(shown) == len(stops) else f"{len(shown)} of {len(stops)} moments are shown."
    values = {
        "version": escape(prunelab.__version__),
        "title": escape(narrative.title(subject, now)),
        "told": escape(narrative.told(recipe, snapshots, subject)),
        "cards": "\n".join(map(_card, narrative.headline(now, measurement, subject))),
        "last": str(len(shown) - 1),
        "moment": escape(moments[-1]),
        "thinned": escape(left_out),
        "panels": "\n".join(_figure(panel, views) for panel in panels),
        "measured": _measured(measurement),
        "recipe": _changes(recipe),
        "query": _link(recipe, now.objective),
        "json": escape(recipe_json(recipe)),
        "snippet": escape(snippet(recipe, snapshots, subject)),
        "layers": _layers(now),
        "modules": _modules(subject),
        "surroundings": _table((), narrative.surroundings(measurement)),
        "pictures": script_json({"moments": moments, "panels": panels, "views": views}),
        "plotly": base64.b64encode(gzip.compress(plotly_script(), compresslevel=6, mtime=0)).decode(),
        "css": _asset("html_report.css"),
        "js": joined_script(HERE / "html_report.js"),
    }
    return Template(_asset("html_report.html")).substitute(values)


def script_json(value: Any) -> str:
    """JSON that is safe inside a script element and in JavaScript: nothing in it can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


# Pictures


def _thinned(stops: list[int], now: Snapshot) -> list[int]:
    """As many of the stops as the file has room for, evenly chosen, with the first and the last."""
    cells = sum(min(layer.total, MAX_IMAGE_CELLS) for layer in now.layers[:LAYERS])
    limit = max(2, min(MAX_STOPS, MAX_CELLS // cells))
    if len(stops) <= limit:
        return stops
    return [stops[round(i * (len(stops) - 1) / (limit - 1))] for i in range(limit)]


def _panels(
    snapshots: list[Snapshot], shown: list[int], measurement: Measurement | None
) -> tuple[list[dict[str, Any]], list[View]]:
    """(panels, the distinct views that they refer to by index): for each choice of a layer one view per stop."""
    pool = _Pool()
    panels = []
    for picture in PICTURES:
        if picture.measured and measurement is None:
            continue
        layers = [layer.name for layer in snapshots[-1].layers[:LAYERS]] if picture.by_layer else [None]
        drawn = [_moments(picture, snapshots, shown, measurement, layer) for layer in layers]
        if not any(shows_something(view) for views in drawn for view in views):
            continue
        names = [layer_of(layer) for layer in layers if layer is not None]
        choices = [[pool.number(view) for view in views] for views in drawn]
        panels.append({"name": picture.name, "heading": picture.heading, "layers": names, "choices": choices})
    return panels, pool.views


def _moments(
    picture: Picture, snapshots: list[Snapshot], shown: list[int], measurement: Measurement | None, layer: str | None
) -> list[View]:
    if picture.measured:
        return [picture.draw(snapshots, measurement, layer)] * len(shown)
    return [picture.draw(snapshots[: i + 1], measurement, layer) for i in shown]


class _Pool:
    """Views by number, equal ones once: many do not change between two stops."""

    def __init__(self) -> None:
        self.views: list[View] = []
        self._numbers: dict[str, int] = {}

    def number(self, view: View) -> int:
        layout = dict(view["layout"])
        meta = layout.pop("meta", {})
        title = narrative.plain(layout.pop("title")["text"])
        summary = narrative.plain(meta.get("summary", ""))
        content = {"title": title, "words": summary, "data": harmless(view["data"]), "layout": harmless(layout)}
        key = json.dumps(content, allow_nan=False)
        if key not in self._numbers:
            self._numbers[key] = len(self.views)
            self.views.append(content)
        return self._numbers[key]


# The page around them


def _figure(panel: dict[str, Any], views: list[View]) -> str:
    last = views[panel["choices"][0][-1]]
    options = "".join(f"<option>{escape(name)}</option>" for name in panel["layers"])
    choice = f'<select aria-label="layer" autocomplete="off">{options}</select>' if len(panel["layers"]) > 1 else ""
    title, summary = escape(last["title"]), escape(last["words"])
    axes = [axis for key, axis in last["layout"].items() if key.startswith("yaxis")]
    rows = len({tuple(axis.get("domain", ())) for axis in axes})
    size = "plot tall" if panel["name"] == "weights" and rows > 1 else "plot"
    return (
        f'<figure data-panel="{panel["name"]}" aria-label="{panel["heading"]}"><figcaption><h3>{title}</h3>{choice}'
        f'</figcaption><div class="{size}" role="img" aria-label="{title}. {summary}"></div>'
        f'<p class="words">{summary}</p></figure>'
    )


def _card(row: tuple[str, str, str]) -> str:
    name, value, more = map(escape, row)
    return f'<div><dt>{name}</dt><dd class="value">{value}</dd><dd class="more">{more}</dd></div>'


def _changes(recipe: Recipe) -> str:
    changed, defaults = differing(recipe), Recipe().to_dict()
    rows = [(name, _value(value), _value(defaults[name]), help_text(name)) for name, value in changed.items()]
    return _table(("field", "value", "default", "what it is"), rows) if rows else "<p>Every field has its default.</p>"


def _link(recipe: Recipe, objective: Objective) -> str:
    query = recipe.to_query()
    link = f"<p>As a link, after the address of any lab: <code>{escape('?' + query)}</code></p>"
    if objective == CLASSIFYING:
        return link
    words = (
        f"A link carries no loss and no metric: give a lab loss {objective.loss} and metric {objective.metric} again."
    )
    return f"{link}<p>{escape(words)}</p>"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {number:g}" for name, number in value.items()) or "none"
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _layers(now: Snapshot) -> str:
    columns = ("layer", "shape", "kept", "total", "density", "threshold", "deviation")
    rows = [
        (
            layer_of(layer.name), " x ".join(map(str, layer.shape)), count(layer.kept), count(layer.total),
            percent(layer.density), _small(layer.threshold), _small(layer.deviation),
        )
        for layer in now.layers
    ]  # fmt: skip
    return _table(
        columns, [*rows, ("all", "", count(now.kept), count(now.total), percent(now.density), "", "")], numbers=2
    )


def _modules(subject: Subject) -> str:
    """Which modules are pruned, which are not, and why; nothing if they are not known."""
    if not subject.modules:
        return ""
    columns = ("module", "kind", "counted", "not counted", "pruned", "why")
    rows = [
        (m.name or "the model itself", m.kind, count(m.counted), count(m.others), "yes" if m.pruned else "no", m.why)
        for m in subject.modules
    ]
    said = "Density and compression count the weights of layers that have a mask; of each module, how many these are:"
    return f'<h2>Pruned or not, and why</h2><p>{said}</p><div class="wide">{_table(columns, rows)}</div>'


def _small(value: float | None) -> str:
    return "–" if value is None else f"{value:#.3g}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: int | None = None) -> str:
    """An HTML table of text. numbers: index of the first column of numbers, None if there is none."""

    def row(cells: Sequence[str], tag: str) -> str:
        css = ["" if numbers is None or i < numbers else ' class="number"' for i in range(len(cells))]
        return (
            "<tr>" + "".join(f"<{tag}{c}>{escape(text)}</{tag}>" for c, text in zip(css, cells, strict=True)) + "</tr>"
        )

    head = f"<thead>{row(heads, 'th')}</thead>" if heads else ""
    return f"<table>{head}<tbody>{''.join(row(cells, 'td') for cells in rows)}</tbody></table>"


def _measured(measurement: Measurement | None) -> str:
    if measurement is None:
        return '<p class="note">Bytes and speed were not measured.</p>'
    notes = "".join(f"<li>{escape(note)}</li>" for note in measurement.notes)
    where = f"Size and speed are those of the end, measured on {measurement.machine}."
    return f'<p class="note">{escape(where)}</p>' + (f'<ul class="note">{notes}</ul>' if notes else "")


def _asset(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
