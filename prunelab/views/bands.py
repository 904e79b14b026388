"""How many connections each input keeps, in the order of the mask's columns: the bands of the paper's figure 4."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunelab.results.snapshot import Snapshot
from prunelab.views import palette
from prunelab.views.figure import View, axis, empty, figure, if_cut, short
from prunelab.views.subjects import a_snapshot

EDGE = 1 / 8  # of an image's width on each side that counts as its border
BANDED = 0.5  # connections of a border pixel, in those of one in the middle, below which bands are plain to see
MOST_TICKS = 8


def bands(snapshot: Snapshot) -> View:
    """Connections that each pixel keeps in the first layer, one pixel after another, row by row of the image.

    The mask of that layer (view ``mask``) has these inputs as its columns; in view ``pixels`` they lie as in the image.

    Args:
        snapshot: the network to show.

    Returns:
        The view; an empty one if the first layer does not read the pixels of an image.
    """
    snapshot = a_snapshot(snapshot, "bands")
    first, shape = snapshot.layers[0], snapshot.input_shape
    mask = first.mask
    if not snapshot.reads_pixels:
        return empty("No bands: the first layer of this network does not read the pixels of an image.")
    readers = mask.sum(axis=0)
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    border, middle = _border_and_middle(readers.reshape(rows, columns))
    trace = {
        "type": "bar", "name": "connections kept", "x": list(range(len(readers))), "y": readers.tolist(), "width": 1.0,
        "marker": {"color": palette.KEPT, "line": {"width": 0}},
        "hovertemplate": f"input %{{x}}: %{{y}} of {mask.shape[0]} {first.rows}s<extra></extra>",
    }  # fmt: skip
    step = -(-rows // MOST_TICKS)
    ticks = [columns * row for row in range(0, rows, step)]
    return figure(
        [trace], _title(snapshot, border, middle, rows), bargap=0,
        xaxis=axis(
            f"input, {columns} to a row of the image", range=[-0.5, len(readers) - 0.5], tickvals=ticks,
            ticktext=[str(tick) for tick in ticks],
        ),
        yaxis=axis("connections kept", range=[0, round(1.05 * max(int(readers.max()), 1), 2)], nticks=5),
        meta={
            "summary": f"A border pixel keeps {border:.1f} of {mask.shape[0]} connections, one in the middle "
            f"{middle:.1f}; {int((readers == 0).sum())} of {len(readers)} inputs keep none."
        },
    )  # fmt: skip


def _border_and_middle(readers: NDArray[Any]) -> tuple[float, float]:
    """Connections that a pixel keeps on average in the outer columns of the image, and in those between them."""
    width = readers.shape[1]
    edge = max(round(EDGE * width), 1)
    inner = readers[:, edge : width - edge]
    outer = np.concatenate([readers[:, :edge], readers[:, width - edge :]], axis=1)
    return float(outer.mean()), float(inner.mean()) if inner.size else float(outer.mean())


def _title(snapshot: Snapshot, border: float, middle: float, rows: int) -> str:
    name, would = short(snapshot.layers[0]), if_cut(snapshot)
    if border < BANDED * middle:
        verb = "would have" if would else "has"
        return (
            f"{name} {verb} {rows} bands: {border:.1f} connections for a pixel at the border, {middle:.1f} in between"
        )
    verb = "would keep" if would else "keeps"
    return f"{name} {verb} {border:.1f} connections of a border pixel, {middle:.1f} of one in the middle"
