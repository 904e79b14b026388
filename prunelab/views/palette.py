"""All colours of the pictures: Okabe and Ito's palette, which is safe for all common kinds of colour blindness."""

from __future__ import annotations

KEPT = "#0072B2"  # blue: survivors, everywhere
CUT = "#E69F00"  # orange: cut weights, everywhere
DENSE = "#009E73"  # green: the dense network, for comparison
LINE = "#D55E00"  # vermilion: thresholds and previews
OTHER = "#CC79A7"  # reddish purple: the fourth item of a comparison
QUIET = "#888888"  # grey: secondary, readable on white and on black
GRID = "rgba(128,128,128,0.25)"
CLEAR = "rgba(0,0,0,0)"


def rgb(colour: str) -> tuple[int, int, int]:
    """ "#rrggbb" as (red, green, blue), each 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def faded(colour: str, alpha: float) -> str:
    """ "#rrggbb" with an opacity (0 to 1), as a CSS colour."""
    red, green, blue = rgb(colour)
    return f"rgba({red},{green},{blue},{alpha:g})"
