"""The network as a graph: dots for units, lines for its strongest connections, dead neurons in grey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunelab.formatting import count
from prunelab.results.snapshot import LayerSnapshot, Snapshot
from prunelab.views import palette
from prunelab.views.escaping import escaped
from prunelab.views.figure import View, figure, if_cut, note
from prunelab.views.network_columns import Column, Counts, Reading, columns, folded
from prunelab.views.subjects import a_snapshot

MOST_DOTS = 1000  # browsers stutter with more
ROWS = 32  # largest number of dots above one another; a wider layer gets more columns
BLOCKS = 0.5  # largest part of the width for dots; the rest is for lines
PITCH = 0.03  # largest distance between dots, as part of the width
# (end, width in pixels, opacity) of a layer's lines up to the fraction ``end``, strongest first. By rank, not weight:
# the largest weights of a dense layer are almost equal.
GROUPS = ((0.15, 1.8, 0.8), (0.45, 1.0, 0.45), (1.0, 0.6, 0.3))

Points = tuple[NDArray[Any], NDArray[Any]]  # x and y of a column's dots


@dataclass(frozen=True, eq=False)
class Bundle:
    """The lines of one layer, strongest first."""

    source: int  # index of the column that they start from
    target: int  # index of the column that they end at
    starts: Counts  # index of each line's dot in the source column
    ends: Counts  # index of each line's dot in the target column
    connections: int  # number of connections that the lines stand for


def graph(snapshot: Snapshot, most: int = 300) -> View:
    """Neurons and filters as dots, one block per layer, with lines for each layer's strongest survivors.

    Parallel connections (of a filter's kernel, or between dots that stand for several units) are summed to one line. A
    neuron is dead if it is on no path from the inputs to the outputs, as far as ``columns`` knows who reads whom.

    Args:
        snapshot: the network to show.
        most: largest number of lines, distributed evenly among the layers.
    """
    snapshot = a_snapshot(snapshot, "graph")
    cols, readings = columns(snapshot)
    cols = folded(cols, MOST_DOTS)
    bundles = _bundles(snapshot.layers, cols, readings, most)
    places = _places(cols)
    hidden = {"visible": False, "fixedrange": True}
    return figure(
        [*_lines(bundles, places), *_dots(cols, places)], _title(snapshot, cols, bundles),
        annotations=_captions(cols, places), margin={"l": 14, "r": 14, "t": 38, "b": 36},
        xaxis={**hidden, "range": [-0.02, 1.02]}, yaxis={**hidden, "range": [-0.03, 1.03]},
        meta={"summary": _summary(cols)},
    )  # fmt: skip


def _bundles(
    layers: Sequence[LayerSnapshot], cols: Sequence[Column], readings: Sequence[Reading], most: int
) -> list[Bundle]:
    """The strongest lines of each layer. What a small layer leaves of its share goes to the others."""
    candidates = []
    for layer, reading in zip(layers, readings, strict=True):
        source, target = cols[reading.source], cols[reading.target]
        starts, ends = reading.units(layer, layer.strongest.astype(np.int64))
        keys = starts // source.fold * target.dots + ends // target.fold
        keys, where, numbers = np.unique(keys, return_inverse=True, return_counts=True)
        sums = np.bincount(where, weights=np.abs(layer.strengths), minlength=len(keys))
        order = np.argsort(-sums, kind="stable")
        candidates.append((keys[order], numbers[order]))
    left, bundles = max(most, 0), {}
    for rank, i in enumerate(sorted(range(len(layers)), key=lambda i: len(candidates[i][0]))):
        keys, numbers = candidates[i]
        share = min(len(keys), left // (len(layers) - rank))
        left -= share
        starts, ends = np.divmod(keys[:share], cols[readings[i].target].dots)
        bundles[i] = Bundle(readings[i].source, readings[i].target, starts, ends, int(numbers[:share].sum()))
    return [bundles[i] for i in range(len(layers))]


# Positions


def _places(cols: Sequence[Column]) -> list[Points]:
    """Positions of all dots, 0 to 1 in both directions, by column; the first unit is at the top left of its block."""
    wides = [_wide(column) for column in cols]
    pitch = min(BLOCKS / sum(wides), PITCH)
    gap = (1 - pitch * sum(wide - 1 for wide in wides)) / max(len(cols) - 1, 1)
    places, left = [], 0.0
    for column, wide in zip(cols, wides, strict=True):
        number = np.arange(column.dots)
        rows = -(-column.dots // wide)
        step = 1 / max(rows - 1, 6)  # a few dots are centred, not spread over the full height
        places.append(
            ((left + pitch * (number % wide)).round(4), (0.5 + step * ((rows - 1) / 2 - number // wide)).round(4))
        )
        left += pitch * (wide - 1) + gap
    return places


def _wide(column: Column) -> int:
    """Dots per row of a column's block: as many as the image has, or so many that the block has at most ROWS rows."""
    if column.wide is not None and column.wide % column.fold == 0:
        return column.wide // column.fold
    return -(-column.dots // ROWS)


def _lines(bundles: Sequence[Bundle], places: Sequence[Points]) -> list[dict[str, Any]]:
    """One trace per group of strengths, the faintest first: one per line would be too slow in a browser."""
    traces: list[dict[str, Any]] = []
    begin = 0.0
    for end, width, opacity in GROUPS:
        x: list[float | None] = []
        y: list[float | None] = []
        for bundle in bundles:
            chosen = slice(*(round(part * len(bundle.starts)) for part in (begin, end)))
            starts, ends = bundle.starts[chosen], bundle.ends[chosen]
            for into, axis in ((x, 0), (y, 1)):
                pairs = zip(
                    places[bundle.source][axis][starts].tolist(),
                    places[bundle.target][axis][ends].tolist(),
                    strict=True,
                )
                for pair in pairs:
                    into.extend((*pair, None))
        traces.insert(0, {
            "type": "scatter", "mode": "lines", "name": f"connections, to {100 * end:.0f} % of those drawn",
            "x": x, "y": y, "line": {"color": palette.KEPT, "width": width}, "opacity": opacity, "hoverinfo": "skip",
        })  # fmt: skip
        begin = end
    return traces


def _dots(cols: Sequence[Column], places: Sequence[Points]) -> list[dict[str, Any]]:
    x, y = (np.concatenate([place[axis] for place in places]) for axis in (0, 1))
    texts = [text for column in cols for text in _hover_texts(column)]
    dead = np.concatenate([np.logical_and.reduceat(c.dead, np.arange(0, c.units, c.fold)) for c in cols])
    traces = []
    for name, chosen, colour, symbol in (
        ("alive", np.flatnonzero(~dead), palette.KEPT, "circle"),
        ("dead", np.flatnonzero(dead), palette.QUIET, "circle-open"),
    ):
        traces.append({
            "type": "scatter", "mode": "markers", "name": name, "x": x[chosen].tolist(), "y": y[chosen].tolist(),
            "hovertext": [texts[i] for i in chosen], "hoverinfo": "text", "cliponaxis": False,
            "marker": {"color": colour, "size": 5 if len(dead) > 150 else 8, "symbol": symbol, "opacity": 1},
        })  # fmt: skip
    return traces


# Texts


def _hover_texts(column: Column) -> list[str]:
    """The hover text of each dot: "fc1 neuron 12: 23 of 784 in, 4 of 100 out"."""
    starts = range(0, column.units, column.fold)
    sides = []
    for word, side in (("in", column.into), ("out", column.out)):
        if side is not None:
            kept = np.add.reduceat(side.kept, starts).tolist()
            sizes = np.minimum(column.units - np.arange(0, column.units, column.fold), column.fold).tolist()
            sides.append([f"{k:,} of {side.possible * n:,} {word}" for k, n in zip(kept, sizes, strict=True)])
    name = column.unit if column.name == "inputs" else f"{escaped(column.name)} {column.unit}"
    texts = []
    for first, *counts in zip(starts, *sides, strict=True):
        last = min(first + column.fold, column.units) - 1
        which = f"{name} {first}" if first == last else f"{name}s {first} to {last}"
        if column.wide is not None:
            which += f" (row {first // column.wide}, column {first % column.wide})"
        texts.append(f"{which}: {', '.join(counts)}")
    return texts


def _captions(cols: Sequence[Column], places: Sequence[Points]) -> list[dict[str, Any]]:
    """Name and number of units below each block, as far as they fit on the narrowest screen."""
    room = max(54 // len(cols) - 1, 2)  # characters per caption
    notes = []
    for i, (column, (x, _)) in enumerate(zip(cols, places, strict=True)):
        name = "in" if column.name == "inputs" and len(cols) > 4 else column.name
        name = name if len(name) <= room else name.rsplit(".", 1)[-1][:room]
        text = f"<b>{escaped(name)}</b>"
        if len(cols) <= 6:
            dead = column.dead_count
            text += f"<br>{dead:,} {_dead_word(column)}" if dead else f"<br>{column.units:,}"
            text += f", {column.fold} a dot" if column.fold > 1 else ""
        anchor = "left" if i == 0 else "right" if i == len(cols) - 1 else "center"
        middle = x.min() if i == 0 else x.max() if i == len(cols) - 1 else (x.min() + x.max()) / 2
        notes.append(note(text, float(middle), 0, yref="paper", yanchor="top", xanchor=anchor, align=anchor))
    return notes


def _title(snapshot: Snapshot, cols: Sequence[Column], bundles: Sequence[Bundle]) -> str:
    neurons = [column for column in cols if column.into is not None]
    total, dead = sum(c.units for c in neurons), sum(c.dead_count for c in neurons)
    units = {c.unit for c in neurons}
    both = "neuron or filter" if "filter" in units else "neuron"
    if "row" in units:
        both = f"{both} or row"
    if snapshot.dead is None:  # nobody knows who reads whom
        verb = "would have" if if_cut(snapshot) else "has" if dead == 1 else "have"
        first = f"{count(dead)} of {count(total)} {both.replace(' or', 's or')}s {verb} no input"
    elif dead:
        verb = "would be" if if_cut(snapshot) else "is" if dead == 1 else "are"
        first = f"{count(dead)} of {count(total)} {both.replace(' or', 's or')}s {verb} dead"
    else:
        first = f"No {both} {'would be' if if_cut(snapshot) else 'is'} dead"
    drawn = sum(bundle.connections for bundle in bundles)
    if drawn == snapshot.kept:
        return f"{first}; all {count(drawn)} survivors are drawn"
    which = "the" if len(bundles) == 1 else "each layer's"
    return f"{first}; drawn are {which} strongest, {count(drawn)} of {count(snapshot.kept)} survivors"


def _dead_word(column: Column) -> str:
    return "unread" if column.into is None else "dead"


def _summary(cols: Sequence[Column]) -> str:
    parts = []
    for column in cols:
        text = f"{escaped(column.name)}: {column.dead_count:,} of {column.units:,} {_dead_word(column)}"
        parts.append(text + (f", {column.fold} a dot" if column.fold > 1 else ""))
    return "; ".join(parts)
