"""The user's copy of the notebooks: what is missing is copied, what is there stays as it is.

A new version of a lesson arrives beside the old one, which may hold a student's work.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from prunelab import lesson_catalogue
from prunelab.lesson_catalogue import NO_VERSION

LEFT_OUT = {".ipynb_checkpoints", "__pycache__"}


@dataclass
class Copied:
    """new: files that were written. words: on lessons of which the user's copy is another."""

    new: list[Path] = field(default_factory=list)
    words: list[str] = field(default_factory=list)


def copy_missing(source: Path, folder: Path) -> Copied:
    """Copy every file below ``source`` that ``folder`` lacks, and lessons of a newer version. Nothing is ever changed.

    Raises OSError if that fails.
    """
    copied = Copied()
    for path in sorted(source.rglob("*")):
        part = path.relative_to(source)
        if not path.is_file() or LEFT_OUT.intersection(part.parts):
            continue
        target = folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if _copied(path, target):
            copied.new.append(target)
        elif part.parts[0] == lesson_catalogue.FOLDER and part.suffix == ".ipynb":
            _add_newer(path, target, copied)
    return copied


def lesson_path(number: int, source: Path, folder: Path) -> Path:
    """Where the lesson lies in the user's ``folder``: of the version in ``source``, if the user has it.

    Raises LessonError if there is no such lesson.
    """
    path = lesson_catalogue.notebook(number, source / lesson_catalogue.FOLDER)
    target = folder / path.relative_to(source)
    beside = _beside(target, lesson_catalogue.version(path))
    return beside if beside.is_file() else target


def _add_newer(path: Path, target: Path, copied: Copied) -> None:
    """Put the lesson at ``path`` beside the user's ``target`` if it is newer."""
    version, theirs = lesson_catalogue.version(path), lesson_catalogue.version(target)
    if version == NO_VERSION or theirs == version:
        return
    if theirs == NO_VERSION:
        copied.words.append(
            f"{target.name} says no version, or is damaged: it stays as it is; rename it, and a new copy comes"
        )
        return
    if theirs > version:
        copied.words.append(
            f"{target.name} is version {theirs}, and this prunelab comes with version {version}: update prunelab"
        )
        return
    beside = _beside(target, version)
    if _copied(path, beside):
        copied.new.append(beside)
        copied.words.append(
            f"{target.name} is your version {theirs} and stays as it is; version {version} lies beside it"
        )


def _beside(target: Path, version: int) -> Path:
    return target.with_name(f"{target.stem}.v{version}{target.suffix}")


def _copied(path: Path, target: Path) -> bool:
    """Copy a file to where there is none; False where there is one."""
    try:
        # Mode "x": a file that another process creates at this moment is not overwritten either.
        with path.open("rb") as old, target.open("xb") as copy:
            shutil.copyfileobj(old, copy)
    except FileExistsError:
        return False
    return True
