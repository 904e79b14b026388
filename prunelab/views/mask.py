"""One layer's mask as an image, with a row per output and a column per input."""

from __future__ import annotations

from prunelab.formatting import percent
from prunelab.results.snapshot import Snapshot
from prunelab.views.figure import View, axis, figure, if_cut, short
from prunelab.views.images import mask_image, placed
from prunelab.views.subjects import a_snapshot


def mask(snapshot: Snapshot, layer: str | None = None) -> View:
    """One layer's mask as an image. Filters are unrolled: a convolution has channels x height x width columns.

    Args:
        snapshot: the network to show.
        layer: parameter name of the layer. None: the first.

    Raises:
        KeyError: the name is not a layer.
    """
    snapshot = a_snapshot(snapshot, "mask")
    chosen = snapshot.layer(layer) if layer else snapshot.layers[0]
    kept = chosen.mask.reshape(chosen.shape[0], -1)
    rows, columns = kept.shape
    silent_rows, unread = int((~kept.any(1)).sum()), int((~kept.any(0)).sum())
    would = "would be " if if_cut(snapshot) else ""
    title = f"{short(chosen)}: {percent(1 - chosen.density)} {would}cut"
    flat_layer = chosen.rows == "neuron"  # rows of others may be gates, or a ConvTranspose's inputs
    words = ("neurons without input", "inputs unread") if flat_layer else ("rows empty", "columns empty")
    found = [f"{n} of {of} {word}" for n, of, word in zip((silent_rows, unread), kept.shape, words, strict=True) if n]
    title = ", ".join([title, *found])
    # Zoom by dragging a box, reset by a double click: a mask has more cells than a panel has pixels.
    flat = {"showgrid": False, "zeroline": False, "nticks": 5, "fixedrange": False}
    return figure(
        # plotly draws images only if there is a trace: an invisible point carries the axes.
        [{"type": "scatter", "x": [None], "y": [None], "hoverinfo": "skip"}],
        title,
        xaxis=axis("input", range=[0, columns], **flat),
        yaxis=axis("neuron" if flat_layer else "row of the weight", range=[rows, 0], **flat),
        meta={"cells": [columns, rows]},
        images=[placed(mask_image(chosen.packed, rows, columns), columns, rows)],
    )
