"""Images in views, as data links of small PNGs. As JSON numbers a mask would be fifty times as large."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prunelab.views import palette

LARGEST = 800  # cells per side; screens do not show more


@lru_cache(maxsize=8)
def mask_image(packed: bytes, rows: int, columns: int) -> str:
    """A packed mask as a PNG data link: kept connections in KEPT, cut ones in a faint CUT.

    In masks of more than 800 cells per side, blocks of cells are averaged and the colours mixed accordingly. Cached,
    because masks do not change during retraining.
    """
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=rows * columns)
    density = _shrunk(bits.reshape(rows, columns).astype(np.float32))[..., None]
    kept = np.array([*palette.rgb(palette.KEPT), 255], np.float32)
    cut = np.array([*palette.rgb(palette.CUT), 60], np.float32)
    pixels = np.round(density * kept + (1 - density) * cut).astype(np.uint8)
    image = Image.fromarray(pixels, "RGBA")
    if np.isin(density, (0.0, 1.0)).all():
        image = image.quantize(2)  # two colours: a tenth of the bytes
    return data_link(image)


def data_link(image: Image.Image) -> str:
    """The image as a PNG in a link."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=6)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def placed(source: str, columns: int, rows: int) -> dict[str, Any]:
    """An entry of ``layout.images`` that fills axes from 0 to ``columns`` and, downwards, from 0 to ``rows``."""
    return {
        "source": source, "xref": "x", "yref": "y", "x": 0, "y": 0, "sizex": columns, "sizey": rows,
        "sizing": "stretch", "layer": "below",
    }  # fmt: skip


def _shrunk(values: NDArray[np.float32]) -> NDArray[np.float32]:
    for dimension in (0, 1):
        factor = -(-values.shape[dimension] // LARGEST)
        if factor > 1:
            edges = np.arange(0, values.shape[dimension], factor)
            sizes = np.diff(np.append(edges, values.shape[dimension]))
            shape = (-1, 1) if dimension == 0 else (1, -1)
            values = (np.add.reduceat(values, edges, axis=dimension) / sizes.reshape(shape)).astype(np.float32)
    return values
