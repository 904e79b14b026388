"""Small pictures for the results of checks: SVG with a text that says the same."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from prunelab.views.palette import CUT, KEPT, LINE, QUIET

WIDTH, HEIGHT = 420, 170
LEFT, BOTTOM, TOP = 12, 28, 26
BINS = 41


@dataclass(frozen=True)
class Picture:
    """svg: a whole SVG document. alt: what it shows, in a sentence."""

    svg: str
    alt: str

    @property
    def html(self) -> str:
        """An image element. As data, so that no page's style reaches into it and no sanitiser takes it apart."""
        data = base64.b64encode(self.svg.encode()).decode()
        return (
            f'<img src="data:image/svg+xml;base64,{data}" alt="{html.escape(self.alt, quote=True)}" '
            f'style="max-width: 100%; width: {WIDTH}px; background: #fff; border-radius: 4px">'
        )


def histogram(values: ArrayLike, lines: Sequence[tuple[str, float, str]], alt: str) -> Picture:
    """A histogram of finite ``values`` with vertical ``lines``: (label, position, colour), shown at both signs."""
    numbers = np.asarray(values, dtype=np.float64).ravel()
    reach = max([1e-9, float(np.abs(numbers).max(initial=0)), *(abs(at) for _, at, _ in lines if np.isfinite(at))])
    counts, edges = np.histogram(numbers, bins=BINS, range=(-reach, reach))
    tall = max(int(counts.max()), 1)
    parts = []
    for count, begin, end in zip(counts, edges[:-1], edges[1:], strict=True):
        height = (HEIGHT - BOTTOM - TOP) * count / tall
        parts.append(
            f'<rect x="{_x(begin, reach):.1f}" y="{HEIGHT - BOTTOM - height:.1f}" '
            f'width="{max(_x(end, reach) - _x(begin, reach) - 1, 1):.1f}" height="{height:.1f}" fill="{QUIET}"/>'
        )
    for row, (label, at, colour) in enumerate(line for line in lines if np.isfinite(line[1])):
        for position in {at, -at}:
            x = _x(position, reach)
            dashed = ' stroke-dasharray="5 4"' if row else ""
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{colour}" '
                f'stroke-width="2"{dashed}/>'
            )
        parts.append(_text(LEFT + row * WIDTH / 2, 16, f"{'- -' if row else '—'} {label}", colour))
    parts.append(_text(WIDTH / 2, HEIGHT - 8, "weight", "#333", "middle"))
    parts += [
        _text(_x(side * reach, reach), HEIGHT - 8, f"{side * reach:.3g}", "#333", anchor)
        for side, anchor in ((-1, "start"), (1, "end"))
    ]
    return _document(parts, alt)


def cells(yours: ArrayLike, ours: ArrayLike, alt: str) -> Picture:
    """Two masks of the same two-dimensional shape beside each other; where they differ, a frame."""
    masks = [np.atleast_2d(np.asarray(mask, dtype=bool)) for mask in (yours, ours)]
    rows, columns = masks[0].shape
    side = min((WIDTH / 2 - 2 * LEFT) / columns, (HEIGHT - TOP - LEFT) / rows)
    differ = masks[0] != masks[1]
    parts = []
    for place, (label, mask) in enumerate(zip(("yours", "ours"), masks, strict=True)):
        left = LEFT + place * WIDTH / 2
        parts.append(_text(left, 16, label, "#333"))
        for row, column in np.ndindex(rows, columns):
            frame = f' stroke="{LINE}" stroke-width="2"' if differ[row, column] else ""
            parts.append(
                f'<rect x="{left + column * side + 1.5:.1f}" y="{TOP + row * side + 1.5:.1f}" '
                f'width="{side - 3:.1f}" height="{side - 3:.1f}" fill="{KEPT if mask[row, column] else CUT}"{frame}/>'
            )
    return _document(parts, alt)


def steps(yours: Sequence[float], ours: Sequence[float], alt: str) -> Picture:
    """Two series of numbers from 0 to 1, one value a round."""
    parts = []
    most = max(len(yours), len(ours), 2)
    for row, (label, series, colour) in enumerate((("yours", yours, LINE), ("ours", ours, KEPT))):
        points = [
            (LEFT + 20 + (WIDTH - 60) * i / (most - 1), TOP + (HEIGHT - BOTTOM - TOP) * (1 - min(max(value, 0), 1)))
            for i, value in enumerate(series)
            if np.isfinite(value)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashed = ' stroke-dasharray="5 4"' if row else ""
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
        parts.append(_text(LEFT + row * WIDTH / 2, 16, f"{'- -' if row else '—'} {label}", colour))
    parts.append(_text(WIDTH / 2, HEIGHT - 8, "round", "#333", "middle"))
    parts += [_text(LEFT, TOP + 5, "1", "#333"), _text(LEFT, HEIGHT - BOTTOM + 5, "0", "#333")]
    parts += [
        _text(LEFT + 20, HEIGHT - 8, "1", "#333", "middle"),
        _text(WIDTH - 40, HEIGHT - 8, f"{most}", "#333", "middle"),
    ]
    return _document(parts, alt)


def _x(value: float, reach: float) -> float:
    return LEFT + (WIDTH - 2 * LEFT) * (value + reach) / (2 * reach)


def _text(x: float, y: float, text: str, colour: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" font-size="13" '
        f'font-family="sans-serif">{html.escape(text)}</text>'
    )


def _document(parts: Sequence[str], alt: str) -> Picture:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
    return Picture(f"{head}<title>{html.escape(alt)}</title>{''.join(parts)}</svg>", alt)
