"""Map of how many neurons still read each input (the bands of the paper's figure 4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunelab.formatting import percent
from prunelab.results.snapshot import Snapshot
from prunelab.views import palette
from prunelab.views.figure import View, axis, empty, figure, if_cut, short
from prunelab.views.subjects import a_snapshot

# Pixels without a reader have the colour of cut; the others fade in to the colour of kept.
SCALE = [
    [0.0, palette.faded(palette.CUT, 0.8)],
    [1e-6, palette.faded(palette.KEPT, 0.06)],
    [1.0, palette.KEPT],
]


def pixels(snapshot: Snapshot) -> View:
    """How many neurons of the first layer read each pixel or, for a convolution, each position of the kernel.

    Args:
        snapshot: the network to show.

    Returns:
        The view; an empty one if the inputs are not images.
    """
    snapshot = a_snapshot(snapshot, "pixels")
    first, shape = snapshot.layers[0], snapshot.input_shape
    kept = first.mask
    if len(first.shape) == 4:
        readers = kept.sum(axis=(0, 1))
        what, most = "kernel position", first.shape[0] * first.shape[1]
        reader = "filter" if first.shape[1] == 1 else "connection"
    elif snapshot.reads_pixels:
        readers = kept.sum(axis=0).reshape(-1, *shape[-2:]).sum(axis=0)
        what, most = "pixel", first.shape[0] * int(np.prod(shape[:-2]))
        reader = first.rows if most == first.shape[0] else "connection"
    else:
        return empty("No map: the inputs of this network are not the pixels of an image.")
    title = _title(readers, most, what, reader, would=if_cut(snapshot))
    rows, columns = readers.shape
    trace = {
        "type": "heatmap",
        "z": readers.tolist(),
        "zmin": 0,
        "zmax": most,
        "colorscale": SCALE,
        "showscale": False,
        "xgap": 0.5,
        "ygap": 0.5,
        "hovertemplate": f"{what} (%{{y}}, %{{x}}): read by %{{z}} of {most} {reader}s<extra></extra>",
    }
    flat = {"showgrid": False, "zeroline": False, "nticks": 5}
    return figure(
        [trace],
        title,
        xaxis=axis("column", **flat, constrain="domain", range=[-0.5, columns - 0.5]),
        yaxis=axis("row", **flat, scaleanchor="x", range=[rows - 0.5, -0.5], constrain="domain"),
        meta={"summary": f"{short(first)} keeps {percent(first.density)} of its connections."},
    )


def _title(readers: NDArray[Any], most: int, what: str, reader: str, *, would: bool) -> str:
    unread, least, largest = int((readers == 0).sum()), int(readers.min()), int(readers.max())
    if unread:
        verb = "would be" if would else "is" if unread == 1 else "are"
        return f"{unread} of {readers.size} {what}s {verb} read by nobody"
    verb = "would be" if would else "is"
    if least == most:
        return f"Every {what} {verb} read by all {most} {reader}s"
    span = f"{least}" if least == largest else f"{least} to {largest}"
    return f"Every {what} {verb} read by {span} of {most} {reader}s"
