"""A sheet to draw a digit on, and the conversion of a drawing to an image like those of the data sets.

Callbacks (``draw.observe(callback, "value")``, ``on_example``) run on the thread that the page's message came in on:
they must only put a command on a queue.

Data attributes, set by drawing.js on the element ``.prunelab-draw``: ``data-state`` is "blank", "drawn" or "drawing"
(the pen is down), ``data-inked`` counts cells with ink, ``data-cursor`` is the keyboard's cell, "row,column" from 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray

from prunelab.lab.widgets.shared_looks import SharedLooks
from prunelab.lab.widgets.whole_state import WholeState
from prunelab.resources import joined_script

HERE = Path(__file__).parent
LARGEST = 256  # cells per side

# The 8 x 8 digits are NIST's 32 x 32 bitmaps, in which every character is scaled to 32 rows and 20 columns, counted in
# blocks of 4 x 4. The stretch of narrow ones is limited: a 1 stays narrower than a 0.
SMALL = 16  # largest side in cells for which drawings are prepared like the 8 x 8 digits
SMALL_WIDTH = 5 / 8  # of the sheet's width
STRETCH = 1.5  # largest ratio of horizontal to vertical scale
# MNIST: scaled into a box of 20 x 20, then moved by whole pixels in the 28 x 28 image so that the centre of mass is in
# the pixel (14, 14).
BOX = 5 / 7  # of the sheet's side


class Drawing(WholeState, SharedLooks, anywidget.AnyWidget):
    """A sheet of ``size`` = (height, width) cells, as many as the network's input has; each side 1 to 256.

    value: uint8, row-major, height * width bytes, 0 (paper) to 255 (ink): the drawing, each cell the average of its
    area. Assign to it to show a picture. Setting ``size`` blanks the sheet.
    ink: the same drawing with ``detail`` x ``detail`` times the cells, synced with the page at most once per frame.
    ``prepared(ink, size)`` is the network's input: 8 x 8 cells alone are too few to enlarge a small drawing to a
    readable digit.
    """

    _esm = joined_script(HERE / "drawing.js")
    _css = HERE / "drawing.css"

    size = traitlets.Tuple(traitlets.Int(), traitlets.Int(), default_value=(8, 8)).tag(sync=True)
    detail = traitlets.Int(help="cells of ink a cell's side; follows from size", read_only=True).tag(sync=True)
    brush = traitlets.Float(help="radius of the pen in cells; follows from size", read_only=True).tag(sync=True)
    ink = traitlets.Bytes().tag(sync=True, from_json=lambda value, widget: widget._received(value))
    value = traitlets.Bytes()
    example = traitlets.Bool(False, help="offer an example: someone listens, see on_example").tag(sync=True)
    label = traitlets.Unicode("drawing", help="the sheet's name").tag(sync=True)

    def __init__(self, size: tuple[int, int] = (8, 8), value: bytes | None = None, **traits: Any) -> None:
        super().__init__(size=size, **traits)
        self._example_callbacks: list[Callable[[], None]] = []
        self.on_msg(self._told)
        if value is not None:
            self.value = value

    def clear(self) -> None:
        self.value = bytes(len(self.value))

    def prepared(self) -> NDArray[np.float32]:
        """The drawing as input for the network: ``prepared(ink, size)``."""
        return prepared(self.ink, self.size)

    def on_example(self, callback: Callable[[], None]) -> None:
        """Offer the button "An example". ``callback`` must cause ``value`` to be set soon."""
        self._example_callbacks.append(callback)
        self.example = True

    def _told(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if isinstance(content, dict) and content.get("kind") == "example":
            for callback in self._example_callbacks:
                callback()

    def _received(self, value: Any) -> bytes:
        # Ink of another length was drawn before the sheet changed its size: ignored.
        return bytes(value) if len(value) == len(self.ink) else self.ink

    @traitlets.validate("size")
    def _check_size(self, proposal: dict[str, Any]) -> tuple[int, int]:
        if not all(1 <= side <= LARGEST for side in proposal["value"]):
            raise traitlets.TraitError(f"size = {proposal['value']!r} must be (height, width), each 1 to {LARGEST}")
        return proposal["value"]

    @traitlets.validate("value")
    def _check_value(self, proposal: dict[str, Any]) -> bytes:
        return self._checked("value", proposal["value"], 1)

    @traitlets.validate("ink")
    def _check_ink(self, proposal: dict[str, Any]) -> bytes:
        return self._checked("ink", proposal["value"], self.detail)

    def _checked(self, name: str, value: bytes, detail: int) -> bytes:
        height, width = self.size
        if len(value) != height * width * detail**2:
            cells = f"{height} x {width} cells" + (f" x {detail}**2" if detail > 1 else "")
            raise traitlets.TraitError(f"{name} has {len(value)} bytes; {cells} are {height * width * detail**2}")
        return value

    @traitlets.observe("size")
    def _clear_for_size(self, _change: Any) -> None:
        with self.hold_sync():
            self.set_trait("detail", self._detail())
            self.set_trait("brush", self._brush())
            self.ink = self._blank_ink()
            self.value = self._blank_value()

    # ``ink`` and ``value`` follow each other; the recursion ends because the second finds nothing to change.
    @traitlets.observe("ink")
    def _follow_ink(self, _change: Any) -> None:
        self.value = self._averaged()

    @traitlets.observe("value")
    def _follow_value(self, _change: Any) -> None:
        if self._averaged() != self.value:
            cells = np.frombuffer(self.value, np.uint8).reshape(self.size)
            self.ink = np.kron(cells, np.ones((self.detail, self.detail), np.uint8)).tobytes()

    def _averaged(self) -> bytes:
        height, width = self.size
        cells = np.frombuffer(self.ink, np.uint8).reshape(height, self.detail, width, self.detail)
        return np.rint(cells.mean((1, 3))).astype(np.uint8).tobytes()

    @traitlets.default("detail")
    def _detail(self) -> int:
        return detail_of(self.size)

    @traitlets.default("brush")
    def _brush(self) -> float:
        # As wide as the strokes of the two data sets after the drawing is scaled likewise: 0.5 of 8 cells, 1.4 of 28.
        return 0.14 + 0.045 * max(self.size)

    @traitlets.default("ink")
    def _blank_ink(self) -> bytes:
        return bytes(cells_of_ink(self.size))

    @traitlets.default("value")
    def _blank_value(self) -> bytes:
        return bytes(math.prod(self.size))


def detail_of(size: tuple[int, int]) -> int:
    """Cells of ink a side of a cell. 8 x 8: the 32 x 32 of the bitmaps; 28 x 28: 56 x 56."""
    return max(1, min(4, 56 // max(size)))


def cells_of_ink(size: tuple[int, int]) -> int:
    """Bytes of the ink of a sheet of (height, width) cells."""
    return math.prod(size) * detail_of(size) ** 2


def prepared(value: bytes | NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """A drawing as an image like those of the data sets: float32 (height, width), 0 (paper) to 1 (ink).

    A blank drawing stays blank.

    value: uint8, an array of two dimensions, or bytes, row-major, of height * width cells or of k x k times as many.
    size: (height, width), both at least 1. Up to 16 x 16 cells the ink is scaled to the full height and at most 5/8 of
    the width (stretched at most 1.5 times) and centred, as in the 8 x 8 digits; above, it is scaled into a box of 5/7
    of the sheet with its proportions kept, and its centre of mass is centred, as in MNIST.
    Every cell is the average over its area. Raises ValueError for bytes that fit no such grid.
    Sources: scikit-learn's load_digits and NIST's form-based handprint recognition; Y. LeCun's page on MNIST.
    """
    height, width = size
    picture = _grid(value, size).astype(np.float64) / 255
    if not picture.any():
        return np.zeros(size, np.float32)
    rows, columns = (np.flatnonzero(picture.any(axis)) for axis in (1, 0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    if max(size) <= SMALL:
        down = height / (bottom - top)
        across = min(width * SMALL_WIDTH / (right - left), down * STRETCH)
        starts = (height - down * (bottom - top)) / 2, (width - across * (right - left)) / 2
    else:
        down = across = min(height * BOX / (bottom - top), width * BOX / (right - left))
        starts = (
            _start(picture.sum(1)[top:bottom], down, height),
            _start(picture.sum(0)[left:right], across, width),
        )
    ink = picture[top:bottom, left:right]
    scaled = (
        _averages(ink.shape[0], height, starts[0], down) @ ink @ _averages(ink.shape[1], width, starts[1], across).T
    )
    return np.clip(scaled, 0, 1).astype(np.float32)


def _grid(value: bytes | NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if isinstance(value, np.ndarray):
        if value.ndim != 2 or value.dtype != np.uint8:
            raise ValueError(f"a drawing is uint8 of two dimensions, not {value.dtype} of shape {value.shape}")
        return value
    height, width = size
    detail = math.isqrt(len(value) // (height * width))
    if detail == 0 or len(value) != height * width * detail**2:
        raise ValueError(f"{len(value)} bytes are no drawing of {height} x {width} cells, nor of k x k times as many")
    return np.frombuffer(value, np.uint8).reshape(height * detail, width * detail)


def _start(mass: NDArray[np.float64], scale: float, cells: int) -> float:
    """Start in cells of ink with this mass along an axis, so that its centre is centred and nothing is cut off."""
    centre = scale * ((np.arange(len(mass)) + 0.5) @ mass) / mass.sum()
    # The centre is in pixel cells // 2, as in MNIST (14 of 0 to 27); a whole pixel, so that edges stay sharp.
    return float(np.clip(np.rint(cells // 2 + 0.5 - centre), 0, cells - scale * len(mass)))


def _averages(source: int, target: int, start: float, scale: float) -> NDArray[np.float64]:
    """(target, source) weights: each target cell is the average of the source under it, scaled and put at ``start``."""
    edges = (np.arange(target + 1) - start) / scale  # of the target's cells, measured in the source's
    cells = np.arange(source)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    return np.clip(overlap, 0, None) * scale
