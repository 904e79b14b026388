"""Links in the sources: from lesson to lesson, and from the documentation to lessons, as their readers follow them.

A lesson is read in JupyterLab, from a copy of its folder, on GitHub and as a page. So a lesson links to its neighbours
by file name alone.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from prunelab import lesson_catalogue
from support.servers import CHECKOUT

NOTEBOOKS = CHECKOUT / "notebooks"
DOCS = CHECKOUT / "docs"
LESSONS = [lesson_catalogue.notebook(number, NOTEBOOKS / "lessons") for number in range(len(lesson_catalogue.TITLES))]
PLACES = {DOCS / "tutorial/lessons": NOTEBOOKS / "lessons", DOCS / "how-to/gallery": NOTEBOOKS / "gallery"}
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)")
NAMED = re.compile(r"\blesson (\d+)", re.IGNORECASE)
PAGES = [*sorted(CHECKOUT.glob("*.md")), *(p for p in sorted(DOCS.rglob("*.md")) if "_build" not in p.parts)]
SOURCES = [*LESSONS, *sorted(NOTEBOOKS.glob("gallery/*.ipynb")), *PAGES]


def prose(path: Path) -> str:
    """The text of a page, or of a notebook's Markdown cells, without code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors(path: Path) -> set[str]:
    """The anchors of the headings of a page, as Markdown renderers make them, and in JupyterLab's spelling."""
    titles = [line.lstrip("#").strip() for line in prose(path).splitlines() if re.match(r"#{1,6} ", line)]
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    given = set(re.findall(r"^\((\S+)\)=$", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
    return slugs | given | {title.replace(" ", "-") for title in titles}


def source_of(path: Path) -> Path:
    """The notebook that a page of the documentation is copied from; any other path as it is."""
    original = PLACES.get(path.parent)
    return path if original is None else original / path.name


def broken(path: Path) -> list[str]:
    """The links within the project that lead nowhere."""
    found = []
    for address in LINK.findall(prose(path)):
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = source_of((path.parent / unquote(parts.path)).resolve()) if parts.path else path
        if not target.exists() or (parts.fragment and unquote(parts.fragment) not in anchors(target)):
            found.append(address)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(path: Path) -> None:
    assert broken(path) == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_links_within_its_folder_alone(path: Path) -> None:
    within = [urlsplit(a).path for a in LINK.findall(prose(path)) if not urlsplit(a).scheme]
    assert all("/" not in address for address in within)


def test_each_lesson_leads_to_the_next_and_the_last_to_the_first() -> None:
    for path, following in zip(LESSONS, [*LESSONS[1:], LESSONS[0]], strict=True):
        assert following.name in LINK.findall(prose(path)), path.name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_lessons_that_are_named_by_their_number_exist(path: Path) -> None:
    assert {int(number) for number in NAMED.findall(prose(path))} <= set(range(len(LESSONS)))


@pytest.mark.parametrize(
    "link, well",
    [
        ("a.ipynb", True), ("a.ipynb#what-it-is-4", True), ("a.ipynb#What-it-is,-4?", True), ("#here", True),
        ("a.ipynb#what", False), ("b.ipynb", False), ("#there", False), ("https://example.org/none#x", True),
    ],
)  # fmt: skip
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, link: str, well: bool) -> None:
    cells = [{"cell_type": "markdown", "source": ["# What it is, 4?\n", "text"]}, {"cell_type": "code", "source": []}]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\nSee [it]({link}).\n\n```sh\n[not a link](none.md)\n```\n", encoding="utf-8")
    assert (broken(page) == []) is well
