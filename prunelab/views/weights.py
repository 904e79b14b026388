"""Histograms of the weights by layer, cut and kept in two colours, with the threshold as two lines.

After a deep cut the survivors would be a line of a pixel beside thousands of cut weights: then the axis has their
scale, the tallest bars of cut weights leave the picture, and an arrow says how far they go.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunelab.formatting import as_list, count, percent, round_up
from prunelab.results.snapshot import BINS, LayerSnapshot, Snapshot
from prunelab.views import palette
from prunelab.views.figure import View, axis, domain, figure, if_cut, note, short
from prunelab.views.subjects import a_snapshot

MAX_LAYERS = 6  # more histograms are unreadable
FEW = 40 * BINS  # weights below which a layer has too few for so many bins
MERGED = 3  # bins that become one in such a layer
LOW = 0.15  # height of the tallest bar of survivors, in the tallest of all, below which the axis has their scale
COARSE = (1.0, 2.0, 5.0, 10.0)  # leading digits of that axis, so that it seldom moves while the threshold does


def weights(
    snapshot: Snapshot,
    layers: str | Sequence[str] | None = None,
    *,
    before: Snapshot | None = None,
    own: str | Collection[str] | None = None,
) -> View:
    """Histograms of the weights of up to six layers.

    Cut weights are counted at the value they had when they were cut. ``layout["meta"]["cuts"]`` holds what a page needs
    to move thresholds by itself; ``before`` and ``own`` matter only for that.

    Args:
        snapshot: the network to show.
        layers: parameter names of the layers to show (a string is one). None: the first six.
        before: the snapshot that a preview starts from, to distinguish its cut from what is cut already.
        own: parameter names of the layers with their own quality (a string is one); the others follow the common one.
            None: the layers whose quality differs from the snapshot's have their own.

    Raises:
        KeyError: a name is not a layer.
    """
    snapshot = a_snapshot(snapshot, "weights")
    own = None if own is None else as_list(own)
    chosen = [snapshot.layer(name) for name in as_list(layers)] if layers else list(snapshot.layers)
    shown = chosen[:MAX_LAYERS]
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
        across, up = domain(column, columns, 0.07), domain(rows - 1 - row, rows, 0.28)
        axes |= _axes(layer, number, across, up, first=column == 0)
        data += _bars(layer, number)
        if layer.threshold is not None:
            shapes += [_line(sign * layer.threshold, number) for sign in (-1, 1)]
        cuts.append(
            {"layer": layer.name, "axis": number, "traces": [2 * i, 2 * i + 1], "note": i}
            | _movable(layer, snapshot, before, own)
        )
        notes.append(_label(layer, number))
    tall = [(layer, str(i + 1) if i else "") for i, layer in enumerate(shown) if _is_low(layer)]
    notes += [_arrow(layer, number) for layer, number in tall]
    title = _title(snapshot, chosen)
    title += f" ({len(shown)} of {len(chosen)} layers shown)" if len(shown) < len(chosen) else ""
    summary = "; ".join(f"{short(layer)}: {percent(layer.density)} kept" for layer in shown)
    margin = {"l": 48, "r": 12, "t": 64, "b": 40}  # two lines of labels under the title
    return figure(
        data, title, barmode="stack", bargap=0, shapes=shapes, annotations=notes, margin=margin,
        meta={
            "summary": summary, "preview": if_cut(snapshot), "cuts": cuts, "rows": rows,
            "legend": _legend(snapshot, lines=bool(shapes), tall=bool(tall)),
        },
        **axes,
    )  # fmt: skip


def _legend(snapshot: Snapshot, *, lines: bool, tall: bool) -> list[dict[str, str]]:
    """What the colours mean: for each a text, a colour, and whether it is a bar or a line."""
    would = "would be " if if_cut(snapshot) else ""
    off = " (↑ taller)" if tall else ""
    legend = [
        {"text": f"{would}kept", "colour": palette.KEPT, "as": "bar"},
        {"text": f"{would}cut{off}", "colour": palette.CUT, "as": "bar"},
    ]
    return legend + ([{"text": "threshold", "colour": palette.LINE, "as": "line"}] if lines else [])


def _bars(layer: LayerSnapshot, number: str) -> list[dict[str, Any]]:
    centres = [round(x, 6) for x in _centres(layer)]
    pairs = (("cut", palette.CUT, _binned(layer, layer.cut_counts)), ("kept", palette.KEPT, _kept(layer)))
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
        counts = _binned(old, old.cut_counts).tolist() if old.kept < old.total else []
    elif if_cut(snapshot) and snapshot.round == 0:
        counts = []
    return {"deviation": deviation, "quality": quality, "follows": follows, "before": counts}


def _spread(layer: LayerSnapshot) -> float:
    """Standard deviation of a dense layer's weights, estimated from its histogram with Sheppard's correction.

    Within 1 % of the exact one, unless a few bins hold all weights.
    """
    counts, width = layer.kept_counts, 2 * layer.limit / BINS
    centres = width * (np.arange(BINS) - BINS // 2)
    mean = np.average(centres, weights=counts)
    variance = float(np.average((centres - mean) ** 2, weights=counts)) - width**2 / 12
    return math.sqrt(max(variance, 0.0))


def _bins(layer: LayerSnapshot) -> int:
    """How many bins the layer's histogram is drawn with."""
    return BINS // MERGED if layer.total < FEW else BINS


