"""Gallery of the test samples that flipped from right to wrong, and of those that flipped back."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from prunelab.views import palette
from prunelab.views.escaping import escaped
from prunelab.views.figure import View, empty, figure, note
from prunelab.views.images import data_link, placed

MAX_COLUMNS = 8  # tiles per row
NAMED_COLUMNS = 4  # the same, where classes have long names
LABEL = 0.42  # height of the label under a tile, in tiles
GAP = 0.06  # between tiles, in tiles
TILE = 64  # smallest number of pixels to enlarge a tile's side to; twice as many is the most


def flips(
    images: ArrayLike,
    labels: ArrayLike,
    before: ArrayLike,
    after: ArrayLike,
    most: int = 24,
    classes: Sequence[str] | None = None,
    what: str = "digit",
) -> View:
    """A gallery of samples: first those that flipped from right to wrong, then those that flipped back.

    Args:
        images: (N, height, width) or (N, 1 or 3, height, width), 0 to 1.
        labels: (N,) true class numbers.
        before: (N,) predicted class numbers before the cut.
        after: (N,) predicted class numbers after the cut.
        most: largest number of samples to show.
        classes: names of the classes. None: their numbers.
        what: what a sample without named classes is called: "digit", "sample".

    Returns:
        The view; an empty one that says why if there are no flips, the samples are not images, or lengths differ (an
        approximate preview predicts only a part of the samples).
    """
    pixels = np.asarray(images)
    truth, old, new = (np.asarray(part).reshape(-1) for part in (labels, before, after))
    sizes = len(truth), len(old), len(new)
    if pixels.ndim == 0 or len(set(sizes)) > 1 or len(pixels) != len(truth):
        many = "no" if pixels.ndim == 0 else len(pixels)
        return empty(
            f"No gallery: lengths differ, {many} samples, {sizes[0]} labels,"
            f"<br>{sizes[1]} classes before, {sizes[2]} after."
        )
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
        return empty("No gallery: the samples of these data are no images.")
    lost = np.flatnonzero((old == truth) & (new != truth))
    back = np.flatnonzero((old != truth) & (new == truth))
    if not len(lost) and not len(back):
        return empty(f"Nothing flipped: each of {len(truth):,} samples is<br>as right or as wrong as before.")
    lettered = classes is not None and max(map(len, map(str, classes)), default=0) > 2
    most = min(most, 2 * NAMED_COLUMNS) if lettered else most
    shown_back = min(len(back), max(most // 4, most - len(lost)))  # a quarter, or more where there is room
    chosen = [*lost[: most - shown_back].tolist(), *back[:shown_back].tolist()]
    columns = NAMED_COLUMNS if lettered else min(MAX_COLUMNS, max(4, math.ceil(math.sqrt(2.5 * len(chosen)))))
    rows = -(-len(chosen) // columns)
    mosaic = _mosaic(pixels[chosen], columns, rows)
    notes, hovers = [], []
    for place, i in enumerate(chosen):
        row, column = divmod(place, columns)
        was, now = _name(int(old[i]), classes), _name(int(new[i]), classes)
        good = old[i] != truth[i]
        text = f"{escaped(was, 7)} → {escaped(now, 7)}"
        text = f"<b>{text}</b>" if good else text
        notes.append(note(text, column + 0.5, _top(row) + 1.0, yanchor="top", yshift=1))
        truly = escaped(_name(int(truth[i]), classes))
        hovers.append(f"test sample {i}: a {truly}, read as {escaped(was)} before and as {escaped(now)} now")
    hidden = {"visible": False, "fixedrange": True}
    high = rows * (1 + LABEL)
    title = _title(len(lost), len(back), what if classes is None else "sample")
    if len(chosen) < len(lost) + len(back):
        title += f"; {len(chosen)} shown"
    return figure(
        [{
            "type": "scatter", "mode": "markers", "hovertext": hovers, "hoverinfo": "text",
            "x": [place % columns + 0.5 for place in range(len(chosen))],
            "y": [_top(place // columns) + 0.5 for place in range(len(chosen))],
            "marker": {"size": 24, "color": palette.CLEAR},
        }],
        title, images=[{**placed(mosaic, columns, rows), "sizey": high}], annotations=notes,
        margin={"l": 8, "r": 8, "t": 34, "b": 4},
        xaxis={**hidden, "range": [0, columns], "constrain": "domain"},
        yaxis={**hidden, "range": [high, 0], "scaleanchor": "x", "constrain": "domain"},
        meta={"summary": _summary(old, new, lost, classes)},
    )  # fmt: skip


def _mosaic(pixels: NDArray[Any], columns: int, rows: int) -> str:
    """The images (n, 1 or 3, height, width) in a grid, as a data link of one PNG; grey ones from black to white."""
    values = pixels.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:  # normalised data: scale it to 0 to 1
        values = (values - low) / max(high - low, 1e-12)
    height, width = values.shape[2:]
    factor = max(1, TILE // max(height, width))  # browsers blur images that they enlarge
    shrink = -(-max(height, width) // (2 * TILE))
    tiles = np.round(255 * values[..., ::shrink, ::shrink]).astype(np.uint8).repeat(factor, 2).repeat(factor, 3)
    if tiles.shape[1] == 1:
        tiles = tiles.repeat(3, 1)
    high_px, wide_px = tiles.shape[2:]
    side = max(high_px, wide_px)
    cell = round(side * (1 + GAP))
    line = round(cell * (1 + LABEL))
    canvas = np.zeros((rows * line, columns * cell, 4), np.uint8)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        y = row * line + (cell - high_px) // 2
        x = column * cell + (cell - wide_px) // 2
        canvas[y : y + high_px, x : x + wide_px, :3] = tile.transpose(1, 2, 0)
        canvas[y : y + high_px, x : x + wide_px, 3] = 255
    return data_link(Image.fromarray(canvas, "RGBA"))


def _top(row: int) -> float:
    return row * (1 + LABEL)


def _name(number: int, classes: Sequence[str] | None) -> str:
    return str(classes[number]) if classes is not None and 0 <= number < len(classes) else str(number)


def _title(lost: int, back: int, what: str) -> str:
    def many(number: int) -> str:
        return f"{number:,} {what}" + ("" if number == 1 else "s")

    if not lost:
        return f"{many(back)} flipped back from wrong to right, none was lost"
    return f"{many(lost)} flipped from right to wrong, " + (f"{back:,} back (bold)" if back else "none back")


def _summary(old: NDArray[Any], new: NDArray[Any], lost: NDArray[Any], classes: Sequence[str] | None) -> str:
    """The most frequent confusions among the samples that flipped from right to wrong."""
    pairs = Counter((int(old[i]), int(new[i])) for i in lost)
    return "; ".join(
        f"{escaped(_name(was, classes))} now read as {escaped(_name(now, classes))}: {number}"
        for (was, now), number in pairs.most_common(5)
    )
