"""Map of how many neurons still read each input (the bands of the paper's figure 4)."""

from __future__ import annotations

import numpy as np

from prunelab.formatting import percent
from prunelab.results.snapshot import Snapshot
from prunelab.views import palette
from prunelab.views.figure import View, axis, empty, figure, if_cut, short

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
    first, shape = snapshot.layers[0], snapshot.input_shape
    kept = first.mask
    if len(first.shape) == 4:
        readers = kept.sum(axis=(0, 1))
        what, most = "kernel position", first.shape[0] * first.shape[1]
        reader = "filters"
    elif len(shape) in (2, 3) and kept.ndim == 2 and kept.shape[1] == int(np.prod(shape)):
        readers = kept.sum(axis=0).reshape(-1, *shape[-2:]).sum(axis=0)
        what, most = "pixel", first.shape[0] * int(np.prod(shape[:-2]))
        reader = "neurons"
    else:
        return empty("No map: the inputs of this network are not the pixels of an image.")
    unread = int((readers == 0).sum())
    would = "would be" if if_cut(snapshot) else "is"
    if unread:
        title = f"{unread} of {readers.size} {what}s {'would be' if if_cut(snapshot) else 'are'} read by nobody"
    else:
        title = f"Every {what} {would} read by {int(readers.min())} to {int(readers.max())} of {most} {reader}"
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
        "hovertemplate": f"{what} (%{{y}}, %{{x}}): read by %{{z}} of {most} {reader}<extra></extra>",
    }
    flat = {"showgrid": False, "zeroline": False, "nticks": 5}
    return figure(
        [trace],
        title,
        xaxis=axis("column", **flat, constrain="domain", range=[-0.5, columns - 0.5]),
        yaxis=axis("row", **flat, scaleanchor="x", range=[rows - 0.5, -0.5], constrain="domain"),
        meta={"summary": f"{short(first)} keeps {percent(first.density)} of its connections."},
    )