def _binned(layer: LayerSnapshot, counts: NDArray[np.int32]) -> NDArray[np.int32]:
    """A snapshot's counts in the bins that are drawn."""
    merged: NDArray[np.int32] = counts.reshape(_bins(layer), -1).sum(1, dtype=np.int32)
    return merged


def _kept(layer: LayerSnapshot) -> NDArray[np.int32]:
    return _binned(layer, layer.kept_counts)


def _tallest(layer: LayerSnapshot) -> int:
    """The tallest bar, kept and cut."""
    return int(_binned(layer, layer.kept_counts + layer.cut_counts).max())


def _is_low(layer: LayerSnapshot) -> bool:
    """Whether the survivors would hardly be seen on the scale of all weights."""
    return layer.kept < layer.total and int(_kept(layer).max()) < LOW * _tallest(layer)


def _width(layer: LayerSnapshot) -> float:
    return 2 * layer.limit / _bins(layer)


def _centres(layer: LayerSnapshot) -> list[float]:
    end = layer.limit - _width(layer) / 2
    return [float(x) for x in np.linspace(-end, end, _bins(layer))]


def _axes(layer: LayerSnapshot, number: str, across: list[float], up: list[float], *, first: bool) -> dict[str, Any]:
    """The axes of one histogram, with three tick labels each, always at the same places.

    So labels do not overlap on a phone, and a page that follows a run only has to change their text.
    """
    half = float(f"{layer.limit / 2:.6g}")
    # Mostly independent of the cut, so that the axis stays while the user moves the threshold; rounded, so that it
    # seldom changes during a run.
    low = _is_low(layer)
    tallest = int(_kept(layer).max()) if low else _tallest(layer)
    middle = math.ceil(round_up(max(1.0, tallest / 2), COARSE) if low else round_up(max(1.0, tallest / 2)))
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
        text, 0.5, 1.0, xref=f"x{number} domain", yref=f"y{number} domain", yanchor="bottom", yshift=2
    )  # fmt: skip


def _arrow(layer: LayerSnapshot, number: str) -> dict[str, Any]:
    """How far the bars go that leave the picture."""
    text = f"↑ {_narrow(int(float(f'{_tallest(layer):.2g}')))}"
    return note(text, 0.5, 1.0, xref=f"x{number} domain", yref=f"y{number} domain", yanchor="top")


def _title(snapshot: Snapshot, layers: Sequence[LayerSnapshot]) -> str:
    kept, total = sum(layer.kept for layer in layers), sum(layer.total for layer in layers)
    part = percent(kept / total)
    all_of = f"{count(total)} connections"
    if len(layers) < len(snapshot.layers):
        all_of += f" of {' and '.join(map(short, layers))}" if len(layers) < 3 else f" of {len(layers)} layers"
    if if_cut(snapshot):
        return f"{_cause(layers)} would leave {part} of {all_of}"
    if kept == total:
        return f"Dense: all {all_of}, " + ("before training" if snapshot.phase == "new" else "none is cut")
    title = f"{part} of {all_of} {'is' if kept == 1 else 'are'} left"
    lined = [layer for layer in layers[:MAX_LAYERS] if layer.threshold is not None]
    between = sum(map(_inside, lined))
    if snapshot.phase != "pruned":
        return f"{title}; {count(between)} have moved between the lines" if between > 1 else title
    if not lined or any(layer.spared for layer in lined):  # the labels say which layers were spared
        return title
    if snapshot.recipe.regrow:  # what comes back at a cut begins at zero
        return f"{title}, {count(between)} of them between the lines" if between else title
    return f"{title}, none of them between the lines"


def _cause(layers: Sequence[LayerSnapshot]) -> str:
    """What a cut is asked for: the layers' quality, if they have one."""
    qualities = [layer.quality for layer in layers if layer.quality is not None]
    if len(qualities) < len(layers):
        return "The next cut"
    alike = max(qualities) - min(qualities) < 0.005
    return f"Quality {qualities[0]:.2f}" if alike else "These qualities"


def _inside(layer: LayerSnapshot) -> int:
    """Survivors in the bins that lie between the layer's threshold lines as a whole."""
    assert layer.threshold is not None
    ends = np.abs(np.array(_centres(layer))) + _width(layer) / 2
    return int(_kept(layer)[ends <= layer.threshold].sum())
