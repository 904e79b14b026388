"""The palette: told apart by every common kind of eye, and readable on both grounds."""

from itertools import combinations

import numpy as np
import pytest

from prunelab.views import palette

# Machado, Oliveira and Fernandes 2009, table of matrices, severity 1.0, on linear RGB.
KINDS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "full sight": np.eye(3),
}
COLOURS = {name: getattr(palette, name) for name in ("KEPT", "CUT", "DENSE", "LINE", "OTHER")}


def linear(colour):
    values = np.array(palette.rgb(colour)) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE L*a*b* under D65."""
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    x, y, z = np.cbrt(np.clip(to_xyz @ np.clip(rgb, 0, 1), 1e-6, None) / [0.95047, 1.0, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def luminance(colour):
    return float(np.array([0.2126, 0.7152, 0.0722]) @ linear(colour))


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_any_two_colours_stay_apart(kind):
    seen = {name: lab(np.array(KINDS[kind]) @ linear(colour)) for name, colour in COLOURS.items()}
    for a, b in combinations(seen, 2):
        distance = float(np.linalg.norm(seen[a] - seen[b]))
        assert distance > (25 if {a, b} == {"KEPT", "CUT"} else 11), f"{a} and {b}: {distance:.0f}"


@pytest.mark.parametrize("ground", ["#ffffff", "#eeeeee", "#212121", "#424242"])
def test_lines_and_quiet_marks_are_seen_on_every_ground(ground):
    for name in ("LINE", "QUIET", "DENSE"):
        assert contrast(getattr(palette, name), ground) > 2.2, name
    assert max(contrast(palette.KEPT, ground), contrast(palette.CUT, ground)) > 3, "one of the two carries the picture"
