"""Histograms of the weights by layer, cut and kept in two colours, with the threshold as two lines."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from prunelab.formatting import count, percent, round_up
from prunelab.results.snapshot import BINS, LayerSnapshot, Snapshot
from prunelab.views import palette
from prunelab.views.figure import View, axis, figure, if_cut, note, short

MAX_LAYERS = 6  # more histograms are unreadable


def weights(
    snapshot: Snapshot,
    layers: list[str] | None = None,
    *,
    before: Snapshot | None = None,
    own: Collection[str] | None = None,
) -> View:
    """Histograms of the weights of up to six layers.

    Cut weights are counted at the value they had when they were cut. ``layout["meta"]["cuts"]`` holds what a page needs
    to move thresholds by itself; ``before`` and ``own`` matter only for that.

    Args:
        snapshot: the network to show.
        layers: parameter names of the layers to show. None: the first six.
        before: the snapshot that a preview starts from, to distinguish its cut from what is cut already.
        own: parameter names of the layers with their own quality; the others follow the common one. None: the layers
            whose quality differs from the snapshot's have their own.

    Raises:
        KeyError: a name is not a layer.
    """
    shown = [snapshot.layer(name) for name in layers] if layers else list(snapshot.layers)
    left_out = len(shown) - MAX_LAYERS
    shown = shown[:MAX_LAYERS]
    data: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    cuts: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    rows = 1 if len(shown) <= 3 else 2
    columns = -(-len(shown) // rows)
    for i, layer in enumerate(shown):
        number = "" if i == 0 else str(i + 1)
        row, column = divmod(i, columns)
        across, up = _part(column, columns, 0.07), _part(rows - 1 - row, rows, 0.28)
        axes |= _axes(layer, number, across, up, first=column == 0)
        data += _bars(layer, number)
        if layer.threshold is not None:
            shapes += [_line(sign * layer.threshold, number) for sign in (-1, 1)]
        cuts.append(
            {"layer": layer.name, "axis": number, "traces": [2 * i, 2 * i + 1], "note": i}
            | _movable(layer, snapshot, before, own)
        )
        notes.append(_label(layer, number))
    title = _title(snapshot) + (f" ({len(shown)} of {len(shown) + left_out} layers shown)" if left_out > 0 else "")
    summary = "; ".join(f"{short(layer)}: {percent(layer.density)} kept" for layer in shown)
    margin = {"l": 48, "r": 12, "t": 64, "b": 40}  # two lines of labels under the title
    return figure(
        data, title, barmode="stack", bargap=0, shapes=shapes, annotations=notes, margin=margin,
        meta={"summary": summary, "preview": if_cut(snapshot), "cuts": cuts}, **axes,
    )  # fmt: skip


def _bars(layer: LayerSnapshot, number: str) -> list[dict[str, Any]]:
    centres = [round(x, 6) for x in _centres(layer)]
    pairs = (("cut", palette.CUT, layer.cut_counts), ("kept", palette.KEPT, layer.kept_counts))
    return [
        {
            "type": "bar",
            "name": f"{short(layer)} {name}",
            "x": centres,
            "y": counts.tolist(),
            "width": _width(layer),
            "marker": {"color": colour, "line": {"width": 0}},
            "xaxis": f"x{number}",
            "yaxis": f"y{number}",
            "hovertemplate": f"%{{y:,}} {name} near %{{x:.3f}}<extra></extra>",
        }
        for name, colour, counts in pairs
    ]


def _movable(
    layer: LayerSnapshot, snapshot: Snapshot, before: Snapshot | None, own: Collection[str] | None
) -> dict[str, Any]:
    """What a page needs to draw a layer at another quality without its weights.

    deviation: threshold / quality, None if not known. quality: of the picture, None for none. follows: whether the
    common slider moves the layer. before: counts of the weights that are cut already, by bin, [] for none; None: those
    that the picture shows as cut (or, in a preview of a later round, unknown: then all of them stay cut).
    """
    deviation = layer.deviation
    if deviation is None and layer.kept == layer.total:
        deviation = _spread(layer)
    quality = layer.quality
    if own is not None:
        follows = layer.name not in own
    else:
        follows = quality is None or snapshot.quality is None or math.isclose(quality, snapshot.quality, abs_tol=1e-6)
    old = None if before is None else before.layer(layer.name)
    counts: list[int] | None = None
    if old is not None and old.limit == layer.limit:
        counts = old.cut_counts.tolist() if old.kept < old.total else []
    elif if_cut(snapshot) and snapshot.round == 0:
        counts = []
    return {"deviation": deviation, "quality": quality, "follows": follows, "before": counts}


def _spread(layer: LayerSnapshot) -> float:
    """Standard deviation of a dense layer's weights, estimated from its histogram with Sheppard's correction.

    Within 1 % of the exact one, unless a few bins hold all weights.
    """
    counts, centres = layer.kept_counts, np.array(_centres(layer))
    mean = np.average(centres, weights=counts)
    variance = float(np.average((centres - mean) ** 2, weights=counts)) - _width(layer) ** 2 / 12
    return math.sqrt(max(variance, 0.0))


def _width(layer: LayerSnapshot) -> float:
    return 2 * layer.limit / BINS


def _centres(layer: LayerSnapshot) -> list[float]:
    end = layer.limit - _width(layer) / 2
    return [float(x) for x in np.linspace(-end, end, BINS)]


def _axes(layer: LayerSnapshot, number: str, across: list[float], up: list[float], *, first: bool) -> dict[str, Any]:
    """The axes of one histogram, with three tick labels each, always at the same places.

    So labels do not overlap on a phone, and a page that follows a run only has to change their text.
    """
    half = float(f"{layer.limit / 2:.6g}")
    # Independent of the cut, so that the axis stays while the user moves the threshold; rounded, so that it seldom
    # changes during a run.
    middle = math.ceil(round_up(max(1.0, int((layer.kept_counts + layer.cut_counts).max()) / 2)))
    weight = {"range": [-layer.limit, layer.limit], "tickvals": [-half, 0, half]}
    height = {"range": [0, 2 * middle], "tickvals": [0, middle, 2 * middle]}
    return {
        f"xaxis{number}": axis(
            "weight", domain=across, anchor=f"y{number}", showgrid=False, tickangle=0,
            ticktext=[f"−{half:g}", "0", f"{half:g}"], **weight,
        ),
        f"yaxis{number}": axis(
            "connections" if first else "", domain=up, anchor=f"x{number}",
            ticktext=["0", _narrow(middle), _narrow(2 * middle)], **height,
        ),
    }  # fmt: skip


def _narrow(number: int) -> str:
    """A count, short enough for an axis on a phone: 800 or 1.6k."""
    return count(number) if number < 1000 else f"{number / 1000:g}k"


def _part(index: int, parts: int, gap: float) -> list[float]:
    size = (1 - gap * (parts - 1)) / parts
    start = index * (size + gap)
    return [round(start, 4), round(min(start + size, 1.0), 4)]


def _line(x: float, number: str) -> dict[str, Any]:
    line = {"color": palette.LINE, "width": 2, "dash": "dot"}
    return {
        "type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "line": line,
        "xref": f"x{number}", "yref": f"y{number} domain",
    }  # fmt: skip


def _label(layer: LayerSnapshot, number: str) -> dict[str, Any]:
    text = f"<b>{short(layer)}</b> {percent(layer.density)} kept"
    if layer.threshold is not None:
        text += f"<br>threshold {layer.threshold:#.3g}"
    if layer.spared:
        text += "<br><b>would lose all: strongest kept</b>"
    return note(
        text,
        0.5,
        1.0,
        axes=number,
        xref=f"x{number} domain",
        yref=f"y{number} domain",
        yanchor="bottom",
        yshift=2,
    )


def _title(snapshot: Snapshot) -> str:
    if if_cut(snapshot):
        cause = "The next cut" if snapshot.quality is None else f"Quality {snapshot.quality:.2f}"
        if snapshot.quality is not None and snapshot.recipe.layer_quality:
            cause = "These qualities"
        return f"{cause} would leave {percent(snapshot.density)} of {count(snapshot.total)} connections"
    if snapshot.kept == snapshot.total:
        peak = "random numbers" if snapshot.phase == "new" else "one peak around zero"
        return f"Dense: all {count(snapshot.total)} connections, {peak}"
    return f"{percent(1 - snapshot.density)} is cut; {count(snapshot.kept)} survivors keep away from zero"
