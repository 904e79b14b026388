"""Escapes users' text in pictures: names of runs, layers and classes, which may contain anything.

plotly.js interprets some HTML in text (and TeX between dollar signs). Text for a title, a label or a hover text is
escaped here exactly once, so that it is shown as it was written. ``html.unescape`` gives the plain text back.
"""

from __future__ import annotations

import html
import textwrap

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
    return text if len(text) <= most else f"{text[:half]}...{text[-half:]}"


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."
