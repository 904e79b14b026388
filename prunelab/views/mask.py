"""One layer's connections as an image, a row for each output, a column for each input."""

from __future__ import annotations

from prunelab.formatting import percent
from prunelab.results.snapshot import Snapshot
from prunelab.views.figure import View, axis, figure, if_cut, short
from prunelab.views.images import mask_image, placed


def mask(snapshot: Snapshot, layer: str | None = None) -> View:
    """The mask of ``layer`` (parameter name; the first if not given). KeyError for a name that is no layer.

    Filters are unrolled: a row of a convolution has channels x height x width columns.
    """
    chosen = snapshot.layer(layer) if layer else snapshot.layers[0]
    kept = chosen.mask.reshape(chosen.shape[0], -1)
    rows, columns = kept.shape
    silent_rows, unread = int((~kept.any(1)).sum()), int((~kept.any(0)).sum())
    would = "would be " if if_cut(snapshot) else ""
    title = f"{short(chosen)}: {percent(1 - chosen.density)} {would}cut"
    if silent_rows or unread:
        title += f", {silent_rows} of {rows} neurons without input, {unread} inputs unread"
    # Zoomed by dragging a box, back by a double click: a mask has more cells than a panel has pixels.
    flat = {"showgrid": False, "zeroline": False, "nticks": 5, "fixedrange": False}
    view = figure(
        # Plotly draws images only beside a trace; an invisible point carries the axes.
        [{"type": "scatter", "x": [None], "y": [None], "hoverinfo": "skip"}],
        title,
        xaxis=axis("input", range=[0, columns], **flat),
        yaxis=axis("neuron" if len(chosen.shape) == 2 else "filter", range=[rows, 0], **flat),
        images=[placed(mask_image(chosen.packed, rows, columns), columns, rows)],
    )
    return view
