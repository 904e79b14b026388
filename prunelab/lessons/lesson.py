"""What the cells of a lesson share: one keeps a network on it, a later one finds it, or is told what is missing."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from prunelab import lesson_catalogue
from prunelab.errors import LessonError, LessonWarning, warn


class Lesson:
    """A lesson that has been started. What is set on it stays: ``lesson.dense = session``."""

    def __init__(self, number: int, title: str, cells: Mapping[str, str]) -> None:
        self._number, self._title, self._cells = number, title, dict(cells)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what Python and IPython ask for of any object
            raise AttributeError(name)
        cell = self._cells.get(name)
        missing = f'the cell "{cell}"' if cell else "the cell that makes it"
        raise LessonError(f"lesson.{name} is not there yet: run {missing} first")

    def __repr__(self) -> str:
        return f"Lesson {self._number}: {self._title}"

    def _repr_html_(self) -> str:
        return html.escape(repr(self))


def start(number: int, *, version: int | None = None, cells: Mapping[str, str] | None = None) -> Lesson:
    """Begin a lesson: the first cell of its notebook.

    Args:
        number: Of the lesson, from 0.
        version: Of the notebook. A LessonWarning says if prunelab comes with another; the lesson goes on.
        cells: {name: title of the cell that sets it}, for the sentence about a cell that has not been run.

    Raises:
        LessonError: There is no such lesson.
    """
    name = lesson_catalogue.title(number)
    current = lesson_catalogue.shipped_version(number)
    if version is not None and current not in (lesson_catalogue.NO_VERSION, version):
        if version < current:
            what = f"`prunelab lab` puts version {current} beside it"
        else:
            what = "update prunelab (`pip install -U prunelab`), or open the lesson that came with it"
        warn(
            f"This notebook is version {version} of lesson {number}, and this prunelab comes with version {current}: "
            f"texts and checks may not fit each other; {what}.",
            LessonWarning,
        )
    return Lesson(number, name, cells or {})
