"""Weights before cutting and after retraining, one above the other: one peak, then two (the paper's figure 7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunelab.formatting import as_list, count, percent
from prunelab.results.snapshot import BINS, LayerSnapshot, Snapshot
from prunelab.views import palette
from prunelab.views.figure import View, axis, domain, empty, figure, if_cut, note, short
from prunelab.views.subjects import a_history

MAX_LAYERS = 4  # more columns are unreadable
SMOOTHED = 5  # bins that are averaged before peaks are counted: single bins are noise
VALLEY = 0.5  # height between two peaks, in that of the lower one, below which they are two
FEW = 10  # survivors per bin below which the shape of a layer is noise
GAP = 0.07  # between two columns, in widths of the plot


def distribution(history: Iterable[Snapshot], layers: str | Sequence[str] | None = None) -> View:
    """Histograms of the survivors of up to four layers: dense on top, as they are now below, in the same bins.

    Source: Han et al. 2015, section 5, figure 7.

    Args:
        history: the snapshots of the run, oldest first; the last dense one and the last of all are shown.
        layers: parameter names of the layers to show (a string is one). None: the first four.

    Returns:
        The view; an empty one if nothing is cut yet, or the dense network is not in the history, or there was none.

    Raises:
        KeyError: a name is not a layer.
    """
    history = a_history(history, "distribution")
    dense = next((s for s in reversed(history) if s.phase == "trained"), None)
    if dense is not None and dense.kept < dense.total:
        return empty("No dense network to compare with: this one had zeros from the start.")
    if dense is None or history[-1].kept == history[-1].total:
        return empty("Nothing to compare yet: the weights after a cut<br>stand here below those of the dense network.")
    now = history[-1]
    names = as_list(layers) if layers else [layer.name for layer in now.layers]
    shown = names[:MAX_LAYERS]
    data: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    notes = []
    for i, name in enumerate(shown):
        pair = dense.layer(name), now.layer(name)
        limit = max(layer.limit for layer in pair)
        across = domain(i, len(shown), GAP)
        for row, layer in enumerate(pair):
            number = str(2 * i + row + 1) if i or row else ""
            counts = rebinned(layer.kept_counts, layer.limit, limit)
            colour, when = (palette.KEPT, now.moment) if row else (palette.DENSE, "dense")
            data.append(_bars(counts, limit, colour, f"{short(layer)}, {when}", number))
            axes |= _axes(counts, limit, number, across, row, first=i == 0)
            place = {"xref": f"x{number} domain", "yref": f"y{number} domain"}
            text = f"<b>{short(layer)}</b> dense" if row == 0 else f"{percent(layer.density)} kept"
            notes.append(note(text, 0.5, 1.0, yanchor="bottom", yshift=2) | place)
    more = f" ({len(shown)} of {len(names)} layers shown)" if len(names) > len(shown) else ""
    parts = [f"{short(now.layer(name))}: {_peaks_in_words(dense.layer(name), now.layer(name))}" for name in shown]
    return figure(
        data, _title(now, shown, dense) + more, bargap=0, annotations=notes,
        margin={"l": 48, "r": 12, "t": 58, "b": 40}, meta={"summary": "; ".join(parts) + ".", "rows": 2}, **axes,
    )  # fmt: skip


def rebinned(counts: NDArray[np.int32], own: float, limit: float) -> NDArray[np.float64]:
    """Counts of BINS bins over [-own, own], in BINS bins over [-limit, limit]; own <= limit.

    The weights of a bin that lies in several new ones are shared out by their widths: all of them are still counted.
    """
    if own == limit:
        return counts.astype(float)
    ends = np.linspace(-own, own, BINS + 1)
    below = np.concatenate([[0.0], np.cumsum(counts, dtype=float)])
    return np.diff(np.interp(np.linspace(-limit, limit, BINS + 1), ends, below))


def peaks(counts: NDArray[Any]) -> int:
    """2 if a histogram over [-limit, limit] has a peak on each side of a valley around zero, else 1."""
    smooth = np.convolve(counts, np.full(SMOOTHED, 1 / SMOOTHED), mode="same")
    middle = len(smooth) // 2
    sides = float(smooth[: middle - 1].max()), float(smooth[middle + 2 :].max())
    return 2 if min(sides) > 0 and float(smooth[middle]) < VALLEY * min(sides) else 1


def _bars(counts: NDArray[np.float64], limit: float, colour: str, name: str, number: str) -> dict[str, Any]:
    width = 2 * limit / BINS
    centres = np.linspace(-limit + width / 2, limit - width / 2, BINS)
    return {
        "type": "bar", "name": name, "x": centres.round(6).tolist(), "y": counts.round(1).tolist(), "width": width,
        "marker": {"color": colour, "line": {"width": 0}}, "xaxis": f"x{number}", "yaxis": f"y{number}",
        "hovertemplate": f"{name}: %{{y:,.0f}} near %{{x:.3f}}<extra></extra>",
    }  # fmt: skip


def _axes(
    counts: NDArray[np.float64], limit: float, number: str, across: list[float], row: int, *, first: bool
) -> dict[str, Any]:
    half = float(f"{limit / 2:.6g}")
    ticks = {"tickvals": [-half, 0, half], "ticktext": [f"−{half:g}", "0", f"{half:g}"], "tickangle": 0}
    up = [0.0, 0.4] if row else [0.57, 1.0]
    return {
        f"xaxis{number}": axis(
            "weight" if row else "", domain=across, anchor=f"y{number}", showgrid=False, range=[-limit, limit], **ticks
        ),
        f"yaxis{number}": axis(
            "connections" if first and row else "", domain=up, anchor=f"x{number}", nticks=4,
            range=[0, round(1.05 * max(float(counts.max()), 1.0), 1)],
        ),
    }  # fmt: skip


def _shape(layer: LayerSnapshot) -> int | None:
    """The number of peaks; None where there are too few survivors to say."""
    return peaks(layer.kept_counts) if layer.kept >= FEW * BINS / 2 else None


def _title(now: Snapshot, names: Sequence[str], dense: Snapshot) -> str:
    """The finding: where one peak has become two."""
    cut = now.phase == "pruned" or now.only_cut
    after = "after this cut" if if_cut(now) else "after the cut" if cut else "after retraining"
    split = [now.layer(n) for n in names if _shape(dense.layer(n)) == 1 and _shape(now.layer(n)) == 2]
    if split:
        listed = "every layer" if len(split) == len(names) > 1 else " and ".join(map(short, split[:2]))
        listed = listed if len(split) <= 2 or len(split) == len(names) else f"{len(split)} layers"
        return f"One peak in the dense network, two {after}: {listed}"
    kept = f"{percent(now.density)} of the weights {'would be' if if_cut(now) else 'are'} left {after}"
    return f"{kept}; no layer is seen to go from one peak to two"


def _peaks_in_words(dense: LayerSnapshot, now: LayerSnapshot) -> str:
    words = {1: "one peak", 2: "two peaks", None: "too few for a shape"}
    return f"dense {words[_shape(dense)]}, now {words[_shape(now)]} of {count(now.kept)} survivors"
