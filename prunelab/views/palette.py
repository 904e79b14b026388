"""The one place where colours are chosen: Okabe and Ito's, told apart under every common colour blindness."""

from __future__ import annotations

KEPT = "#0072B2"  # blue: what survives, everywhere
CUT = "#E69F00"  # orange: what is cut, everywhere
DENSE = "#009E73"  # green: the dense network, for comparison
LINE = "#D55E00"  # vermilion: thresholds, what would be
OTHER = "#CC79A7"  # reddish purple: one more of a kind, where a picture compares four
QUIET = "#888888"  # grey, readable on white and on black
GRID = "rgba(128,128,128,0.25)"
CLEAR = "rgba(0,0,0,0)"


def rgb(colour: str) -> tuple[int, int, int]:
    """ "#rrggbb" as three numbers from 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def faded(colour: str, alpha: float) -> str:
    """ "#rrggbb" with an opacity, as CSS writes it."""
    red, green, blue = rgb(colour)
    return f"rgba({red},{green},{blue},{alpha:g})"
