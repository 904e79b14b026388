"""Converts colours, lines, text and images of views to matplotlib's terms."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

DASHES: dict[str, Any] = {"dash": (0, (4, 2)), "longdash": (0, (7, 2)), "dot": (0, (1, 1.5)), "solid": "-"}
SYMBOLS = {
    "circle": "o", "square": "s", "triangle-up": "^", "triangle-down": "v", "cross": "P", "x": "X", "star": "*",
    "pentagon": "p", "diamond": "D", "line-ew": "_",
}  # fmt: skip
MIN_PIXELS = 1200  # per side of an image

Colour = tuple[float, float, float, float]


def colour(text: str) -> Colour:
    """ "#rrggbb", "rgb(...)" or "rgba(...)" as (red, green, blue, alpha), each 0 to 1. ValueError for anything else."""
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return red, green, blue, 1.0
    match = re.fullmatch(r"rgba?\(([\d.]+),\s*([\d.]+),\s*([\d.]+)(?:,\s*([\d.]+))?\)", text)
    if match is None:
        raise ValueError(f"colour {text!r}: must be #rrggbb or rgba(r,g,b,a)")
    red, green, blue = (float(part) / 255 for part in match.groups()[:3])
    return red, green, blue, float(match[4] or 1)


def marker_style(marker: Mapping[str, Any]) -> tuple[str, bool, float]:
    """(matplotlib's symbol, whether it is hollow, width of its edge in pixels) of a trace's marker.

    Raises ValueError for a symbol that has no twin here.
    """
    name = marker.get("symbol", "circle")
    shape = name.removesuffix("-open")
    if shape not in SYMBOLS:
        raise ValueError(f"symbol {name!r} has no twin in print; known are {', '.join(SYMBOLS)}, and each with -open")
    hollow = shape != name
    # Symbols of single lines are nothing but edge.
    return SYMBOLS[shape], hollow, marker.get("line", {}).get("width", 1 if hollow or shape == "line-ew" else 0)


def words(text: str) -> str:
    """Text of a view without markup, with dollar signs escaped, which would start a formula."""
    return unescape(re.sub(r"</?(?:b|i|sub|sup)>", "", text.replace("<br>", "\n"))).replace("$", r"\$")


def cells(axes: Axes, pixels: NDArray[Any], extent: tuple[float, float, float, float]) -> None:
    """Draw an image with sharp cell edges: it is enlarged here, because PDF viewers blur images that they enlarge."""
    for dimension in (0, 1):
        pixels = pixels.repeat(max(1, MIN_PIXELS // pixels.shape[dimension]), axis=dimension)
    axes.imshow(pixels, extent=extent, interpolation="none", aspect="auto", origin="upper")


def pixels(source: str) -> NDArray[np.uint8]:
    """The image in a data link, as (rows, columns, RGBA)."""
    raw = base64.b64decode(source.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(raw)).convert("RGBA"))
