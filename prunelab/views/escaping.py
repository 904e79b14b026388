"""Escapes users' text in pictures: names of runs, layers and classes, which may contain anything.

plotly.js interprets some HTML in text (and TeX between dollar signs). Text for a title, a label or a hover text is
escaped here exactly once, so that it is shown as it was written. ``html.unescape`` gives the plain text back.
"""

from __future__ import annotations

import html
import itertools
import textwrap
from collections.abc import Sequence

LONGEST = 60  # characters of a name in a hover text


def escaped(text: str, most: int = LONGEST) -> str:
    """``text`` on one line, clipped to ``most`` characters, escaped so that plotly.js shows it unchanged."""
    line = _clipped(" ".join(text.split()), most)
    return html.escape(line, quote=False).replace("$", "&#36;")


def wrapped(text: str, width: int, most: int) -> str:
    """``text`` in up to ``most`` lines of up to ``width`` characters, escaped; longer text is clipped with dots."""
    lines = textwrap.wrap(" ".join(text.split()), width) or [""]
    if len(lines) > most:
        lines = [*lines[: most - 1], _clipped(" ".join(lines[most - 1 :]), width)]
    return "<br>".join(escaped(line, width) for line in lines)


def elided(text: str, most: int = LONGEST) -> str:
    """``text`` without its middle if it is longer than ``most``: names of layers differ at the start or at the end."""
    half = (most - 3) // 2
    return _without_middle(text, most - 3 - half, half)


def told_apart(names: Sequence[str], most: int) -> dict[str, str]:
    """Each name, escaped; longer ones lose a part of their middle that leaves all of them different.

    most: characters of a name, which is longer only where no such part would do.
    """
    for length in itertools.count(most):
        kept = length - 3
        for tail in sorted(range(kept + 1), key=lambda tail: abs(2 * tail - kept)):  # from the middle outwards
            short = {name: _without_middle(name, kept - tail, tail) for name in names}
            if len(set(short.values())) == len(short):
                return {name: escaped(text, len(text)) for name, text in short.items()}
    raise AssertionError("names that are not the same differ in full")


def _without_middle(text: str, head: int, tail: int) -> str:
    return text if len(text) <= head + 3 + tail else f"{text[:head]}...{text[len(text) - tail :]}"


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."
