"""What a check says: an outcome, a sentence, and a picture where it says more."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prunelab.lessons.picture import Picture
from prunelab.views.palette import CUT, DENSE, LINE, QUIET

Outcome = Literal["right", "wrong", "not begun", "stopped"]

HEADINGS: dict[Outcome, tuple[str, str]] = {  # word and colour; never the colour alone
    "right": ("Right", DENSE),
    "wrong": ("Not yet", CUT),
    "not begun": ("Not begun", QUIET),
    "stopped": ("Stopped", LINE),
}
SURPRISE = "A surprise"  # in place of "not yet" for a guess
CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """The result of a check; true if the answer is right. A notebook shows it as a box with its sentence.

    Args:
        outcome: "right", "wrong", "not begun", or "stopped": an error, or no end within the time limit.
        says: A sentence on it; code stands between backticks.
        picture: Where it says more.
        function: The student's function if it is right, with its answers in the form that the lesson goes on with (a
            NumPy mask as a tensor); else ours, so that later cells run. None for guesses.
        arguments: Those of the call in question: ``threshold(*result.arguments)`` repeats it. None without one.
        printed: What the function printed, from the beginning.
        guess: Whether it is of a guess, which can't fail: a wrong one is a surprise.
    """

    outcome: Outcome
    says: str
    picture: Picture | None = None
    function: Callable[..., Any] | None = None
    arguments: tuple[Any, ...] | None = None
    printed: str = ""
    guess: bool = False

    def __bool__(self) -> bool:
        return self.outcome == "right"

    @property
    def heading(self) -> str:
        """The outcome in a word or two."""
        return SURPRISE if self.outcome == "wrong" and self.guess else HEADINGS[self.outcome][0]

    def __repr__(self) -> str:
        lines = [f"{self.heading}: {self.says.replace('`', '')}"]
        if self.picture:
            lines.append(f"[picture: {self.picture.alt}]")
        if self.printed:
            lines.append(f"It printed:\n{self.printed}")
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        parts = [f"<p style='margin: 0'><strong>{self.heading}.</strong> {marked_up(self.says)}</p>"]
        if self.picture:
            parts.append(f"<p style='margin: 0.6em 0 0'>{self.picture.html}</p>")
        if self.printed:
            parts.append(f"<p style='margin: 0.6em 0 0'>It printed:</p><pre>{html.escape(self.printed)}</pre>")
        return {"text/plain": repr(self), "text/html": boxed(parts, HEADINGS[self.outcome][1])}


@dataclass(frozen=True, eq=False, repr=False)
class Note:
    """Words for a notebook: a hint, a solution. folded: they are shown on a click; code: preformatted lines."""

    heading: str
    text: str = ""
    code: str = ""
    folded: bool = False

    def __repr__(self) -> str:
        words = f"{self.heading}: {self.text}" if self.text else self.heading
        return "\n".join(filter(None, (words.replace("`", ""), self.code)))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        text = marked_up(self.text)
        code = f"<pre style='overflow-x: auto'><code>{html.escape(self.code)}</code></pre>" if self.code else ""
        heading = marked_up(self.heading)
        if self.folded:
            parts = [f"<details><summary><strong>{heading}</strong></summary>{text}{code}</details>"]
        else:
            parts = [f"<p style='margin: 0'><strong>{heading}.</strong> {text}</p>{code}"]
        return {"text/plain": repr(self), "text/html": boxed(parts, QUIET)}


def boxed(parts: Sequence[str], colour: str) -> str:
    """HTML in a box with a bar of ``colour``; without a background, so that it fits light and dark pages."""
    style = f"border-left: 4px solid {colour}; padding: 0.4em 0 0.4em 0.9em; margin: 0.3em 0; max-width: 46em"
    return f'<div style="{style}">{"".join(parts)}</div>'


def marked_up(text: str) -> str:
    """Text as HTML: escaped, with what stands between backticks as code."""
    return CODE.sub(r"<code>\1</code>", html.escape(text))
