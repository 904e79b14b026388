"""What has been done so far: one file in the working folder, that outlives kernels and notebooks."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prunelab import lesson_catalogue
from prunelab.errors import ProgressError
from prunelab.lessons.checks import EXERCISES
from prunelab.lessons.exercise import Exercise
from prunelab.lessons.ledger import VERSION, Content, Ledger, working_folder
from prunelab.lessons.result import HEADINGS, Outcome

NAME = "prunelab-progress.json"
FORMAT = 1
ENTRIES = "exercises"
COUNTS = ("tries", "hints", "solutions")


def file(folder: str | Path | None = None) -> Ledger:
    """The file of progress in ``folder``; None: the working folder. Raises ProgressError where that is gone."""
    return Ledger(working_folder(folder), NAME, FORMAT, lambda: {VERSION: FORMAT, ENTRIES: {}}, _valid)


def _valid(content: Content) -> bool:
    entries = content.get(ENTRIES)
    return isinstance(entries, dict) and all(_valid_entry(entry) for entry in entries.values())


def _valid_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and all(type(entry.get(key)) is int and entry[key] >= 0 for key in COUNTS)
        and entry.get("outcome") in (*HEADINGS, None)
        and isinstance(entry.get("last"), str)
        and isinstance(entry.get("right"), str | None)
    )


def checked(exercise: Exercise, outcome: Outcome) -> str:
    """Record the outcome of a check. Returns words if it could not be, or if something happened to the file, or ""."""
    if outcome == "not begun":
        return ""

    def change(entry: dict[str, Any], now: str) -> None:
        entry["tries"] += 1
        entry["outcome"] = outcome
        if outcome == "right" and entry["right"] is None:
            entry["right"] = now

    return _record(exercise, change)


def hinted(exercise: Exercise, step: int) -> str:
    """Record that hints up to ``step`` were given. Returns as ``checked``."""
    return _record(exercise, lambda entry, now: entry.update(hints=max(entry["hints"], step)))


def shown(exercise: Exercise) -> str:
    """Record that the solution was shown. Returns as ``checked``."""
    return _record(exercise, lambda entry, now: entry.update(solutions=entry["solutions"] + 1))


def _record(exercise: Exercise, change: Any) -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds")

    def recorded(content: Content) -> None:
        new = {"tries": 0, "hints": 0, "solutions": 0, "outcome": None, "right": None}
        entry = content[ENTRIES].setdefault(exercise.name, new)
        change(entry, now)
        entry["last"] = now

    try:
        words = file().change(recorded)
    except ProgressError as error:
        return f"(Progress is not recorded: {error}.)"
    return f"({words}.)" if words else ""


class Table:
    """Progress as a notebook shows it. entries: by exercise; words: why there may be none."""

    def __init__(self, entries: dict[str, dict[str, Any]], words: str = "") -> None:
        self.entries, self.words = entries, words

    @property
    def rows(self) -> list[tuple[str, str, str, int, int]]:
        """(lesson, exercise, outcome in words, tries, hints) of all exercises, done or not."""
        rows = []
        for exercise in EXERCISES.values():
            entry = self.entries.get(exercise.name, {})
            outcome: Outcome | None = "right" if entry.get("right") else entry.get("outcome")
            word = HEADINGS[outcome][0] if outcome else "Not begun"
            lesson = f"{exercise.lesson} {lesson_catalogue.title(exercise.lesson)}"
            rows.append((lesson, exercise.name, word, entry.get("tries", 0), entry.get("hints", 0)))
        return rows

    @property
    def done(self) -> int:
        """How many exercises are right."""
        return sum(bool(self.entries.get(name, {}).get("right")) for name in EXERCISES)

    def __repr__(self) -> str:
        lines = [f"{self.done} of {len(EXERCISES)} exercises are right", *([self.words] if self.words else [])]
        lines += [
            f"{lesson:26} {name:22} {word:10} {tries} {'try' if tries == 1 else 'tries'}, "
            f"{hints} {'hint' if hints == 1 else 'hints'}"
            for lesson, name, word, tries, hints in self.rows
        ]
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        head = "".join(f"<th style='text-align: left'>{h}</th>" for h in ("Lesson", "Exercise", "", "Tries", "Hints"))
        body = "".join(
            "<tr>" + "".join(f"<td style='text-align: left'>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        words = f"<p>{html.escape(self.words)}</p>" if self.words else ""
        title = f"<p><strong>{self.done} of {len(EXERCISES)} exercises are right</strong></p>"
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return {"text/plain": repr(self), "text/html": title + words + table}


def progress(folder: str | Path | None = None) -> Table:
    """What has been done so far, as a table. folder: of the notebooks; None: the working folder. Never raises."""
    try:
        return Table(file(folder).read()[ENTRIES])
    except ProgressError as error:
        return Table({}, f"{error}.")
