"""The lessons that come with prunelab: their numbers and titles, where their notebooks lie, and of which version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prunelab import resources
from prunelab.errors import LessonError

FOLDER = "lessons"
TITLES = (
    "Quick start",
    "Why prune",
    "The threshold",
    "Cut and recover",
    "Again and again",
    "Is magnitude any good?",
    "L1 or L2",
    "Dropout after pruning",
    "Which layer can take it",
    "Dead neurons",
    "Batch norm came later",
    "Small is not fast",
    "Your own model",
    "The challenge",
)
# What each is about, as the query part of a link to the lab, in the terms of links of version 2: the recipe that its
# notebook begins with, at the first seed, and panels beyond the usual ones.
LINKS = (
    "",
    "rule=density&rounds=1&show=digits",
    "show=distribution",
    "rule=density&density=0.03&rounds=1&retrain_epochs=5&retrain_rate=1.0&show=compare",
    "rule=density&density=0.012&rounds=5&retrain_rate=1.0&show=compare",
    "rule=density&density=0.1&scope=layer&rounds=1&retrain_epochs=5&retrain_rate=1.0&show=criterion,compare",
    "model=mlp-small&rule=density&density=0.1&rounds=1&retrain_epochs=10&retrain_rate=1.0&show=compare",
    "model=mlp-small&dropout=0.5&rule=density&density=0.06&rounds=3&retrain_rate=1.0&show=compare",
    "model=lenet-5&epochs=15&show=sensitivity",
    "rule=density&density=0.02&rounds=1&retrain_epochs=10&retrain_rate=0.5&show=graph",
    "batch_norm=true&rule=density&density=0.2&rounds=1&retrain_rate=1.0&show=compare",
    "rule=density&density=0.1&rounds=1&retrain_epochs=5&retrain_rate=1.0",
    "show=sensitivity",
    "model=mlp-small&rule=density&rounds=5&retrain_rate=1.0&show=tradeoff",
)
NO_VERSION = 0


def title(number: int) -> str:
    """The title of a lesson. Raises LessonError if there is no such lesson."""
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(TITLES):
        raise LessonError(f"there is no lesson {number!r:.40}: there are 0 to {len(TITLES) - 1}")
    return TITLES[number]


def link(number: int) -> str:
    """The query part of a link that sets the lab to what a lesson is about. Raises LessonError for no such lesson."""
    title(number)
    return f"v=2&{LINKS[number]}".rstrip("&")


def notebook(number: int, folder: Path | None = None) -> Path:
    """The notebook of a lesson in ``folder``; None: as it comes with prunelab.

    Raises LessonError if there is no such lesson, or its notebook is not there.
    """
    name = title(number)
    found = sorted((folder or resources.notebooks() / FOLDER).glob(f"{number:02}_*.ipynb"))
    if not found:
        raise LessonError(f'the notebook of lesson {number}, "{name}", did not come with prunelab: install it again')
    return found[0]


def shipped_version(number: int) -> int:
    """The version in which a lesson comes with prunelab; NO_VERSION if its notebook did not come."""
    try:
        return version(notebook(number))
    except (LessonError, FileNotFoundError):
        return NO_VERSION


def version(notebook: Path) -> int:
    """Of a notebook, from its metadata; NO_VERSION where it says none, is damaged or cannot be read."""
    try:
        content: Any = json.loads(notebook.read_bytes())
        found = content["metadata"]["prunelab"]["version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return NO_VERSION
    return found if isinstance(found, int) and not isinstance(found, bool) else NO_VERSION
