"""The local leader board: entries in one file, their packed networks beside it, nothing believed that is not tested.

Whoever edits the board gains nothing: each time it is shown, every entry is loaded from its file and tested again.
"""

from __future__ import annotations

import hashlib
import html
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prunelab.disk import write_atomically
from prunelab.errors import ProgressError
from prunelab.formatting import percent
from prunelab.lessons import challenge
from prunelab.lessons.challenge import GOAL, MEDALS, Refused, Verified
from prunelab.lessons.ledger import VERSION, Content, Ledger, working_folder
from prunelab.lessons.result import Result

NAME = "prunelab-leaderboard.json"
FILES = "prunelab-leaderboard"  # folder of the packed files, named by their digest
FORMAT = 1
ENTRIES = "entries"
MOST_ENTRIES = 1000
LONGEST_NAME = 40
HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Entry:
    """One line of the board: who, when (UTC), and what was found out about the file."""

    name: str
    when: str
    verified: Verified


class Board:
    """The board as a notebook shows it. entries: the best of each name, smallest first. words: what does not count."""

    def __init__(self, entries: list[Entry], words: list[str]) -> None:
        self.entries, self.words = entries, words

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [
            (
                str(place),
                entry.name,
                f"{entry.verified.size:,}",
                entry.verified.medal,
                f"{percent(entry.verified.accuracy)} ({entry.verified.right} of {entry.verified.digits})",
                percent(entry.verified.shifted),
            )
            for place, entry in enumerate(self.entries, start=1)
        ]

    def __repr__(self) -> str:
        medals = ", ".join(f"{name} {most:,}" for name, most in reversed(MEDALS))
        lines = [f"The smallest file that reads {percent(GOAL, 0)} of the digits ({medals} bytes)"]
        lines += [
            f"{place:>3} {name:{LONGEST_NAME}} {size:>7} bytes  {medal:6}  {accuracy}, moved by a pixel {shifted}"
            for place, name, size, medal, accuracy, shifted in self.rows
        ]
        if not self.rows:
            lines.append("No entries yet: lessons.submit(file, name=...)")
        return "\n".join(lines + self.words)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        heads = ("", "Name", "Bytes", "Medal", "Right", "Moved by a pixel")
        head = "".join(f"<th scope='col' style='text-align: left'>{each}</th>" for each in heads)
        body = "".join(
            "<tr>" + "".join(f"<td style='text-align: left'>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        title = html.escape(repr(self).splitlines()[0])
        empty = "" if self.rows else "<p>No entries yet: <code>lessons.submit(file, name=...)</code></p>"
        words = "".join(f"<p>{html.escape(each)}</p>" for each in self.words)
        table = f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return {"text/plain": repr(self), "text/html": table + empty + words}


def submit(
    source: str | os.PathLike[str] | bytes, name: str, *, folder: str | os.PathLike[str] | None = None
) -> Result:
    """Enter a packed file for the challenge: the smallest one that reads 97 % of the test digits.

    The file is loaded and tested here; no code of whoever made it runs. Never raises.

    Args:
        source: The file that ``sparse.save`` wrote, or its bytes.
        name: Who enters it, 1 to 40 characters.
        folder: Of the board; None: the working folder.

    Returns:
        A Result, "right" if it is on the board, "wrong" with the reason if it is refused, "stopped" if the board could
        not be written.
    """
    if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_NAME or not name.isprintable():
        return Result("wrong", f'The name has to be a text of 1 to {LONGEST_NAME} letters, such as `name="Ada"`.')
    try:
        blob = challenge.read(source)
        verified = challenge.verify(blob)
    except Refused as error:
        words = str(error)
        return Result("wrong", f"This file does not count: {words}.")
    try:
        words = _enter(_ledger(folder), name.strip(), blob, verified)
    except ProgressError as error:
        return Result("stopped", f"The file counts ({verified.size:,} bytes), but it is not on the board: {error}.")
    medal = f", {verified.medal}" if verified.medal else ""
    said = (
        f"{verified.size:,} bytes{medal}: {verified.right} of {verified.digits} test digits right, "
        f"{percent(verified.accuracy)}. Moved by a pixel, which nobody tuned for: {percent(verified.shifted)}."
    )
    return Result("right", f"{said} {words}".rstrip())


def leaderboard(folder: str | os.PathLike[str] | None = None) -> Board:
    """The board, with every entry loaded from its file and tested again. folder: None: the working folder.

    Never raises: what does not count is named below the board.
    """
    try:
        ledger = _ledger(folder)
        content = ledger.read()
    except ProgressError as error:
        return Board([], [f"{error}."])
    best: dict[str, Entry] = {}
    words = []
    for raw in content[ENTRIES]:
        try:
            entry = _tested(ledger.folder / FILES, raw)
        except Refused as error:
            words.append(f"Not counted, the entry of {_name_of(raw)}: {error}.")
            continue
        known = best.get(entry.name)
        if known is None or _order(entry) < _order(known):
            best[entry.name] = entry
    return Board(sorted(best.values(), key=_order), words)


def _order(entry: Entry) -> tuple[int, str]:
    """Fewest bytes first, then who came first."""
    return entry.verified.size, entry.when


def _tested(files: Path, raw: Any) -> Entry:
    """The entry, if its file is there and is what the entry says. Raises Refused if not."""
    if not isinstance(raw, dict) or not all(isinstance(raw.get(key), str) for key in ("name", "when", "digest")):
        raise Refused("it is no entry")
    digest = raw["digest"]
    if len(digest) != 64 or not HEX.issuperset(digest):  # it becomes the name of a file
        raise Refused("it names no file")
    blob = challenge.read(files / f"{digest}.prune")
    if hashlib.sha256(blob).hexdigest() != digest:
        raise Refused("its file is another than was entered")
    verified = challenge.verify(blob)
    said, found = (raw.get("size"), raw.get("right")), (verified.size, verified.right)
    if said != found:
        raise Refused(
            f"it says {said[0]!r:.20} bytes and {said[1]!r:.20} digits right, and its file has {found[0]:,} bytes and "
            f"reads {found[1]} right"
        )
    return Entry(raw["name"][:LONGEST_NAME], raw["when"][:40], verified)


def _name_of(raw: Any) -> str:
    name = raw.get("name") if isinstance(raw, dict) else None
    return repr(name[:LONGEST_NAME]) if isinstance(name, str) else "nobody"


def _enter(ledger: Ledger, name: str, blob: bytes, verified: Verified) -> str:
    """Write the file and its entry; words on a board that was damaged, or "". Raises ProgressError."""
    entry = {
        "name": name,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "digest": verified.digest,
        "size": verified.size,
        "right": verified.right,
    }

    def add(content: Content) -> None:
        entries = content[ENTRIES]
        if any(isinstance(e, dict) and (e.get("name"), e.get("digest")) == (name, verified.digest) for e in entries):
            return
        if len(entries) >= MOST_ENTRIES:
            raise ProgressError(f"{NAME} is full, {MOST_ENTRIES} entries")
        entries.append(entry)

    files = ledger.folder / FILES
    try:
        files.mkdir(exist_ok=True)
        write_atomically(files / f"{verified.digest}.prune", blob)
    except OSError as error:
        raise ProgressError(f"{files} cannot be written: {error.strerror or error}") from error
    words = ledger.change(add)
    return f"({words}.)" if words else ""


def _ledger(folder: str | os.PathLike[str] | None) -> Ledger:
    def valid(content: Content) -> bool:
        return isinstance(content.get(ENTRIES), list)

    return Ledger(working_folder(folder), NAME, FORMAT, lambda: {VERSION: FORMAT, ENTRIES: []}, valid)
